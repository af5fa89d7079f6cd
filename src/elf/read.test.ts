import { describe, expect, it } from 'vitest';
import { FarcallError } from '../util/index.ts';
import * as elf from './index.ts';
import { ElfWriter, openElf } from './index.ts';
import { EHDR, SHDR } from './layout.ts';

function sample(order: 'little' | 'big' = 'little') {
  const writer = new ElfWriter({ order, machine: elf.EM_BPF });
  const text = writer.section({ name: 'xdp', flags: 6, data: Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8), addralign: 8 });
  writer.section({ name: '.bss', type: elf.SHT_NOBITS, sizeBytes: 1 << 20, flags: 3 });
  const prog = writer.symbol({ name: 'prog', place: text, bind: elf.STB_GLOBAL, type: elf.STT_FUNC, size: 8 });
  writer.reloc(text, { offset: 0, type: 1, symbol: prog });
  const bytes = writer.finish();
  const view = new DataView(bytes.buffer);
  const little = order === 'little';
  const shoff = Number(view.getBigUint64(EHDR.shoff, little));
  const field = (section: number, name: keyof typeof SHDR) => shoff + section * 64 + SHDR[name];
  return { bytes, view, little, field };
}

function codeOf(body: () => unknown): string {
  try {
    body();
    return 'nothing';
  } catch (error) {
    if (error instanceof FarcallError) return error.code;
    throw error;
  }
}

describe('openElf refuses', () => {
  const cases: [name: string, code: string, make: () => Uint8Array][] = [
    ['nothing', 'elf.magic', () => new Uint8Array(0)],
    ['text', 'elf.magic', () => new TextEncoder().encode('#!/bin/sh')],
    ['the magic alone', 'elf.header', () => Uint8Array.of(0x7f, 0x45, 0x4c, 0x46)],
    ['a cut header', 'elf.header', () => sample().bytes.subarray(0, 63)],
    ['ELF32, 52 bytes', 'elf.class', () => patched(EHDR.class, 1).subarray(0, 52)],
    ['class 3', 'elf.class', () => patched(EHDR.class, 3)],
    ['byte order 0', 'elf.data', () => patched(EHDR.data, 0)],
    ['version 2', 'elf.version', () => patched(EHDR.version, 2)],
    ['a section table outside', 'elf.section-table', () => sample().bytes.subarray(0, 200)],
    ['too many sections', 'elf.section-table', () => patched(EHDR.shnum, 0xfe)],
    ['an absurd extended section count', 'elf.section-table', hugeExtendedCount],
  ];
  function patched(at: number, byte: number): Uint8Array {
    const { bytes } = sample();
    bytes[at] = byte;
    return bytes;
  }
  function hugeExtendedCount(): Uint8Array {
    const { bytes, view, field } = sample();
    view.setUint16(EHDR.shnum, 0, true);
    view.setBigUint64(field(0, 'size'), 1n << 60n, true);
    return bytes;
  }
  it.each(cases)('%s: %s', (_, code, make) => {
    expect(codeOf(() => openElf(make()))).toBe(code);
  });

  it('and says where', () => {
    expect(() => openElf(new Uint8Array(4), { file: 'a.o' })).toThrow(
      'a.o: not an ELF file (expected 7f 45 4c 46 at the start, found 00 00 00 00)',
    );
  });
});

describe.each(['little', 'big'] as const)('openElf on %s-endian files', order => {
  it('reads sections, symbols and relocations', () => {
    const file = openElf(sample(order).bytes);
    expect(file.sections.map(section => section.name)).toEqual([
      '',
      'xdp',
      '.bss',
      '.relxdp',
      '.symtab',
      '.strtab',
      '.shstrtab',
    ]);
    const bss = file.sectionByName('.bss');
    expect([bss?.size, bss?.data.length]).toEqual([1 << 20, 0]);
    const [table] = file.relocsFor(1);
    expect([table.length, table.hasAddend, table.targetIndex, table.symtabIndex]).toEqual([1, false, 1, 4]);
    expect(file.symbolOf(table, table.at(0).symbolIndex).name).toBe('prog');
    expect(file.symtab?.byName('prog')?.sectionIndex).toBe(1);
    expect(file.symtab?.byName('absent')).toBeUndefined();
  });
});

describe('openElf forgives what is not needed', () => {
  it('entry sizes of 0', () => {
    const { bytes, view, field } = sample();
    view.setUint16(EHDR.shentsize, 0, true);
    view.setBigUint64(field(3, 'entsize'), 0n, true);
    view.setBigUint64(field(4, 'entsize'), 0n, true);
    const file = openElf(bytes);
    expect([file.symtab?.length, file.relocsFor(1)[0].length]).toEqual([2, 1]);
  });

  it('a section count without a table, and e_version 0', () => {
    const { bytes, view } = sample();
    view.setBigUint64(EHDR.shoff, 0n, true);
    view.setUint32(EHDR.version32, 0, true);
    const file = openElf(bytes);
    expect([file.sections.length, file.symtab, file.sectionByName('xdp')]).toEqual([0, undefined, undefined]);
  });

  it('a section outside the file, until its data is asked for', () => {
    const { bytes, view, field } = sample();
    view.setBigUint64(field(1, 'offset'), 1n << 40n, true);
    const file = openElf(bytes, { file: 'a.o' });
    expect(file.symtab?.byName('prog')?.size).toBe(8);
    expect(() => file.section(1).data).toThrow('a.o: section xdp: the section reaches outside the file');
  });

  it('a broken name, for other names', () => {
    const { bytes, view, field } = sample();
    view.setUint32(field(2, 'name'), 0xffff, true);
    const file = openElf(bytes);
    expect(file.sectionByName('.symtab')?.index).toBe(4);
    expect(codeOf(() => file.section(2).name)).toBe('elf.string');
    expect(file.section(2).label).toBe('#2');
  });

  it.each([
    ['a header string table that does not exist', 0x1234, 'elf.section'],
    ['a header string table without data', 2, 'elf.string'],
  ])('%s', (_, index, code) => {
    const { bytes, view } = sample();
    view.setUint16(EHDR.shstrndx, index, true);
    const file = openElf(bytes);
    expect(codeOf(() => file.section(6).name)).toBe(code);
    expect(file.symtab?.byName('prog')?.index).toBe(1);
  });

  it('a header string table outside the file, without asking itself for its name', () => {
    const { bytes, view, field } = sample();
    view.setBigUint64(field(6, 'offset'), 1n << 62n, true);
    const file = openElf(bytes);
    expect(codeOf(() => file.section(1).name)).toBe('elf.section-data');
    expect(codeOf(() => file.stringTable(6))).toBe('elf.section-data');
    expect(file.section(1).data.length).toBe(8);
  });

  it('values above 2^53, in their 64-bit form', () => {
    const writer = new ElfWriter({ order: 'big', machine: elf.EM_S390 });
    const place = writer.section({ name: '.text', addr: 0xffff_ffff_8000_0000n });
    writer.symbol({ name: 'high', place, value: 0xffff_ffff_8000_0010n });
    const file = openElf(writer.finish());
    const high = file.symtab?.byName('high');
    expect([file.section(1).addr64, high?.value64]).toEqual([0xffff_ffff_8000_0000n, 0xffff_ffff_8000_0010n]);
    expect(codeOf(() => high?.value)).toBe('elf.range');
    expect(codeOf(() => file.section(1).addr)).toBe('elf.range');
  });
});

describe('openElf', () => {
  it('recognises compressed sections and refuses their data only', () => {
    const header = new Uint8Array(30);
    new DataView(header.buffer).setUint32(0, elf.ELFCOMPRESS_ZSTD, true);
    new DataView(header.buffer).setBigUint64(8, 1234n, true);
    const writer = new ElfWriter({ order: 'little', machine: elf.EM_BPF });
    writer.section({ name: '.debug_info', flags: elf.SHF_COMPRESSED, data: header });
    writer.section({ name: '.debug_str', flags: elf.SHF_COMPRESSED, data: new Uint8Array(3) });
    const [, info, cut] = openElf(writer.finish()).sections;
    expect([info.isCompressed, info.rawData.length, info.compression]).toEqual([
      true,
      30,
      { type: elf.ELFCOMPRESS_ZSTD, size: 1234, addralign: 0 },
    ]);
    expect(codeOf(() => info.data)).toBe('elf.compressed');
    expect(codeOf(() => cut.compression)).toBe('elf.compressed');
  });

  it('reads groups', () => {
    const writer = new ElfWriter({ order: 'big', machine: elf.EM_BPF });
    const member = writer.section({ name: '.text.inline', data: new Uint8Array(8), flags: elf.SHF_GROUP });
    const data = Uint8Array.of(0, 0, 0, elf.GRP_COMDAT, 0, 0, 0, member.index);
    writer.section({ name: '.group', type: elf.SHT_GROUP, data, link: 3, info: 2, entsize: 4 });
    writer.symbol({ name: '', place: member, type: elf.STT_SECTION });
    writer.symbol({ name: 'inline_fn', place: member, bind: elf.STB_WEAK });
    const [group] = openElf(writer.finish()).groups();
    expect([group.isComdat, group.name, [...group.members]]).toEqual([true, 'inline_fn', [member.index]]);
  });

  it('prefers a global symbol over a local of the same name', () => {
    const writer = new ElfWriter({ order: 'little', machine: elf.EM_BPF });
    const place = writer.section({ name: 'xdp' });
    writer.symbol({ name: 'twice', place, value: 1 });
    writer.symbol({ name: 'twice', place, value: 2, bind: elf.STB_GLOBAL });
    writer.symbol({ name: 'twice', place, value: 3, bind: elf.STB_GLOBAL });
    expect(openElf(writer.finish()).symtab?.byName('twice')?.value).toBe(2);
  });

  it('gives little-endian MIPS its own relocation info layout', () => {
    const bytes = Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 18);
    const writer = new ElfWriter({ order: 'little', machine: elf.EM_MIPS });
    writer.section({ name: '.rel.dyn', type: elf.SHT_REL, data: bytes });
    const reloc = openElf(writer.finish()).relocTable(1).at(0);
    expect([reloc.symbolIndex, reloc.type]).toEqual([7, 18]);
  });

  it('does not multiply text when strings share their tails', () => {
    const strings = new Uint8Array(1 << 20).fill(0x61);
    strings[strings.length - 1] = 0;
    const table = new elf.StringTable(strings, {});
    let chars = 0;
    for (let off = 0; off < strings.length; off++) chars += table.find(off)?.length ?? 0;
    expect(chars).toBeLessThan(20 * strings.length);
    expect(codeOf(() => table.at(7777, 'symbol #1'))).toBe('elf.string');
  });
});
