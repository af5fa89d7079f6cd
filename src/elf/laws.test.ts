import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type ByteOrder, FarcallError } from '../util/index.ts';
import * as elf from './index.ts';
import { ElfWriter, findEmbeddedElf, openElf } from './index.ts';

interface FileModel {
  readonly order: ByteOrder;
  readonly machine: number;
  readonly flags: number;
  readonly sections: readonly {
    name: string;
    nobits: boolean;
    flags: number;
    data: Uint8Array;
    addr: bigint;
    alignShift: number;
    relocs: readonly { offset: bigint; type: number; symbol: number; addend: bigint | undefined }[];
  }[];
  readonly symbols: readonly {
    name: string;
    place: number | 'undefined' | 'absolute' | 'common';
    value: bigint;
    size: bigint;
    bind: number;
    type: number;
    visibility: number;
  }[];
}

const order = fc.constantFrom<ByteOrder>('little', 'big');
const u64 = fc.bigInt({ min: 0n, max: (1n << 64n) - 1n });
const i64 = fc.bigInt({ min: -(1n << 63n), max: (1n << 63n) - 1n });
const u32 = fc.nat(0xffffffff);
const name = fc.oneof(
  fc.constantFrom('.text', 'xdp', 'maps', '.data', ''),
  // A leading byte order mark does not survive decoding.
  fc.string({ unit: 'grapheme', maxLength: 12 }).filter(text => !/[\0\ufeff]/.test(text)),
);

const model: fc.Arbitrary<FileModel> = fc.record({
  order,
  machine: fc.constantFrom(elf.EM_BPF, elf.EM_X86_64, elf.EM_MIPS, elf.EM_PPC64),
  flags: u32,
  sections: fc.array(
    fc.record({
      name,
      nobits: fc.boolean(),
      flags: u32.map(flags => (flags & ~elf.SHF_COMPRESSED) >>> 0),
      data: fc.uint8Array({ maxLength: 40 }),
      addr: u64,
      alignShift: fc.nat(6),
      relocs: fc.array(
        fc.record({
          offset: u64,
          type: u32,
          symbol: fc.integer({ min: -1, max: 9 }),
          addend: fc.option(i64, { nil: undefined }),
        }),
        { maxLength: 4 },
      ),
    }),
    { maxLength: 5 },
  ),
  symbols: fc.array(
    fc.record({
      name,
      place: fc.oneof(fc.nat(4), fc.constantFrom('undefined' as const, 'absolute' as const, 'common' as const)),
      value: u64,
      size: u64,
      bind: fc.constantFrom(elf.STB_LOCAL, elf.STB_GLOBAL, elf.STB_WEAK),
      type: fc.nat(15),
      visibility: fc.nat(3),
    }),
    { maxLength: 10 },
  ),
});

function write(file: FileModel): Uint8Array {
  const writer = new ElfWriter(file);
  const sections = file.sections.map(section =>
    writer.section({
      name: section.name,
      type: section.nobits ? elf.SHT_NOBITS : elf.SHT_PROGBITS,
      flags: section.flags,
      data: section.nobits ? undefined : section.data,
      sizeBytes: section.data.length,
      addr: section.addr,
      addralign: 1 << section.alignShift,
    }),
  );
  const symbols = file.symbols.map(symbol => {
    const place = typeof symbol.place === 'number' ? (sections[symbol.place] ?? 'undefined') : symbol.place;
    return writer.symbol({ ...symbol, place });
  });
  file.sections.forEach((section, i) => {
    for (const reloc of section.relocs) writer.reloc(sections[i], { ...reloc, symbol: symbols[reloc.symbol] });
  });
  return writer.finish();
}

/** Reads everything a file holds; what comes out is comparable. */
function readAll(bytes: Uint8Array) {
  const file = openElf(bytes);
  const symbols = [...(file.symtab ?? [])].map(symbol => ({
    name: symbol.name,
    place: symbol.place === 'section' ? symbol.sectionIndex : symbol.place,
    value: symbol.value64,
    size: symbol.size64,
    bind: symbol.bind,
    type: symbol.type,
    visibility: symbol.visibility,
  }));
  const sections = file.sections.map(section => ({
    name: section.name,
    type: section.type,
    flags: section.flags,
    data: [...section.data],
    size: section.size,
    addr: section.addr64,
    addralign: section.addralign,
    relocs: file.relocsFor(section.index).flatMap(table =>
      [...table].map(reloc => ({
        offset: reloc.offset64,
        type: reloc.type,
        symbol: symbols[reloc.symbolIndex],
        addend: reloc.addend64,
      })),
    ),
  }));
  return { file, sections, symbols };
}

describe('ElfWriter and openElf', () => {
  it('read what was written', () => {
    fc.assert(
      fc.property(model, input => {
        const { file, sections, symbols } = readAll(write(input));
        expect([file.order, file.machine, file.flags, file.type]).toEqual([
          input.order,
          input.machine,
          input.flags,
          elf.ET_REL,
        ]);
        const wanted = input.symbols.map(({ place, ...rest }) => ({
          ...rest,
          place: typeof place === 'string' ? place : place < input.sections.length ? place + 1 : 'undefined',
        }));
        const nullSymbol = { name: '', place: 'undefined', value: 0n, size: 0n, bind: 0, type: 0, visibility: 0 };
        const isLocal = (symbol: { bind: number }) => symbol.bind === elf.STB_LOCAL;
        const noTable = input.symbols.length === 0 && input.sections.every(section => section.relocs.length === 0);
        expect(symbols).toEqual(
          noTable ? [] : [nullSymbol, ...wanted.filter(isLocal), ...wanted.filter(symbol => !isLocal(symbol))],
        );
        if (file.symtab) expect(file.symtab.section.info).toBe(1 + wanted.filter(isLocal).length);
        expect(sections.slice(1, 1 + input.sections.length)).toEqual(
          input.sections.map(section => ({
            name: section.name,
            type: section.nobits ? elf.SHT_NOBITS : elf.SHT_PROGBITS,
            flags: section.flags,
            data: section.nobits ? [] : [...section.data],
            size: section.data.length,
            addr: section.addr,
            addralign: 1 << section.alignShift,
            relocs: section.relocs.map(reloc => ({
              offset: reloc.offset,
              type: reloc.type,
              symbol: wanted[reloc.symbol] ?? nullSymbol,
              addend: reloc.addend ?? 0n,
            })),
          })),
        );
      }),
      { numRuns: 300 },
    );
  });

  it('keeps data aligned and apart', () => {
    fc.assert(
      fc.property(model, input => {
        const { file } = readAll(write(input));
        let end = 64;
        for (const section of file.sections.filter(each => each.hasFileData && each.size > 0)) {
          expect(section.offset % section.addralign).toBe(0);
          expect(section.offset).toBeGreaterThanOrEqual(end);
          end = section.offset + section.size;
        }
      }),
    );
  });
});

/** Uses every accessor of the room; each may refuse with a FarcallError, none may do anything else. */
function exercise(bytes: Uint8Array): void {
  const attempt = <T>(body: () => T): T | undefined => {
    try {
      return body();
    } catch (error) {
      if (error instanceof FarcallError && /^elf\./.test(error.code)) return undefined;
      throw error;
    }
  };
  const getters = (object: object) => {
    for (const key of Object.getOwnPropertyNames(Object.getPrototypeOf(object))) {
      attempt(() => {
        const value: unknown = (object as Record<string, unknown>)[key];
        if (typeof value !== 'function') return;
      });
    }
  };
  const file = attempt(() => openElf(bytes, { file: 'mutant' }));
  if (file === undefined) return;
  getters(file);
  attempt(() => file.sectionByName('xdp'));
  for (const section of file.sections) {
    getters(section);
    for (const table of attempt(() => file.relocsFor(section.index)) ?? []) {
      for (const reloc of table) {
        getters(reloc);
        attempt(() => file.symbolOf(table, reloc.symbolIndex).name);
      }
    }
    const symbols = attempt(() => file.symbolTable(section.index));
    for (const symbol of symbols ?? []) getters(symbol);
    attempt(() => symbols?.byName('prog'));
  }
  for (const segment of attempt(() => file.segments) ?? []) getters(segment);
  for (const group of attempt(() => file.groups()) ?? []) getters(group);
}

describe('openElf on damaged files', () => {
  it('throws nothing but FarcallError elf.*', () => {
    fc.assert(
      fc.property(
        model,
        fc.array(fc.record({ at: fc.double({ min: 0, max: 1, noNaN: true }), byte: fc.nat(255) }), { maxLength: 12 }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        fc.boolean(),
        (input, changes, cut, cutting) => {
          const bytes = write(input).slice();
          for (const { at, byte } of changes) bytes[5 + Math.floor(at * (bytes.length - 6))] = byte;
          exercise(cutting ? bytes.subarray(0, Math.floor(cut * bytes.length)) : bytes);
          findEmbeddedElf(bytes, { includeOuter: true });
        },
      ),
      { numRuns: 400 },
    );
  });

  it('survives every single byte set to 0, 1, 0x7f and 0xff in the headers', () => {
    const writer = new ElfWriter({ order: 'little', machine: elf.EM_BPF });
    const text = writer.section({ name: 'xdp', data: new Uint8Array(16) });
    writer.section({ name: '.group', type: elf.SHT_GROUP, data: new Uint8Array(8), link: 4, info: 1 });
    writer.reloc(text, { offset: 0, type: 1, symbol: writer.symbol({ name: 'prog', place: text, bind: 1 }) });
    writer.segment({ type: elf.PT_LOAD, sections: [text] });
    const good = writer.finish();
    for (let at = 0; at < good.length; at++) {
      for (const byte of [0, 1, 0x7f, 0xff]) {
        const bytes = good.slice();
        bytes[at] = byte;
        exercise(bytes);
      }
    }
  });
});

describe('findEmbeddedElf', () => {
  it('finds each image among other bytes, whole, whatever its alignment', () => {
    const junk = fc.uint8Array({ maxLength: 70 }).filter(bytes => !bytes.includes(0x7f));
    fc.assert(
      fc.property(fc.array(fc.tuple(junk, model), { minLength: 1, maxLength: 4 }), junk, (parts, tail) => {
        const chunks: number[] = [0];
        const wanted = parts.map(([before, input]) => {
          const image = write(input);
          chunks.push(...before);
          const offset = chunks.length;
          chunks.push(...image);
          return { offset, size: image.length, order: input.order, machine: input.machine, type: elf.ET_REL };
        });
        const bytes = Uint8Array.from([...chunks, ...tail]);
        expect(findEmbeddedElf(bytes)).toEqual(wanted);
        expect(findEmbeddedElf(bytes, { machine: elf.EM_BPF })).toEqual(
          wanted.filter(image => image.machine === elf.EM_BPF),
        );
      }),
    );
  });
});
