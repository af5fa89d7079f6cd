import { describe, expect, it } from 'vitest';
import { concatBytes } from '../util/index.ts';
import * as elf from './index.ts';
import { ElfWriter, findEmbeddedElf } from './index.ts';
import { EHDR, SHDR } from './layout.ts';

function object(machine = elf.EM_BPF, data: Uint8Array = new Uint8Array(16)): Uint8Array {
  const writer = new ElfWriter({ order: 'little', machine });
  const text = writer.section({ name: '.rodata', data, addralign: 1 });
  writer.symbol({ name: 'prog', place: text, bind: 1 });
  return writer.finish();
}

const places = (bytes: Uint8Array, options = {}) =>
  findEmbeddedElf(bytes, options).map(({ offset, size, machine }) => [offset, size, machine]);

describe('findEmbeddedElf', () => {
  it('finds the object inside a program, and not the program', () => {
    const inner = object();
    const outer = object(elf.EM_X86_64, concatBytes([new Uint8Array(3), inner, new Uint8Array(5)]));
    expect(places(outer)).toEqual([[67, inner.length, elf.EM_BPF]]);
    expect(places(outer, { machine: elf.EM_BPF, includeOuter: true })).toEqual([[67, inner.length, elf.EM_BPF]]);
    expect(places(outer, { includeOuter: true })).toEqual([[0, outer.length, elf.EM_X86_64]]);
    expect(places(outer, { machine: elf.EM_AARCH64 })).toEqual([]);
    expect(places(inner)).toEqual([]);
  });

  it('looks inside a program inside an archive when a machine is asked for', () => {
    const inner = object();
    const outer = object(elf.EM_X86_64, inner);
    const archive = concatBytes([new Uint8Array(60), outer]);
    expect(places(archive)).toEqual([[60, outer.length, elf.EM_X86_64]]);
    expect(places(archive, { machine: elf.EM_BPF })).toEqual([[124, inner.length, elf.EM_BPF]]);
  });

  it('counts segments, and what lies behind the section headers', () => {
    const writer = new ElfWriter({ order: 'big', machine: elf.EM_PPC64, type: elf.ET_EXEC });
    const text = writer.section({ name: '.text', data: new Uint8Array(4), addr: 0x1000, offset: 500 });
    writer.segment({ type: elf.PT_LOAD, sections: [text] });
    writer.segment({ type: elf.PT_NOTE, offset: 0, filesz: 5000 });
    const image = concatBytes([writer.finish(), new Uint8Array(5000)]).subarray(0, 5000);
    expect(places(concatBytes([Uint8Array.of(0), image, Uint8Array.of(1, 2)]))).toEqual([[1, 5000, elf.EM_PPC64]]);
  });

  const damage: [string, (view: DataView, shoff: number) => void][] = [
    ['ELF32', view => view.setUint8(EHDR.class, 1)],
    ['an unknown byte order', view => view.setUint8(EHDR.data, 3)],
    ['ET_NONE', view => view.setUint16(EHDR.type, 0, true)],
    ['a header of another size', view => view.setUint16(EHDR.ehsize, 52, true)],
    ['section headers of another size', view => view.setUint16(EHDR.shentsize, 40, true)],
    ['no section table but a count', view => view.setBigUint64(EHDR.shoff, 0n, true)],
    ['a section table outside', view => view.setBigUint64(EHDR.shoff, 1n << 63n, true)],
    ['a section count outside', view => view.setUint16(EHDR.shnum, 1000, true)],
    ['a first section that is not null', (view, shoff) => view.setUint32(shoff + SHDR.type, 1, true)],
    ['section names outside', view => view.setUint16(EHDR.shstrndx, 99, true)],
    ['section names that are no strings', view => view.setUint16(EHDR.shstrndx, 1, true)],
    ['a name outside the names', (view, shoff) => view.setUint32(shoff + 64 + SHDR.name, 1 << 20, true)],
    ['a section outside', (view, shoff) => view.setBigUint64(shoff + 64 + SHDR.offset, 1n << 20n, true)],
    ['a link outside', (view, shoff) => view.setUint32(shoff + 64 + SHDR.link, 77, true)],
    ['program headers outside', view => view.setUint16(EHDR.phnum, 9, true)],
  ];
  it.each(damage)('ignores %s', (_, harm) => {
    const image = object();
    const view = new DataView(image.buffer);
    harm(view, Number(view.getBigUint64(EHDR.shoff, true)));
    const next = object();
    const bytes = concatBytes([Uint8Array.of(0), image, next]);
    expect(places(bytes)).toEqual([[1 + image.length, next.length, elf.EM_BPF]]);
  });

  it('ignores an image that is cut off', () => {
    const image = object();
    for (let cut = 1; cut < image.length; cut++) {
      expect(places(concatBytes([Uint8Array.of(0), image.subarray(0, cut)]))).toEqual([]);
    }
  });

  it('stays linear when every candidate points at one long table that is bad at its end', () => {
    const entries = 0xfe00;
    const headers = 40_000;
    const bytes = new Uint8Array(headers * 64 + entries * 64 + 64);
    const view = new DataView(bytes.buffer);
    const tableOff = headers * 64;
    const table = new DataView(bytes.buffer, tableOff);
    // Entry 1 names the sections; the last entry lies outside.
    table.setUint32(64 + SHDR.type, elf.SHT_STRTAB, true);
    table.setBigUint64(64 + SHDR.size, 1n, true);
    table.setBigUint64(64 + SHDR.offset, BigInt(entries * 64), true);
    table.setUint32((entries - 1) * 64 + SHDR.link, 0xffffffff, true);
    const header = object().subarray(0, 64);
    for (let i = 0; i < headers; i++) {
      bytes.set(header, i * 64);
      view.setBigUint64(i * 64 + EHDR.shoff, BigInt(tableOff - i * 64), true);
      view.setUint16(i * 64 + EHDR.shnum, entries, true);
      view.setUint16(i * 64 + EHDR.shstrndx, 1, true);
    }
    // Every candidate's own string table is then a zero byte inside or behind the table.
    expect(findEmbeddedElf(bytes)).toEqual([]);
  });

  it.each([
    ['magics', [0x7f, 0x45, 0x4c, 0x46]],
    ['first magic bytes', [0x7f]],
    ['magics with class and order', [0x7f, 0x45, 0x4c, 0x46, 2, 1, 1, 0]],
  ])('gets through a file of nothing but %s', (_, pattern) => {
    const bytes = Uint8Array.from({ length: 1 << 20 }, (_unused, i) => pattern[i % pattern.length]);
    expect(findEmbeddedElf(bytes)).toEqual([]);
  });
});
