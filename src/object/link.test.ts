import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { summariseSpec } from '../../test/support/spec-summary.ts';
import { linkObjects, type ObjectSpec, openObject } from './index.ts';

const dir = new URL('../../testdata/object/', import.meta.url);
const read = (name: string): Uint8Array => readFileSync(new URL(name, dir));
const link = (...names: string[]): Uint8Array => linkObjects(names.map(name => ({ bytes: read(name), name })));

test.each(['el', 'eb'])('link-a and link-b.%s make the object of the golden', async order => {
  const spec = openObject(link(`link-a.${order}.o`, `link-b.${order}.o`), { name: 'linked.o' });
  const golden = new URL(`goldens/linked.${order}.txt`, dir);
  await expect(summariseSpec(spec)).toMatchFileSnapshot(golden.pathname);
});

const subprogs = (spec: ObjectSpec, program: string): string[] =>
  spec.programs.find(({ name }) => name === program)?.subprogs.map(({ name }) => name) ?? [];

test('order decides between weak definitions only', () => {
  const ab = openObject(link('link-a.el.o', 'link-b.el.o'));
  const ba = openObject(link('link-b.el.o', 'link-a.el.o'));
  for (const program of ['prog_a', 'prog_b']) {
    expect(subprogs(ab, program).sort()).toEqual(subprogs(ba, program).sort());
    expect(ab.programs.find(({ name }) => name === program)?.problem).toBeUndefined();
  }
  expect(ab.externs.map(({ name, kind }) => [name, kind])).toEqual([['LINUX_KERNEL_VERSION', 'kconfig']]);
});

/** A spec without what linking legitimately changes: ids of types and offsets of strings. */
function essence(spec: ObjectSpec): string {
  return summariseSpec(spec).replace(/kind 6 .*/g, '');
}

test.each(['calls', 'data', 'maps', 'struct-ops', 'externs', 'core', 'exceptions', 'text-only', 'calls-without-btf'])(
  'linking %s alone changes nothing',
  name => {
    for (const order of ['el', 'eb']) {
      const bytes = read(`${name}.${order}.o`);
      const alone = openObject(linkObjects([bytes]), { name });
      expect(essence(alone)).toBe(essence(openObject(bytes, { name })));
      const twice = openObject(linkObjects([linkObjects([bytes])]), { name });
      expect(essence(twice)).toBe(essence(alone));
    }
  },
);

test('several objects in any grouping give the same', () => {
  const together = link('link-a.el.o', 'link-b.el.o', 'exceptions.el.o');
  const inSteps = linkObjects([link('link-a.el.o', 'link-b.el.o'), read('exceptions.el.o')]);
  expect(essence(openObject(inSteps, { name: 'x' }))).toBe(essence(openObject(together, { name: 'x' })));
});

test.each([
  [['link-a.el.o', 'link-conflict.el.o'], 'conflicting non-weak symbol (counter_a)'],
  [['link-b.el.o', 'link-mistyped.el.o'], "global 'counter_b': incompatible INT 'int' size 4 and 8"],
  [['link-a.el.o', 'link-b.eb.o'], 'byte orders differ'],
  [['data.el.o', 'link-a.el.o'], "non-identical contents of section 'license'"],
  [[], 'nothing to link'],
])('%j does not link', (names, reason) => {
  expect(() => link(...names)).toThrow(expect.objectContaining({ code: 'object.link' }));
  expect(() => link(...names)).toThrow(reason);
});
