import { alignUp, type ByteOrder, FarcallError } from '../util/index.ts';
import { Cells } from './cells.ts';
import {
  ELFCLASS64,
  ELFDATA2LSB,
  ELFDATA2MSB,
  ET_REL,
  EV_CURRENT,
  PN_XNUM,
  SHF_INFO_LINK,
  SHN_ABS,
  SHN_COMMON,
  SHN_LORESERVE,
  SHN_UNDEF,
  SHN_XINDEX,
  SHT_NOBITS,
  SHT_PROGBITS,
  SHT_REL,
  SHT_RELA,
  SHT_STRTAB,
  SHT_SYMTAB,
  SHT_SYMTAB_SHNDX,
  STB_LOCAL,
} from './constants.ts';
import {
  encodeRelocs,
  encodeSymbols,
  type ProgramHeaderFields,
  putProgramHeader,
  putSectionHeader,
  type SectionHeaderFields,
} from './encode.ts';
import { EHDR, EHDR_BYTES, PHDR_BYTES, REL_BYTES, RELA_BYTES, SHDR_BYTES, SYM_BYTES } from './layout.ts';
import { StringTableBuilder } from './string-table-builder.ts';

export interface ElfInit {
  readonly order: ByteOrder;
  /** EM_* */
  readonly machine: number;
  /** ET_*; ET_REL when left out. */
  readonly type?: number;
  /** e_flags */
  readonly flags?: number;
  readonly entry?: number | bigint;
  readonly osabi?: number;
  readonly abiversion?: number;
  /**
   * File offsets of sections that have an address agree with it modulo this, as loading by pages requires. A power of two;
   * 1 (no such rule) when left out.
   */
  readonly pageBytes?: number;
}

export interface SectionInit {
  readonly name: string;
  /** SHT_*; SHT_PROGBITS when left out. */
  readonly type?: number;
  readonly flags?: number | bigint;
  readonly data?: Uint8Array;
  /** Of SHT_NOBITS sections; every other section is as large as its data. */
  readonly sizeBytes?: number;
  readonly addr?: number | bigint;
  /** Byte offset in the file; chosen when left out. */
  readonly offset?: number;
  /** Power of two; 1 when left out. */
  readonly addralign?: number;
  readonly entsize?: number;
  readonly link?: number | OutSection;
  readonly info?: number | OutSection;
}

export interface SymbolInit {
  readonly name: string;
  /** A section of the same file or one of the reserved indices; `undefined` when left out. */
  readonly place?: OutSection | 'undefined' | 'absolute' | 'common';
  readonly value?: number | bigint;
  readonly size?: number | bigint;
  /** STB_*; STB_LOCAL when left out. */
  readonly bind?: number;
  /** STT_* */
  readonly type?: number;
  /** STV_* */
  readonly visibility?: number;
}

export interface RelocInit {
  /** Byte offset in the section. */
  readonly offset: number | bigint;
  readonly type: number;
  readonly symbol?: OutSymbol;
  /** When any relocation of a section has one, all of them go to SHT_RELA; else to SHT_REL. */
  readonly addend?: number | bigint;
}

/** A program header: either over the given sections, from the first's start to the last's end, or by plain numbers. */
export interface SegmentInit {
  /** PT_* */
  readonly type: number;
  /** PF_* */
  readonly flags?: number;
  /** Sections in ascending file order; those of SHT_NOBITS last. */
  readonly sections?: readonly OutSection[];
  /** Begin at file offset 0, so that file and program headers are mapped before the first section. */
  readonly withHeaders?: boolean;
  readonly offset?: number;
  readonly vaddr?: number | bigint;
  /** As `vaddr` when left out. */
  readonly paddr?: number | bigint;
  readonly filesz?: number;
  readonly memsz?: number;
  readonly align?: number;
}

/** A section to be written. `data` may be replaced until the file is finished. */
export class OutSection {
  /** Its section header index. */
  readonly index: number;
  readonly init: SectionInit;
  data: Uint8Array;
  readonly relocs: RelocInit[] = [];

  constructor(index: number, init: SectionInit) {
    this.index = index;
    this.init = init;
    this.data = init.data ?? new Uint8Array(0);
  }

  get type(): number {
    return this.init.type ?? SHT_PROGBITS;
  }
  get sizeBytes(): number {
    return this.type === SHT_NOBITS ? (this.init.sizeBytes ?? 0) : this.data.length;
  }
  get fileBytes(): number {
    return this.type === SHT_NOBITS ? 0 : this.data.length;
  }
}

/** A symbol to be written. */
export class OutSymbol {
  readonly init: SymbolInit;
  constructor(init: SymbolInit) {
    this.init = init;
  }
}

const RESERVED_INDICES = { undefined: SHN_UNDEF, absolute: SHN_ABS, common: SHN_COMMON } as const;

/**
 * Lays out an ELF64 file: sections in the order they were added, then relocation sections, `.symtab`, `.strtab` and
 * `.shstrtab`, then the section header table. Local symbols are moved before the others, as the format demands, else
 * order is kept. More than 65,279 sections and 65,534 program headers use the extended numbering.
 *
 * With addresses and segments given by the caller it makes executables and shared objects too; for the contents of
 * `.dynsym`, `.dynamic` and `.hash` see `encodeSymbols`, `encodeDynamic` and `encodeSysvHash`.
 */
export class ElfWriter {
  readonly init: ElfInit;
  readonly #sections: OutSection[] = [];
  readonly #symbols: OutSymbol[] = [];
  readonly #segments: SegmentInit[] = [];

  constructor(init: ElfInit) {
    this.init = init;
  }

  section(init: SectionInit): OutSection {
    const section = new OutSection(this.#sections.length + 1, init);
    this.#sections.push(section);
    return section;
  }
  symbol(init: SymbolInit): OutSymbol {
    const symbol = new OutSymbol(init);
    this.#symbols.push(symbol);
    return symbol;
  }
  reloc(section: OutSection, init: RelocInit): void {
    section.relocs.push(init);
  }
  segment(init: SegmentInit): void {
    this.#segments.push(init);
  }

  /** Where the sections begin when nothing else is said: after the file header and the program headers. */
  get headerBytes(): number {
    return EHDR_BYTES + this.#segments.length * PHDR_BYTES;
  }

  /** The file. Throws `arg.elf` when sections that were given offsets overlap, or a symbol belongs to another file. */
  finish(): Uint8Array {
    const sections = [...this.#sections];
    const add = (init: SectionInit): OutSection => {
      const section = new OutSection(sections.length + 1, init);
      sections.push(section);
      return section;
    };
    this.#addTables(add);
    const names = new StringTableBuilder();
    for (const section of sections) names.add(section.init.name);
    names.add('.shstrtab');
    const shstrtab = add({ name: '.shstrtab', type: SHT_STRTAB, data: names.finish() });

    const offsets = this.#placeSections(sections);
    const end = sections.reduce((max, section, i) => Math.max(max, offsets[i] + section.fileBytes), this.headerBytes);
    const shoff = alignUp(end, 8);
    const cells = new Cells(new Uint8Array(shoff + (sections.length + 1) * SHDR_BYTES), this.init.order);

    this.#putFileHeader(cells, shoff, sections.length + 1, shstrtab.index);
    this.#segments.forEach((segment, index) => {
      putProgramHeader(cells, EHDR_BYTES + index * PHDR_BYTES, resolveSegment(segment, offsets, this.headerBytes));
    });
    const large = sections.length + 1 >= SHN_LORESERVE;
    putSectionHeader(cells, shoff, {
      size: large ? sections.length + 1 : 0,
      link: shstrtab.index >= SHN_LORESERVE ? shstrtab.index : 0,
      info: this.#segments.length >= PN_XNUM ? this.#segments.length : 0,
    });
    sections.forEach((section, i) => {
      putSectionHeader(cells, shoff + section.index * SHDR_BYTES, headerOf(section, names, offsets[i]));
      if (section.fileBytes > 0) cells.bytes.set(section.data, offsets[i]);
    });
    return cells.bytes;
  }

  /** Adds relocation sections, the symbol table and its strings. */
  #addTables(add: (init: SectionInit) => OutSection): void {
    const relocated = this.#sections.filter(section => section.relocs.length > 0);
    if (relocated.length === 0 && this.#symbols.length === 0) return;
    const ordered = [
      ...this.#symbols.filter(symbol => isLocal(symbol)),
      ...this.#symbols.filter(symbol => !isLocal(symbol)),
    ];
    const indices = new Map(ordered.map((symbol, i) => [symbol, i + 1]));
    const symtabIndex = this.#sections.length + relocated.length + 1;

    for (const target of relocated) {
      const addends = target.relocs.some(reloc => reloc.addend !== undefined);
      const data = encodeRelocs(
        this.init.order,
        this.init.machine,
        addends,
        target.relocs.map(reloc => ({ ...reloc, symbolIndex: this.#symbolIndex(indices, reloc.symbol) })),
      );
      add({
        name: `${addends ? '.rela' : '.rel'}${target.init.name}`,
        type: addends ? SHT_RELA : SHT_REL,
        flags: SHF_INFO_LINK,
        data,
        addralign: 8,
        entsize: addends ? RELA_BYTES : REL_BYTES,
        link: symtabIndex,
        info: target,
      });
    }

    const strings = new StringTableBuilder();
    const places = ordered.map(symbol => this.#shndxOf(symbol));
    const extended = ordered.some((symbol, i) => symbol.init.place instanceof OutSection && places[i] >= SHN_LORESERVE);
    const fields = ordered.map((symbol, i) => ({
      nameOff: strings.add(symbol.init.name),
      bind: symbol.init.bind,
      type: symbol.init.type,
      other: symbol.init.visibility,
      shndx: symbol.init.place instanceof OutSection && places[i] >= SHN_LORESERVE ? SHN_XINDEX : places[i],
      value: symbol.init.value,
      size: symbol.init.size,
    }));
    const symtab = add({
      name: '.symtab',
      type: SHT_SYMTAB,
      data: encodeSymbols(this.init.order, [{}, ...fields]),
      addralign: 8,
      entsize: SYM_BYTES,
      link: symtabIndex + (extended ? 2 : 1),
      info: 1 + ordered.filter(isLocal).length,
    });
    if (extended) {
      const cells = new Cells(new Uint8Array(4 * (ordered.length + 1)), this.init.order);
      fields.forEach((field, i) => {
        if (field.shndx === SHN_XINDEX) cells.u32(4 * (i + 1), places[i]);
      });
      const init = { name: '.symtab_shndx', type: SHT_SYMTAB_SHNDX, addralign: 4, entsize: 4 };
      add({ ...init, data: cells.bytes, link: symtab.index });
    }
    add({ name: '.strtab', type: SHT_STRTAB, data: strings.finish() });
  }

  #symbolIndex(indices: ReadonlyMap<OutSymbol, number>, symbol: OutSymbol | undefined): number {
    if (symbol === undefined) return 0;
    const index = indices.get(symbol);
    if (index !== undefined) return index;
    throw argError('a relocation names a symbol of another file', 'a symbol of this file', symbol.init.name);
  }

  #shndxOf(symbol: OutSymbol): number {
    const place = symbol.init.place ?? 'undefined';
    if (typeof place === 'string') return RESERVED_INDICES[place];
    if (this.#sections[place.index - 1] === place) return place.index;
    throw argError('a symbol lies in a section of another file', 'a section of this file', symbol.init.name);
  }

  #placeSections(sections: readonly OutSection[]): number[] {
    const pageBytes = this.init.pageBytes ?? 1;
    let cursor = this.headerBytes;
    const offsets = sections.map(section => {
      const offset = section.init.offset ?? nextOffset(cursor, section, pageBytes);
      cursor = Math.max(cursor, offset + section.fileBytes);
      return offset;
    });
    const extents = sections.map((section, i) => ({ section, at: offsets[i] })).filter(e => e.section.fileBytes > 0);
    extents.sort((a, b) => a.at - b.at);
    let free = this.headerBytes;
    for (const { section, at } of extents) {
      if (at < free) {
        const name = section.init.name;
        throw argError(`section ${name} overlaps what lies before it`, `an offset from ${free}`, `${at}`);
      }
      free = at + section.fileBytes;
    }
    return offsets;
  }

  #putFileHeader(cells: Cells, shoff: number, shnum: number, shstrndx: number): void {
    const { init } = this;
    const phnum = this.#segments.length;
    cells.bytes.set([0x7f, 0x45, 0x4c, 0x46]);
    cells.u8(EHDR.class, ELFCLASS64);
    cells.u8(EHDR.data, init.order === 'little' ? ELFDATA2LSB : ELFDATA2MSB);
    cells.u8(EHDR.version, EV_CURRENT);
    cells.u8(EHDR.osabi, init.osabi ?? 0);
    cells.u8(EHDR.abiversion, init.abiversion ?? 0);
    cells.u16(EHDR.type, init.type ?? ET_REL);
    cells.u16(EHDR.machine, init.machine);
    cells.u32(EHDR.version32, EV_CURRENT);
    cells.u64(EHDR.entry, init.entry ?? 0);
    cells.u64(EHDR.phoff, phnum > 0 ? EHDR_BYTES : 0);
    cells.u64(EHDR.shoff, shoff);
    cells.u32(EHDR.flags, init.flags ?? 0);
    cells.u16(EHDR.ehsize, EHDR_BYTES);
    cells.u16(EHDR.phentsize, phnum > 0 ? PHDR_BYTES : 0);
    cells.u16(EHDR.phnum, Math.min(phnum, PN_XNUM));
    cells.u16(EHDR.shentsize, SHDR_BYTES);
    cells.u16(EHDR.shnum, shnum >= SHN_LORESERVE ? 0 : shnum);
    cells.u16(EHDR.shstrndx, shstrndx >= SHN_LORESERVE ? SHN_XINDEX : shstrndx);
  }
}

function isLocal(symbol: OutSymbol): boolean {
  return (symbol.init.bind ?? STB_LOCAL) === STB_LOCAL;
}

function argError(message: string, expected: string, found: string): FarcallError {
  return new FarcallError({ code: 'arg.elf', message, expected, found });
}

function nextOffset(cursor: number, section: OutSection, pageBytes: number): number {
  const aligned = alignUp(cursor, Math.max(1, section.init.addralign ?? 1));
  if (section.init.addr === undefined || pageBytes <= 1) return aligned;
  const within = Number(BigInt.asUintN(53, BigInt(section.init.addr)) % BigInt(pageBytes));
  const gap = (within - (cursor % pageBytes) + pageBytes) % pageBytes;
  return cursor + gap;
}

function indexOf(reference: number | OutSection | undefined): number {
  return reference instanceof OutSection ? reference.index : (reference ?? 0);
}

function headerOf(section: OutSection, names: StringTableBuilder, offset: number): SectionHeaderFields {
  const { init } = section;
  return {
    nameOff: names.add(init.name),
    type: section.type,
    flags: init.flags,
    addr: init.addr,
    offset,
    size: section.sizeBytes,
    link: indexOf(init.link),
    info: indexOf(init.info),
    addralign: init.addralign ?? 1,
    entsize: init.entsize,
  };
}

/** Section offsets by index - 1, and a segment, to the numbers of its program header. */
function resolveSegment(segment: SegmentInit, offsets: readonly number[], headerBytes: number): ProgramHeaderFields {
  const sections = segment.sections ?? [];
  const align = segment.align ?? 1;
  const first = sections[0];
  const startOff = segment.offset ?? (segment.withHeaders || first === undefined ? 0 : offsets[first.index - 1]);
  const firstOff = first === undefined ? startOff : offsets[first.index - 1];
  const firstAddr = BigInt(first?.init.addr ?? 0);
  const vaddr = segment.vaddr ?? firstAddr - BigInt(firstOff - startOff);
  const leastEnd = segment.withHeaders ? headerBytes : startOff;
  const fileEnd = sections.reduce((max, s) => Math.max(max, offsets[s.index - 1] + s.fileBytes), leastEnd);
  const memEnd = sections.reduce((max, s) => {
    const at = Number(BigInt(s.init.addr ?? 0) - BigInt(vaddr));
    return Math.max(max, at + s.sizeBytes);
  }, 0);
  const filesz = segment.filesz ?? fileEnd - startOff;
  return {
    type: segment.type,
    flags: segment.flags ?? 0,
    offset: startOff,
    vaddr,
    paddr: segment.paddr ?? vaddr,
    filesz,
    memsz: segment.memsz ?? Math.max(filesz, memEnd),
    align,
  };
}
