import { readdirSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { summariseSpec } from '../../test/support/spec-summary.ts';
import { objectNameOf, openObject, ringbufSizeBytes } from './index.ts';
import { dataMapName, kernelName } from './map-data.ts';

const dir = new URL('../../testdata/object/', import.meta.url);
const read = (name: string): Uint8Array => readFileSync(new URL(name, dir));
const objects = readdirSync(dir).filter(name => name.endsWith('.o'));

test.each(objects)('%s opens as its golden says', async name => {
  const golden = new URL(`goldens/${name.replace(/\.o$/, '')}.txt`, dir);
  await expect(summariseSpec(openObject(read(name), { name }))).toMatchFileSnapshot(golden.pathname);
});

test.each(objects.filter(name => name.endsWith('.el.o')))('%s is the same program in both byte orders', name => {
  const little = openObject(read(name), { name });
  const big = openObject(read(name.replace('.el.o', '.eb.o')), { name });
  const shape = (spec: typeof little) => ({
    maps: spec.maps.map(({ data, ...map }) => ({ ...map, size: data?.length })),
    externs: spec.externs.map(extern => extern.name),
    programs: spec.programs.map(({ name: program, subprogs, refs }) => [
      program,
      subprogs.map(s => s.name),
      refs.length,
    ]),
  });
  expect(shape(big)).toEqual(shape(little));
});

test('a Node.js Buffer and a view into larger bytes give the same spec', () => {
  const bytes = read('data.el.o');
  const shifted = new Uint8Array(bytes.length + 3);
  shifted.set(bytes, 3);
  const expected = summariseSpec(openObject(new Uint8Array(bytes)));
  expect(summariseSpec(openObject(Buffer.from(bytes)))).toBe(expected);
  expect(summariseSpec(openObject(shifted.subarray(3)))).toBe(expected);
});

test.each([
  ['xdp_prog', '.rodata', 'xdp_prog.rodata'],
  ['my_object_name', '.rodata', 'my_objec.rodata'],
  ['my_object_name', '.bss', 'my_objec.bss'],
  ['my_object_name', '.kconfig', 'my_obje.kconfig'],
  ['a-b', '.data', 'a_b.data'],
  ['obj', '.data.custom', '.data.custom'],
  ['obj', '.rodata.a_very_long_name', '.rodata.a_very_long_name'],
  ['obj', '.bss.a_very_long_name', '.bss.a_very_lon'],
])('the map of %s and section %s is called %s', (object, section, name) => {
  expect(dataMapName(object, section)).toBe(name);
});

test.each([
  ['a/b/prog.bpf.o', 'prog'],
  ['prog', 'prog'],
  ['.o', ''],
])('the object name of %s is %s', (path, name) => {
  expect(objectNameOf(path)).toBe(name);
});

test('kernel names are cut to 15 bytes and freed of odd characters', () => {
  expect(kernelName('.rodata.a-very-long')).toBe('.rodata.a_very_');
});

test.each([
  [0, 0],
  [1, 4096],
  [4096, 4096],
  [4097, 8192],
  [12288, 16384],
  [0xffffffff, 0xffffffff],
])('a ring buffer of %i bytes becomes one of %i', (asked, given) => {
  expect(ringbufSizeBytes(asked)).toBe(given);
});

test.each([
  ['not ELF', new Uint8Array(100), 'elf.magic'],
  ['nothing', new Uint8Array(0), 'elf.magic'],
])('%s is refused', (_, bytes, code) => {
  expect(() => openObject(bytes)).toThrow(expect.objectContaining({ code }));
});
