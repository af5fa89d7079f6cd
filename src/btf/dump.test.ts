import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { openBtf } from './btf.ts';
import { dumpC } from './dump-c.ts';
import { dumpRaw, dumpRawJson } from './dump-raw.ts';
import { BtfBuilder, type BtfTypeInit } from './writer.ts';

const file = (name: string): URL => new URL(`../../testdata/btf/${name}`, import.meta.url);
const text = (name: string): string => readFileSync(file(name), 'utf8');
const open = (name: string) => openBtf(new Uint8Array(readFileSync(file(name))));

describe.each([
  ['shapes', 'shapes'],
  ['shapeseb', 'shapes'],
  ['core', 'core'],
  ['target', 'target'],
])('%s.btf', (input, golden) => {
  const btf = open(`${input}.btf`);
  it('dumps to C as bpftool does', () => expect(dumpC(btf)).toBe(text(`${golden}.h`)));
  it('dumps raw as bpftool does', () => expect(dumpRaw(btf)).toBe(text(`${golden}.raw`)));
  it('dumps to JSON as bpftool does', () => expect(dumpRawJson(btf)).toBe(text(`${golden}.json`).trimEnd()));
});

const int: BtfTypeInit = {
  kind: 'INT',
  name: 'int',
  sizeBytes: 4,
  signed: true,
  char: false,
  bool: false,
  encoding: 1,
  bitOffset: 0,
  bits: 32,
};
const field = (name: string, typeId: number, bitOffset: number, bitSize = 0) => ({ name, typeId, bitOffset, bitSize });
const struct = (name: string, sizeBytes: number, ...members: ReturnType<typeof field>[]): BtfTypeInit => ({
  kind: 'STRUCT',
  name,
  sizeBytes,
  members,
});
const proto = (returnTypeId: number, ...typeIds: number[]): BtfTypeInit => ({
  kind: 'FUNC_PROTO',
  name: '',
  returnTypeId,
  params: typeIds.map(typeId => ({ name: '', typeId })),
});
const ptr = (typeId: number): BtfTypeInit => ({ kind: 'PTR', name: '', typeId });

function bare(...types: readonly BtfTypeInit[]): string {
  const builder = new BtfBuilder();
  for (const type of types) builder.add(type);
  return dumpC(builder.build('little', { pointerSizeBytes: 8 }), { bare: true, unsorted: true });
}

describe('C of small graphs', () => {
  it.each<[string, readonly BtfTypeInit[], string]>([
    ['an empty struct', [struct('e', 0)], 'struct e {};\n\n'],
    [
      'equal names',
      [int, struct('s', 4, field('a', 1, 0)), struct('s', 8, field('a', 1, 0), field('b', 1, 32))],
      'struct s {\n\tint a;\n};\n\nstruct s___2 {\n\tint a;\n\tint b;\n};\n\n',
    ],
    [
      'structs that point at each other',
      [struct('a', 8, field('b', 3, 0)), struct('b', 8, field('a', 4, 0)), ptr(2), ptr(1)],
      'struct b;\n\nstruct a {\n\tstruct b *b;\n};\n\nstruct b {\n\tstruct a *a;\n};\n\n',
    ],
    [
      'a gap before and after',
      [int, struct('g', 24, field('a', 1, 64))],
      'struct g {\n\tlong: 64;\n\tint a;\n\tlong: 64;\n};\n\n',
    ],
    [
      'packing',
      [int, struct('p', 5, field('a', 1, 8))],
      'struct p {\n\tchar: 8;\n\tint a;\n} __attribute__((packed));\n\n',
    ],
    [
      'bitfields',
      [int, struct('b', 8, field('a', 1, 3, 5), field('b', 1, 33, 2))],
      'struct b {\n\tchar: 3;\n\tint a: 5;\n\tint: 24;\n\tchar: 1;\n\tint b: 2;\n};\n\n',
    ],
    [
      'a function returning a function pointer',
      [
        int,
        { kind: 'FUNC_PROTO', name: '', returnTypeId: 1, params: [{ name: 'x', typeId: 1 }] },
        ptr(2),
        proto(3, 1, 0),
        { kind: 'TYPEDEF', name: 'maker', typeId: 6 },
        ptr(4),
      ],
      'typedef int (* (*maker)(int, ...))(int x);\n\n',
    ],
    [
      'signed and wide enumerators',
      [
        { kind: 'ENUM', name: '', sizeBytes: 4, signed: true, values: [{ name: 'M', value: -1 }] },
        { kind: 'ENUM64', name: 'w', sizeBytes: 8, signed: false, values: [{ name: 'M', value: 1n << 63n }] },
      ],
      'enum {\n\tM = -1,\n};\n\nenum w {\n\tM___2 = 9223372036854775808ULL,\n};\n\n',
    ],
    [
      'a forward declaration keeps its name beside a definition',
      [{ kind: 'FWD', name: 's', of: 'struct' }, struct('s', 0)],
      'struct s;\n\nstruct s {};\n\n',
    ],
  ])('%s', (_, types, expected) => expect(bare(...types)).toBe(expected));

  it('refuses a struct that contains itself', () => {
    expect(() => bare(struct('s', 8, field('s', 1, 0)))).toThrow(/\[1\] contains itself by value/);
  });
  it('refuses a typedef of itself', () => {
    expect(() => bare({ kind: 'TYPEDEF', name: 't', typeId: 1 })).toThrow(/nest too deep/);
  });
  it('refuses output that doubles with each type', () => {
    const types = Array.from({ length: 40 }, (_, i) => struct('', 0, field('a', i + 3, 0), field('b', i + 3, 0)));
    expect(() => bare(struct('top', 0, field('x', 2, 0)), ...types, int)).toThrow(/too long/);
  });
});

describe('choices', () => {
  const builder = new BtfBuilder();
  const proto = builder.add({ kind: 'FUNC_PROTO', name: '', returnTypeId: 0, params: [] });
  for (const name of ['z_kfunc', 'a_kfunc']) {
    const func = builder.add({ kind: 'FUNC', name, typeId: proto, linkage: 1 });
    builder.add({ kind: 'DECL_TAG', name: 'bpf_kfunc', typeId: func, componentIdx: -1, isAttribute: false });
  }
  const only = builder.add({
    kind: 'ENUM',
    name: 'first',
    sizeBytes: 4,
    signed: false,
    values: [{ name: 'A', value: 0 }],
  });
  const btf = builder.build();

  it('leaves out the first type as bpftool 7.5 does, unless asked for all', () => {
    expect(dumpC(btf)).not.toContain('enum first');
    expect(dumpC(btf, { style: 'complete' })).toContain('enum first');
    expect(dumpC(btf, { rootIds: [only] })).toContain('enum first');
  });
  it('writes kfuncs in tag order, or sorted', () => {
    const names = (dump: string) =>
      [...dump.matchAll(/extern void (\w+)\(void\) __weak __ksym;/g)].map(match => match[1]);
    expect(names(dumpC(btf))).toEqual(['z_kfunc', 'a_kfunc']);
    expect(names(dumpC(btf, { style: 'complete' }))).toEqual(['a_kfunc', 'z_kfunc']);
    expect(names(dumpC(btf, { rootIds: [only] }))).toEqual([]);
  });
});
