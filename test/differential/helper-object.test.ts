import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { createMachine } from '../../src/machine/index.ts';
import { openObject } from '../../src/object/index.ts';

const DIR = join(import.meta.dirname, '../../testdata/helpers');

/** FNV-1a, as in the answers' last column. */
function digest(bytes: Uint8Array): string {
  let hash = 0x811c9dc5;
  for (const byte of bytes) hash = Math.imul(hash ^ byte, 0x01000193);
  return (hash >>> 0).toString(16).padStart(8, '0');
}

/** Answers of Linux 6.12.107: program, return value, length and digest of the packet. */
const ANSWERS = readFileSync(join(DIR, 'helpers.tsv'), 'utf8')
  .trimEnd()
  .split('\n')
  .map(line => line.split('\t'));

describe('helpers that need callbacks, BTF or constant strings, as Linux 6.12 answers', () => {
  const spec = openObject(readFileSync(join(DIR, 'helpers.o')), { name: 'helpers' });
  const dataIn = Uint8Array.from({ length: 64 }, (_, i) => i);

  it('has an answer for every program', () => {
    expect(ANSWERS.map(([name]) => name).sort()).toEqual(spec.programs.map(program => program.name).sort());
  });

  it.each(ANSWERS)('%s', (name, retval, length, expected) => {
    const machine = createMachine();
    const program = machine.loadObject(spec, { only: [name] }).programs.get(name);
    expect(program).toBeDefined();
    const result = machine.run(program!, { dataIn });
    expect(result.fault).toBeUndefined();
    const out = result.dataOut ?? new Uint8Array(0);
    expect([String(result.retval), String(out.length), digest(out)]).toEqual([retval, length, expected]);
  });
});
