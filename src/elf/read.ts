import { type ByteOrder, ByteView, FarcallError, type Where } from '../util/index.ts';
import {
  ELFCLASS32,
  ELFCLASS64,
  ELFDATA2LSB,
  ELFDATA2MSB,
  EV_CURRENT,
  PN_XNUM,
  SHN_XINDEX,
  SHT_DYNSYM,
  SHT_GROUP,
  SHT_REL,
  SHT_RELA,
  SHT_SYMTAB,
  SHT_SYMTAB_SHNDX,
} from './constants.ts';
import { exactU64, roundedU64 } from './fields.ts';
import { ElfGroup } from './group.ts';
import { EHDR, EHDR_BYTES, PHDR_BYTES, SHDR, SHDR_BYTES } from './layout.ts';
import { RelocTable } from './relocs.ts';
import { ElfSection } from './section.ts';
import { ElfSegment } from './segment.ts';
import { StringTable } from './string-table.ts';
import { type ElfSymbol, SymbolTable } from './symbols.ts';

/** True when the bytes begin with the ELF magic, whatever follows. */
export function isElf(bytes: Uint8Array): boolean {
  return bytes.length >= 4 && bytes[0] === 0x7f && bytes[1] === 0x45 && bytes[2] === 0x4c && bytes[3] === 0x46;
}

/**
 * Opens an ELF64 file of either byte order. Only the file header and the extent of the section header table are
 * checked here; everything else is checked when it is asked for, so a broken part that nobody needs does no harm.
 *
 * Throws `elf.magic` (not ELF), `elf.class` (ELF32 or unknown), `elf.data` (unknown byte order), `elf.version`,
 * `elf.header` (truncated), `elf.section-table` (section headers outside the file).
 *
 * Source: System V gABI chapter 4; tolerance after libelf and Go's debug/elf: entry sizes of 0, a section count without
 * a table, and e_version are not complained about.
 */
export function openElf(bytes: Uint8Array, where: Where = {}): ElfFile {
  const order = checkIdent(bytes, where);
  return new ElfFile(new ByteView(bytes, order, where));
}

/** An open ELF file; made by {@link openElf}. Shares memory with the bytes it was opened from. */
export class ElfFile {
  readonly view: ByteView;
  readonly order: ByteOrder;
  /** ET_* */
  readonly type: number;
  /** EM_* */
  readonly machine: number;
  /** e_flags: machine-specific. */
  readonly flags: number;
  readonly osabi: number;
  readonly abiversion: number;
  /** All of them, the null section first; empty when the file has no section header table. */
  readonly sections: readonly ElfSection[];

  readonly #stringTables = new Map<number, StringTable>();
  readonly #symbolTables = new Map<number, SymbolTable>();
  readonly #relocTables = new Map<number, RelocTable>();
  #sectionsByName: Map<string, ElfSection> | undefined;
  #relocSections: Map<number, ElfSection[]> | undefined;
  #indexSections: Map<number, ElfSection> | undefined;
  #segments: readonly ElfSegment[] | undefined;
  #openingNames = false;

  constructor(view: ByteView) {
    this.view = view;
    this.order = view.order;
    this.osabi = view.u8(EHDR.osabi);
    this.abiversion = view.u8(EHDR.abiversion);
    this.type = view.u16(EHDR.type);
    this.machine = view.u16(EHDR.machine);
    this.flags = view.u32(EHDR.flags);
    this.sections = readSectionTable(view, () => this.#sectionNames());
  }

  get where(): Where {
    return this.view.where;
  }
  /** Throws `elf.range` above 2^53 - 1. */
  get entry(): number {
    return exactU64(this.view, EHDR.entry, 'e_entry', this.where);
  }
  get entry64(): bigint {
    return this.view.u64(EHDR.entry);
  }
  /** Index of the section header string table, the extended form resolved. */
  get shstrndx(): number {
    const raw = this.view.u16(EHDR.shstrndx);
    return raw === SHN_XINDEX && this.sections.length > 0 ? this.sections[0].link : raw;
  }

  /** Throws `elf.section` when there is no such section. */
  section(index: number): ElfSection {
    const section = this.sections[index];
    if (section !== undefined) return section;
    throw new FarcallError({
      code: 'elf.section',
      message: 'no such section',
      expected: `an index below ${this.sections.length}`,
      found: `${index}`,
      where: this.where,
    });
  }

  /** The first section of that name. Sections with broken names are passed over. */
  sectionByName(name: string): ElfSection | undefined {
    this.#sectionsByName ??= this.#indexSectionNames();
    return this.#sectionsByName.get(name);
  }

  /** The strings of section `index`, whose type is not checked. Throws `elf.section`, `elf.section-data`, `elf.compressed`. */
  stringTable(index: number): StringTable {
    const known = this.#stringTables.get(index);
    if (known !== undefined) return known;
    const section = this.section(index);
    const table = new StringTable(section.data, { ...this.where, name: `string table #${index}` });
    this.#stringTables.set(index, table);
    return table;
  }

  /** The section names. A broken table must not be asked for the name to put in its own error. */
  #sectionNames(): StringTable {
    if (this.#openingNames) {
      throw new FarcallError({ code: 'elf.string', message: 'the section names are unreadable', where: this.where });
    }
    this.#openingNames = true;
    try {
      return this.stringTable(this.shstrndx);
    } finally {
      this.#openingNames = false;
    }
  }

  /** The first SHT_SYMTAB, if there is one. */
  get symtab(): SymbolTable | undefined {
    return this.#firstSymbolTable(SHT_SYMTAB);
  }
  /** The first SHT_DYNSYM, if there is one. */
  get dynsym(): SymbolTable | undefined {
    return this.#firstSymbolTable(SHT_DYNSYM);
  }
  /** The symbols of section `index`. Throws `elf.section`, `elf.symbol-table`, `elf.section-data`. */
  symbolTable(index: number): SymbolTable {
    const known = this.#symbolTables.get(index);
    if (known !== undefined) return known;
    const section = this.section(index);
    if (section.type !== SHT_SYMTAB && section.type !== SHT_DYNSYM) {
      throw wrongType(
        'elf.symbol-table',
        'not a symbol table',
        'SHT_SYMTAB or SHT_DYNSYM',
        section.type,
        section.where,
      );
    }
    this.#indexSections ??= indexBy(this.sections, SHT_SYMTAB_SHNDX, candidate => candidate.link);
    const table = new SymbolTable(section, () => this.stringTable(section.link), this.#indexSections.get(index));
    this.#symbolTables.set(index, table);
    return table;
  }

  /** The relocations of section `index`. Throws `elf.section`, `elf.reloc-table`, `elf.section-data`. */
  relocTable(index: number): RelocTable {
    const known = this.#relocTables.get(index);
    if (known !== undefined) return known;
    const section = this.section(index);
    if (!isRelocSection(section)) {
      throw wrongType('elf.reloc-table', 'not a relocation table', 'SHT_REL or SHT_RELA', section.type, section.where);
    }
    const table = new RelocTable(section, this.machine);
    this.#relocTables.set(index, table);
    return table;
  }
  /** Every relocation section, in file order. */
  relocSections(): ElfSection[] {
    return this.sections.filter(isRelocSection);
  }
  /** The tables that apply to section `targetIndex`, in file order; usually none or one. */
  relocsFor(targetIndex: number): RelocTable[] {
    this.#relocSections ??= groupByTarget(this.relocSections());
    return (this.#relocSections.get(targetIndex) ?? []).map(section => this.relocTable(section.index));
  }

  /** Section groups, in file order. Members and signature are read when asked for. */
  groups(): ElfGroup[] {
    return this.sections
      .filter(section => section.type === SHT_GROUP)
      .map(
        section =>
          new ElfGroup(
            section,
            () => this.symbolTable(section.link).at(section.info),
            index => this.section(index).name,
          ),
      );
  }

  /** The symbol a relocation refers to. Throws `elf.symbol` and what {@link symbolTable} throws. */
  symbolOf(table: RelocTable, symbolIndex: number): ElfSymbol {
    return this.symbolTable(table.symtabIndex).at(symbolIndex);
  }

  /** Program headers; throws `elf.program-headers` when the table reaches outside the file. */
  get segments(): readonly ElfSegment[] {
    this.#segments ??= readProgramHeaders(this.view, this.sections);
    return this.#segments;
  }

  #firstSymbolTable(type: number): SymbolTable | undefined {
    const section = this.sections.find(candidate => candidate.type === type);
    return section === undefined ? undefined : this.symbolTable(section.index);
  }

  #indexSectionNames(): Map<string, ElfSection> {
    const map = new Map<string, ElfSection>();
    const names = this.sections.length === 0 ? undefined : this.#sectionNames();
    for (const section of this.sections) {
      const name = names?.find(section.nameOff);
      if (name !== undefined && !map.has(name)) map.set(name, section);
    }
    return map;
  }
}

function groupByTarget(sections: readonly ElfSection[]): Map<number, ElfSection[]> {
  const map = new Map<number, ElfSection[]>();
  for (const section of sections) {
    const list = map.get(section.info);
    if (list === undefined) map.set(section.info, [section]);
    else list.push(section);
  }
  return map;
}

function isRelocSection(section: ElfSection): boolean {
  return section.type === SHT_REL || section.type === SHT_RELA;
}

function indexBy(sections: readonly ElfSection[], type: number, key: (section: ElfSection) => number) {
  const map = new Map<number, ElfSection>();
  for (const section of sections) {
    if (section.type === type && !map.has(key(section))) map.set(key(section), section);
  }
  return map;
}

function wrongType(code: `elf.${string}`, message: string, expected: string, type: number, where: Where): FarcallError {
  return new FarcallError({ code, message, expected, found: `section type 0x${type.toString(16)}`, where });
}

const BYTE_ORDERS = new Map<number, ByteOrder>([
  [ELFDATA2LSB, 'little'],
  [ELFDATA2MSB, 'big'],
]);

function checkIdent(bytes: Uint8Array, where: Where): ByteOrder {
  const fail = (code: `elf.${string}`, message: string, expected: string, found: string): never => {
    throw new FarcallError({ code, message, expected, found, where });
  };
  if (!isElf(bytes)) {
    const start = Array.from(bytes.subarray(0, 4), byte => byte.toString(16).padStart(2, '0')).join(' ');
    fail('elf.magic', 'not an ELF file', '7f 45 4c 46 at the start', start === '' ? 'no bytes' : start);
  }
  if (bytes.length < EHDR_BYTES && bytes[EHDR.class] !== ELFCLASS32) {
    fail('elf.header', 'the file header is cut off', `${EHDR_BYTES} bytes`, `${bytes.length} bytes`);
  }
  const elfClass = bytes[EHDR.class];
  if (elfClass !== ELFCLASS64) {
    fail('elf.class', 'not a 64-bit ELF file', 'ELFCLASS64', elfClass === ELFCLASS32 ? 'ELFCLASS32' : `${elfClass}`);
  }
  const order = BYTE_ORDERS.get(bytes[EHDR.data]);
  if (order === undefined) {
    return fail('elf.data', 'unknown byte order', 'ELFDATA2LSB or ELFDATA2MSB', `${bytes[EHDR.data]}`);
  }
  if (bytes[EHDR.version] !== EV_CURRENT) {
    fail('elf.version', 'unknown ELF version', `${EV_CURRENT}`, `${bytes[EHDR.version]}`);
  }
  return order;
}

function readSectionTable(view: ByteView, names: () => StringTable): ElfSection[] {
  const shoff = roundedU64(view, EHDR.shoff);
  if (shoff === 0) return [];
  const strideBytes = Math.max(SHDR_BYTES, view.u16(EHDR.shentsize));
  const declared = view.u16(EHDR.shnum);
  // A count that does not fit 16 bits lies in the null section's size.
  const room = view.length - shoff;
  const count = declared !== 0 ? declared : room >= SHDR_BYTES ? roundedU64(view, shoff + SHDR.size) : 0;
  if (count > 0 && (count - 1) * strideBytes + SHDR_BYTES > room) {
    throw new FarcallError({
      code: 'elf.section-table',
      message: 'the section header table reaches outside the file',
      expected: `at most ${view.length} bytes`,
      found: `${count} headers of ${strideBytes} bytes at 0x${shoff.toString(16)}`,
      where: view.where,
    });
  }
  return Array.from({ length: count }, (_, index) => new ElfSection(view, index, shoff + index * strideBytes, names));
}

function readProgramHeaders(view: ByteView, sections: readonly ElfSection[]): ElfSegment[] {
  const phoff = roundedU64(view, EHDR.phoff);
  if (phoff === 0) return [];
  const strideBytes = Math.max(PHDR_BYTES, view.u16(EHDR.phentsize));
  const declared = view.u16(EHDR.phnum);
  const count = declared === PN_XNUM && sections.length > 0 ? sections[0].info : declared;
  if (count > 0 && phoff + (count - 1) * strideBytes + PHDR_BYTES > view.length) {
    throw new FarcallError({
      code: 'elf.program-headers',
      message: 'the program header table reaches outside the file',
      expected: `at most ${view.length} bytes`,
      found: `${count} headers of ${strideBytes} bytes at 0x${phoff.toString(16)}`,
      where: view.where,
    });
  }
  return Array.from({ length: count }, (_, index) => new ElfSegment(view, index, phoff + index * strideBytes));
}
