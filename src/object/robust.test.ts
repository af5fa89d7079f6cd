import { readdirSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { mutate } from '../../test/support/mutate.ts';
import { Random } from '../../test/support/random.ts';
import { type Btf, openBtf } from '../btf/index.ts';
import { openElf } from '../elf/index.ts';
import { FarcallError } from '../util/index.ts';
import { coreReloText, kconfigData, linkObjects, openObject, relocateObject } from './index.ts';

const dir = new URL('../../testdata/object/', import.meta.url);
const read = (name: string): Uint8Array => new Uint8Array(readFileSync(new URL(name, dir)));
const objects = readdirSync(dir).filter(name => name.endsWith('.o'));
const targetBtf = openBtf(openElf(read('core-target.el.o')).sectionByName('.BTF')?.data ?? new Uint8Array(0));

function useAll(bytes: Uint8Array, target: Btf): void {
  const spec = openObject(bytes);
  const { results } = relocateObject(spec, { targetBtf: target, kconfig: { config: 'CONFIG_NAME="x"\n' } });
  for (const report of results) coreReloText(report);
  kconfigData(spec, {});
}

/** Runs `body`; only a FarcallError may come out of it. */
function tolerate(seed: string, body: () => void): void {
  try {
    body();
  } catch (error) {
    if (!(error instanceof FarcallError)) throw new Error(`${seed}: ${(error as Error).stack}`);
  }
}

test.each(objects)('damaged copies of %s end in a value or a FarcallError', name => {
  const bytes = read(name);
  for (let seed = 1; seed <= 60; seed++) {
    const damaged = mutate(bytes, new Random(seed));
    tolerate(`open, seed ${seed}`, () => useAll(damaged, targetBtf));
    tolerate(`link, seed ${seed}`, () => linkObjects([damaged, bytes]));
  }
});

test('every truncation of an object ends in a value or a FarcallError', () => {
  const bytes = read('calls.el.o');
  for (let size = 0; size < bytes.length; size += 7) {
    tolerate(`size ${size}`, () => useAll(bytes.subarray(0, size), targetBtf));
  }
});

test('every damaged target ends in results', () => {
  const spec = openObject(read('core.el.o'));
  for (let seed = 1; seed <= 200; seed++) {
    tolerate(`seed ${seed}`, () => {
      const target = openBtf(mutate(targetBtf.bytes, new Random(seed)));
      expect(relocateObject(spec, { targetBtf: target }).results.length).toBeGreaterThan(0);
    });
  }
});
