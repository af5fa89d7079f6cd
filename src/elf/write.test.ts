import { describe, expect, it } from 'vitest';
import { FarcallError } from '../util/index.ts';
import * as elf from './index.ts';
import {
  ElfWriter,
  encodeDynamic,
  encodeSymbols,
  encodeSysvHash,
  openElf,
  StringTableBuilder,
  sysvHash,
} from './index.ts';

describe('ElfWriter', () => {
  it('uses the extended numbering for many sections', () => {
    const writer = new ElfWriter({ order: 'big', machine: elf.EM_BPF });
    const count = 0xff10;
    const sections = Array.from({ length: count }, (_, i) => writer.section({ name: `s${i % 7}` }));
    const wanted = [0, 0xfeff, 0xff00 - 1, 0xff00, 0xff0f];
    for (const i of wanted) writer.symbol({ name: `at${i}`, place: sections[i], bind: elf.STB_GLOBAL });
    writer.symbol({ name: 'abs', place: 'absolute', bind: elf.STB_GLOBAL });
    const file = openElf(writer.finish());
    expect(file.view.u16(60)).toBe(0);
    expect(file.sections.length).toBe(count + 5);
    expect(file.section(file.shstrndx).name).toBe('.shstrtab');
    expect(wanted.map(i => file.symtab?.byName(`at${i}`)?.sectionIndex)).toEqual(wanted.map(i => i + 1));
    expect(file.symtab?.byName('abs')?.place).toBe('absolute');
  });

  it('uses the extended numbering for many program headers', () => {
    const writer = new ElfWriter({ order: 'little', machine: elf.EM_X86_64, type: elf.ET_CORE });
    for (let i = 0; i < 0xffff; i++) writer.segment({ type: elf.PT_NOTE, memsz: i });
    const { segments } = openElf(writer.finish());
    expect([segments.length, segments[0xfffe].memsz]).toEqual([0xffff, 0xfffe]);
  });

  it('lays out an executable by pages', () => {
    const writer = new ElfWriter({
      order: 'little',
      machine: elf.EM_X86_64,
      type: elf.ET_EXEC,
      entry: 0x401004,
      pageBytes: 0x1000,
    });
    const text = writer.section({ name: '.text', flags: 6, addr: 0x401004, data: new Uint8Array(10) });
    const data = writer.section({ name: '.data', flags: 3, addr: 0x402ffc, data: new Uint8Array(4), addralign: 4 });
    const bss = writer.section({ name: '.bss', type: elf.SHT_NOBITS, flags: 3, addr: 0x403000, sizeBytes: 100 });
    writer.segment({ type: elf.PT_LOAD, flags: 5, sections: [text], align: 0x1000 });
    writer.segment({ type: elf.PT_LOAD, flags: 6, sections: [data, bss], align: 0x1000 });
    writer.segment({ type: elf.PT_GNU_STACK, flags: 6 });
    const file = openElf(writer.finish());
    expect([file.type, file.entry]).toEqual([elf.ET_EXEC, 0x401004]);
    expect(file.segments.map(s => [s.type, s.flags, s.vaddr, s.filesz, s.memsz])).toEqual([
      [elf.PT_LOAD, 5, 0x401004, 10, 10],
      [elf.PT_LOAD, 6, 0x402ffc, 4, 104],
      [elf.PT_GNU_STACK, 6, 0, 0, 0],
    ]);
    for (const segment of file.segments) expect(segment.offset % 0x1000).toBe(segment.vaddr % 0x1000);
  });

  it('maps the headers with the first segment when asked to', () => {
    const writer = new ElfWriter({ order: 'big', machine: elf.EM_PPC64, type: elf.ET_DYN, pageBytes: 0x10000 });
    const text = writer.section({ name: '.text', addr: 0x10200, data: new Uint8Array(4) });
    writer.segment({ type: elf.PT_LOAD, sections: [text], withHeaders: true, align: 0x10000 });
    const [segment] = openElf(writer.finish()).segments;
    expect([segment.offset, segment.vaddr, segment.filesz]).toEqual([0, 0x10000, 0x204]);
  });

  it.each<[string, (writer: ElfWriter) => void]>([
    [
      'sections on top of each other',
      writer => {
        writer.section({ name: 'a', offset: 128, data: new Uint8Array(9) });
        writer.section({ name: 'b', offset: 136, data: new Uint8Array(1) });
      },
    ],
    ['a section on the file header', writer => void writer.section({ name: 'a', offset: 8, data: new Uint8Array(9) })],
    [
      'a symbol of a section of another file',
      writer => {
        const other = new ElfWriter(writer.init).section({ name: 'x' });
        writer.symbol({ name: 'y', place: other });
      },
    ],
    [
      'a relocation against a symbol of another file',
      writer => {
        const symbol = new ElfWriter(writer.init).symbol({ name: 'y' });
        writer.reloc(writer.section({ name: 'x' }), { offset: 0, type: 1, symbol });
      },
    ],
  ])('refuses %s', (_, build) => {
    const writer = new ElfWriter({ order: 'little', machine: elf.EM_BPF });
    build(writer);
    expect(() => writer.finish()).toThrow(FarcallError);
  });
});

/** From an implementation of its own, itself checked against the buckets GNU-style linkers write. */
const HASHES: [name: string, hash: number][] = [
  ['', 0],
  ['exit', 0x6cf04],
  ['printf', 0x77905a6],
  ['syscall', 0xb09985c],
  ['freelocale', 0xc335095],
  ['napi_register_module_v1', 0x79bf091],
  ['ßäö', 0xcdbe0e6],
];

describe('dynamic linking tables', () => {
  it('sysvHash', () => {
    expect(HASHES).toEqual(HASHES.map(([name]) => [name, sysvHash(name)]));
  });

  it.each([
    ['little', 4],
    ['big', 4],
    ['little', 8],
    ['big', 8],
  ] as const)('every name is found through its bucket (%s, %i bytes)', (order, wordBytes) => {
    const names = ['', ...Array.from({ length: 50 }, (_, i) => `symbol_${i * i}`)];
    const bytes = encodeSysvHash(order, names, wordBytes);
    const view = new DataView(bytes.buffer);
    const word = (i: number) =>
      wordBytes === 4
        ? view.getUint32(4 * i, order === 'little')
        : Number(view.getBigUint64(8 * i, order === 'little'));
    expect([word(1), bytes.length]).toEqual([51, wordBytes * (2 + word(0) + 51)]);
    for (let i = 1; i < names.length; i++) {
      let at = word(2 + (sysvHash(names[i]) % word(0)));
      while (at !== 0 && names[at] !== names[i]) at = word(2 + word(0) + at);
      expect(at).toBe(i);
    }
  });

  it('encode symbols, strings and tags', () => {
    const strings = new StringTableBuilder();
    expect([strings.add('a'), strings.add('bc'), strings.add('a'), strings.add(''), strings.length]).toEqual([
      1, 3, 1, 0, 6,
    ]);
    expect([...strings.finish()]).toEqual([0, 97, 0, 98, 99, 0]);
    expect(encodeSymbols('little', [{}, { nameOff: 1, bind: 1, type: 2, shndx: 5 }]).slice(24, 32)).toEqual(
      Uint8Array.of(1, 0, 0, 0, 0x12, 0, 5, 0),
    );
    expect([...encodeDynamic('big', [[elf.DT_STRSZ, 6n]])]).toEqual([
      ...[0, 0, 0, 0, 0, 0, 0, 10],
      ...[0, 0, 0, 0, 0, 0, 0, 6],
      ...new Array(16).fill(0),
    ]);
  });
});
