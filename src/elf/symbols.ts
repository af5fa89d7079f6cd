import { type ByteView, FarcallError, type Where } from '../util/index.ts';
import { SHN_ABS, SHN_COMMON, SHN_LORESERVE, SHN_UNDEF, SHN_XINDEX, STB_LOCAL } from './constants.ts';
import { exactU64 } from './fields.ts';
import { SYM, SYM_BYTES } from './layout.ts';
import type { ElfSection } from './section.ts';
import type { StringTable } from './string-table.ts';

/**
 * What a symbol's section index means: a real section, SHN_UNDEF, SHN_ABS, SHN_COMMON, or another reserved number.
 * Kept apart from the index, because with more than 65,279 sections a real index may equal a reserved number.
 */
export type SymbolPlace = 'section' | 'undefined' | 'absolute' | 'common' | 'reserved';

const RESERVED_PLACES = new Map<number, SymbolPlace>([
  [SHN_UNDEF, 'undefined'],
  [SHN_ABS, 'absolute'],
  [SHN_COMMON, 'common'],
  [SHN_XINDEX, 'section'],
]);

/** One symbol. `name`, `value`, `size` and `sectionIndex` are read and checked when asked for. */
export class ElfSymbol {
  readonly index: number;
  /** STB_* */
  readonly bind: number;
  /** STT_* */
  readonly type: number;
  /** st_other; the low two bits are the visibility. */
  readonly other: number;
  /** st_shndx as in the file; see {@link place} and {@link sectionIndex}. */
  readonly shndx: number;
  readonly place: SymbolPlace;
  readonly #table: SymbolTable;
  readonly #view: ByteView;
  readonly #at: number;

  constructor(table: SymbolTable, view: ByteView, index: number, at: number) {
    this.index = index;
    this.#table = table;
    this.#view = view;
    this.#at = at;
    const info = view.u8(at + SYM.info);
    this.bind = info >> 4;
    this.type = info & 15;
    this.other = view.u8(at + SYM.other);
    this.shndx = view.u16(at + SYM.shndx);
    this.place = RESERVED_PLACES.get(this.shndx) ?? (this.shndx >= SHN_LORESERVE ? 'reserved' : 'section');
  }

  get nameOff(): number {
    return this.#view.u32(this.#at + SYM.name);
  }
  /** Throws `elf.string` when the linked string table does not hold it. Empty for most section symbols. */
  get name(): string {
    return this.nameOff === 0 ? '' : this.#table.strings().at(this.nameOff, `symbol #${this.index}`, this.#view.where);
  }
  /** STV_* */
  get visibility(): number {
    return this.other & 3;
  }
  /** Offset in its section (ET_REL), address, or alignment (common). Throws `elf.range` above 2^53 - 1. */
  get value(): number {
    return exactU64(this.#view, this.#at + SYM.value, 'st_value', this.where);
  }
  get value64(): bigint {
    return this.#view.u64(this.#at + SYM.value);
  }
  /** Bytes; 0 when unknown. Throws `elf.range` above 2^53 - 1. */
  get size(): number {
    return exactU64(this.#view, this.#at + SYM.size, 'st_size', this.where);
  }
  get size64(): bigint {
    return this.#view.u64(this.#at + SYM.size);
  }
  /**
   * The section that holds it, SHN_XINDEX resolved through SHT_SYMTAB_SHNDX; -1 unless {@link place} is `section`.
   * Not checked against the section count. Throws `elf.symbol` when the extended index is missing.
   */
  get sectionIndex(): number {
    if (this.place !== 'section') return -1;
    return this.shndx === SHN_XINDEX ? this.#table.extendedIndex(this.index) : this.shndx;
  }
  /** This symbol as the place of an error. */
  get where(): Where {
    return { ...this.#view.where, name: this.#table.nameOrUndefined(this) ?? `symbol #${this.index}` };
  }
}

/** The symbols of one SHT_SYMTAB or SHT_DYNSYM section. Symbol 0 is the null symbol, as in the file. */
export class SymbolTable implements Iterable<ElfSymbol> {
  readonly section: ElfSection;
  readonly length: number;
  readonly strings: () => StringTable;
  readonly #view: ByteView;
  readonly #strideBytes: number;
  readonly #indexSection: ElfSection | undefined;
  readonly #symbols: ElfSymbol[] = [];
  #byName: Map<string, number> | undefined;
  #extended: ByteView | undefined;

  /** `strings` gives the linked string table; `indexSection` is the SHT_SYMTAB_SHNDX section, if there is one. */
  constructor(section: ElfSection, strings: () => StringTable, indexSection: ElfSection | undefined) {
    const { view, strideBytes, count } = section.entries(SYM_BYTES);
    this.section = section;
    this.length = count;
    this.strings = strings;
    this.#view = view;
    this.#strideBytes = strideBytes;
    this.#indexSection = indexSection;
  }

  /** Throws `elf.symbol` when there is no such symbol. The same index always gives the same object. */
  at(index: number): ElfSymbol {
    if (index < this.length && index >= 0) {
      return (this.#symbols[index] ??= new ElfSymbol(this, this.#view, index, index * this.#strideBytes));
    }
    throw new FarcallError({
      code: 'elf.symbol',
      message: 'no such symbol',
      expected: `an index below ${this.length}`,
      found: `${index}`,
      where: this.#view.where,
    });
  }

  *[Symbol.iterator](): Iterator<ElfSymbol> {
    for (let i = 0; i < this.length; i++) yield this.at(i);
  }

  /** The symbol of that name: a global or weak one before a local one, else the first. Broken names are passed over. */
  byName(name: string): ElfSymbol | undefined {
    this.#byName ??= this.#indexNames();
    const index = this.#byName.get(name);
    return index === undefined ? undefined : this.at(index);
  }

  /** The name, or undefined when it is empty or broken. */
  nameOrUndefined(symbol: ElfSymbol): string | undefined {
    try {
      return this.strings().find(symbol.nameOff) || undefined;
    } catch (error) {
      if (error instanceof FarcallError) return undefined;
      throw error;
    }
  }

  /** Entry `index` of the SHT_SYMTAB_SHNDX section. Throws `elf.symbol` when there is none. */
  extendedIndex(index: number): number {
    this.#extended ??= this.#indexSection?.view();
    if (this.#extended !== undefined && index * 4 + 4 <= this.#extended.length) return this.#extended.u32(index * 4);
    throw new FarcallError({
      code: 'elf.symbol',
      message: `symbol #${index} has an extended section index`,
      expected: 'an entry in a SHT_SYMTAB_SHNDX section',
      found: 'none',
      where: this.#view.where,
    });
  }

  #indexNames(): Map<string, number> {
    const map = new Map<string, number>();
    for (let i = 1; i < this.length; i++) {
      const symbol = this.at(i);
      const name = this.nameOrUndefined(symbol);
      if (name === undefined) continue;
      const known = map.get(name);
      if (known === undefined || (this.at(known).bind === STB_LOCAL && symbol.bind !== STB_LOCAL)) map.set(name, i);
    }
    return map;
  }
}
