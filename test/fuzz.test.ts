import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { openBtf } from '../src/btf/index.ts';
import { openElf } from '../src/elf/index.ts';
import { encodeInsns } from '../src/isa/index.ts';
import { fuzzBtf, fuzzBtfExt, fuzzInsns, fuzzNearlySound, fuzzObject } from './support/fuzz-targets.ts';
import { mutate, mutateInsns } from './support/mutate.ts';
import { generateProgram } from './support/program-generator.ts';
import { Random } from './support/random.ts';

// A short run of test/tools/fuzz.ts: the outcome of each input is a value or a FarcallError's code, anything else throws.
const dir = fileURLToPath(new URL('../examples/', import.meta.url));
const objects = readdirSync(dir)
  .filter(name => name.endsWith('.o'))
  .map(name => new Uint8Array(readFileSync(dir + name)));
const sections = (name: string): Uint8Array[] => objects.map(bytes => openElf(bytes).sectionByName(name)!.data);
const SEED = 20_000_000;

describe('damaged input ends in a value or a FarcallError', () => {
  it.each([
    ['objects', 300, objects, (bytes: Uint8Array) => fuzzObject(bytes, undefined)],
    ['BTF', 300, sections('.BTF'), fuzzBtf],
    ['.BTF.ext', 300, sections('.BTF.ext'), (bytes: Uint8Array) => fuzzBtfExt(bytes, openBtf(sections('.BTF')[0]))],
  ] as const)('%s', (_, count, seeds, run) => {
    for (let i = 0; i < count; i++) {
      const r = new Random(SEED + i);
      expect(typeof run(mutate(r.pick(seeds), r))).toBe('string');
    }
  });

  it('nearly sound programs', () => {
    for (let i = 0; i < 500; i++) {
      const r = new Random(SEED + i);
      expect(typeof fuzzNearlySound(encodeInsns(mutateInsns(generateProgram(SEED + i).insns, r)))).toBe('string');
    }
  });

  it('random instructions', () => {
    for (let i = 0; i < 300; i++) {
      const r = new Random(SEED + i);
      expect(typeof fuzzInsns(r.bytes(8 * r.between(1, 30)))).toBe('string');
    }
  });
});
