import { expect, test } from 'vitest';
import { BtfBuilder } from '../btf/index.ts';
import {
  ElfWriter,
  EM_BPF,
  EM_NONE,
  EM_X86_64,
  ET_DYN,
  type OutSection,
  SHF_ALLOC,
  SHF_EXECINSTR,
  STB_GLOBAL,
  STB_WEAK,
  STT_FUNC,
  STT_NOTYPE,
  STT_OBJECT,
  STT_SECTION,
} from '../elf/index.ts';
import { encodeInsns, type Insn, makeInsn } from '../isa/index.ts';
import { openObject } from './index.ts';

const EXIT = makeInsn(0x95, 0, 0, 0, 0);
const MOV = makeInsn(0xb7, 0, 0, 0, 1);
const call = (imm: number): Insn => makeInsn(0x85, 0, 1, 0, imm);
const wide = (imm: number): Insn[] => [makeInsn(0x18, 1, 0, 0, imm), makeInsn(0, 0, 0, 0, 0)];
const exec = SHF_ALLOC | SHF_EXECINSTR;

function object(machine = EM_BPF, type = 1) {
  const writer = new ElfWriter({ order: 'little', machine, type });
  const code = (name: string, insns: readonly Insn[]) =>
    writer.section({ name, flags: exec, data: encodeInsns(insns) });
  const fn = (name: string, place: OutSection, value: number, size: number, bind = STB_GLOBAL, symbolType = STT_FUNC) =>
    writer.symbol({ name, place, value, size, bind, type: symbolType });
  return { writer, code, fn, open: () => openObject(writer.finish(), { name: 'odd.o' }) };
}

test('code of compilers that gave symbols no type is cut at its symbols', () => {
  const { code, fn, open } = object(EM_NONE);
  const section = code('xdp', [MOV, EXIT, MOV, EXIT]);
  fn('one', section, 0, 0, STB_GLOBAL, STT_NOTYPE);
  fn('two', section, 16, 0, STB_GLOBAL, STT_NOTYPE);
  fn('LBB0_1', section, 8, 0, STB_GLOBAL, STT_NOTYPE);
  const spec = open();
  expect(spec.programs.map(({ name, insns }) => [name, insns.length])).toEqual([
    ['one', 2],
    ['two', 2],
  ]);
  expect(spec.notes).toHaveLength(1);
});

test('code without symbols is one program named as its section', () => {
  const { code, writer, open } = object();
  code('tc/ingress', [MOV, EXIT]);
  writer.symbol({ name: 'unrelated', place: 'absolute' });
  expect(open().programs.map(({ name, type }) => [name, type])).toEqual([['tc_ingress', 3]]);
});

test('calls lead into any section, by symbol and by section, with addends in the instruction or beside it', () => {
  for (const addend of [undefined, 16]) {
    const { code, fn, writer, open } = object();
    const main = code('xdp', [call(-1), call(addend === undefined ? 1 : -1), EXIT]);
    const other = code('helpers', [MOV, EXIT, MOV, MOV, EXIT]);
    fn('main', main, 0, 24);
    const byName = fn('first', other, 0, 16, 0);
    fn('second', other, 16, 24, 0);
    const bySection = writer.symbol({ name: '', place: other, type: STT_SECTION });
    writer.reloc(main, { offset: 0, type: 10, symbol: byName });
    writer.reloc(main, { offset: 8, type: 10, symbol: bySection, addend });
    const [program] = open().programs;
    expect(program.problem).toBeUndefined();
    expect(program.subprogs.map(({ name }) => name)).toEqual(['main', 'first', 'second']);
    expect(program.insns.slice(0, 2).map(({ imm }) => imm)).toEqual([2, 3]);
  }
});

test('functions that call one another in a circle are linked once', () => {
  const { code, fn, writer, open } = object();
  const text = code('.text', [call(1), EXIT, call(-3), EXIT]);
  const ping = fn('ping', text, 0, 16, 0);
  fn('pong', text, 16, 16, 0);
  const main = code('xdp', [call(-1), EXIT]);
  fn('main', main, 0, 16);
  writer.reloc(main, { offset: 0, type: 10, symbol: ping });
  const [program] = open().programs;
  expect(program.subprogs.map(({ name }) => name)).toEqual(['main', 'ping', 'pong']);
  expect(program.insns.map(({ imm }) => imm)).toEqual([1, 0, 1, 0, -3, 0]);
});

test('a chain of ten thousand calls is linked without recursion', () => {
  const { code, fn, writer, open } = object();
  const count = 10_000;
  const insns = Array.from({ length: count }, (_, i) => [i + 1 < count ? call(1) : MOV, EXIT]).flat();
  const text = code('.text', insns);
  for (let i = 0; i < count; i++) fn(`f${i}`, text, 16 * i, 16, 0);
  const main = code('xdp', [call(-1), EXIT]);
  fn('main', main, 0, 16);
  writer.reloc(main, { offset: 0, type: 10, symbol: writer.symbol({ name: '', place: text, type: STT_SECTION }) });
  expect(open().programs[0].subprogs).toHaveLength(count + 1);
});

test('programs that share much code do not exhaust memory', () => {
  const { code, fn, writer, open } = object();
  const text = code('.text', new Array(20_000).fill(EXIT));
  const shared = fn('shared', text, 0, 160_000);
  const main = code('xdp', new Array(2_000).fill(call(-1)));
  for (let i = 0; i < 2_000; i++) {
    fn(`p${i}`, main, 8 * i, 8);
    writer.reloc(main, { offset: 8 * i, type: 10, symbol: shared });
  }
  const { programs } = open();
  expect(programs[0].problem).toBeUndefined();
  expect(programs.at(-1)?.problem?.code).toBe('object.too-large');
});

test.each<[string, (kit: ReturnType<typeof object>, main: OutSection) => void, string]>([
  [
    'an undeclared function',
    ({ writer }, main) => {
      const symbol = writer.symbol({ name: 'memset', bind: STB_GLOBAL });
      writer.reloc(main, { offset: 0, type: 10, symbol });
    },
    'none',
  ],
  [
    'data that is no code',
    ({ writer }, main) => {
      const data = writer.section({ name: '.data', flags: 3, data: new Uint8Array(8) });
      writer.reloc(main, { offset: 0, type: 10, symbol: writer.symbol({ name: 'x', place: data, bind: STB_GLOBAL }) });
    },
    'object.reloc',
  ],
  [
    'an absolute symbol',
    ({ writer }, main) => {
      writer.reloc(main, { offset: 8, type: 1, symbol: writer.symbol({ name: 'x', place: 'absolute' }) });
    },
    'object.reloc',
  ],
  [
    'a section that is nothing to a loader',
    ({ writer }, main) => {
      const other = writer.section({ name: 'notes', data: new Uint8Array(8) });
      writer.reloc(main, { offset: 8, type: 1, symbol: writer.symbol({ name: 'x', place: other }) });
    },
    'object.reloc',
  ],
  [
    'the middle of an instruction',
    ({ writer, fn }, main) => {
      writer.reloc(main, { offset: 12, type: 1, symbol: fn('again', main, 0, 32) });
    },
    'object.reloc',
  ],
])('a reference to %s is the matter of its program alone', (_, spoil, code) => {
  const kit = object();
  const main = kit.code('xdp', [call(-1), ...wide(0), EXIT]);
  const good = kit.code('tc', [MOV, EXIT]);
  kit.fn('main', main, 0, 32);
  kit.fn('good', good, 0, 16);
  spoil(kit, main);
  const spec = kit.open();
  const find = (name: string) => spec.programs.find(program => program.name === name);
  expect(find('main')?.problem?.code ?? 'none').toBe(code);
  expect(find('good')?.problem).toBeUndefined();
});

test('a missing global variable is told in libbpf’s words', () => {
  const { code, fn, writer, open } = object();
  const main = code('xdp', [...wide(0), EXIT]);
  fn('main', main, 0, 24);
  const common = writer.symbol({ name: 'x', place: 'common', bind: STB_GLOBAL, type: STT_OBJECT });
  writer.reloc(main, { offset: 0, type: 1, symbol: common });
  expect(open().programs[0].problem?.message).toContain('forgot to initialize global var?..');
});

test.each([
  ['for another machine', EM_X86_64, 1],
  ['a shared object', EM_BPF, ET_DYN],
])('ELF %s is refused', (_, machine, type) => {
  const { code, open } = object(machine, type);
  code('xdp', [EXIT]);
  expect(open).toThrow(expect.objectContaining({ code: 'object.not-bpf' }));
});

test('an object without symbols is refused', () => {
  const { code, open } = object();
  code('xdp', [EXIT]);
  expect(open).toThrow(expect.objectContaining({ code: 'object.no-symbols' }));
});

/** An object whose only map has the given attributes: numbers, or ids of types for key and value. */
function mapObject(attributes: readonly (readonly [string, number])[], linkage = 1, cells: readonly string[] = []) {
  const btf = new BtfBuilder();
  const int = btf.add({
    kind: 'INT',
    name: 'int',
    sizeBytes: 4,
    signed: true,
    char: false,
    bool: false,
    encoding: 1,
    bitOffset: 0,
    bits: 32,
  });
  const members = attributes.map(([name, value], i) => {
    const array = btf.add({ kind: 'ARRAY', name: '', typeId: int, indexTypeId: int, nelems: value });
    return { name, typeId: btf.add({ kind: 'PTR', name: '', typeId: array }), bitOffset: 64 * i, bitSize: 0 };
  });
  const sizeBytes = 8 * members.length;
  let struct = btf.add({ kind: 'STRUCT', name: '', sizeBytes, members });
  for (const name of [...cells].reverse()) {
    struct = btf.add({
      kind: 'STRUCT',
      name: 'Cell',
      sizeBytes,
      members: [{ name, typeId: struct, bitOffset: 0, bitSize: 0 }],
    });
  }
  const variable = btf.add({ kind: 'VAR', name: 'map', typeId: struct, linkage });
  btf.add({ kind: 'DATASEC', name: '.maps', sizeBytes: 0, vars: [{ typeId: variable, offBytes: 0, sizeBytes }] });
  const { writer, open } = object();
  const section = writer.section({ name: '.maps', flags: 3, data: new Uint8Array(sizeBytes) });
  writer.symbol({ name: 'map', place: section, bind: STB_WEAK, type: STT_OBJECT, size: sizeBytes });
  writer.section({ name: '.BTF', data: btf.encode() });
  return open;
}

test.each([
  [
    [
      ['type', 1],
      ['key_size', 4],
      ['key_size', 8],
    ],
    'conflicting key size 4 != 8',
  ],
  [[['max_entries', 1]], "map type isn't specified"],
  [
    [
      ['type', 1],
      ['pinning', 2],
    ],
    'invalid pinning value 2',
  ],
  [
    [
      ['type', 1],
      ['values', 0],
    ],
    'should be map-in-map or prog-array',
  ],
] as [[string, number][], string][])('a map of %j is refused', (attributes, reason) => {
  expect(mapObject(attributes)).toThrow(expect.objectContaining({ code: 'object.map' }));
  expect(mapObject(attributes)).toThrow(reason);
});

test('unknown attributes of a map are noted', () => {
  const spec = mapObject([
    ['type', 2],
    ['colour', 7],
  ])();
  expect(spec.maps[0].def.type).toBe(2);
  expect(spec.notes).toEqual(["map 'map': unknown field 'colour' ignored"]);
});

test('maps in the cells of Rust are found', () => {
  const cells = ['__0', 'value'];
  expect(
    mapObject(
      [
        ['type', 2],
        ['max_entries', 9],
      ],
      1,
      cells,
    )().maps[0].def,
  ).toMatchObject({ type: 2, maxEntries: 9 });
  expect(mapObject([['type', 2]], 1, ['other', 'value'])().maps[0].def.type).toBe(2);
});

test('extern maps are for the linker', () => {
  expect(mapObject([['type', 2]], 2)).toThrow('unsupported map linkage extern');
});
