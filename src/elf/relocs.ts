import { type ByteView, bswap32, FarcallError } from '../util/index.ts';
import { EM_MIPS, SHT_RELA } from './constants.ts';
import { exactU64 } from './fields.ts';
import { REL, REL_BYTES, RELA_BYTES } from './layout.ts';
import type { ElfSection } from './section.ts';

/**
 * Where the two halves of r_info lie. MIPS defines r_info as a u32 symbol and four type bytes instead of one u64,
 * which differs on little-endian machines only (MIPS64 ELF object file specification §2.9).
 */
export function relocInfoLayout(order: 'little' | 'big', machine: number) {
  const asStruct = order === 'big' || machine === EM_MIPS;
  return {
    symbolOff: REL.info + (asStruct ? 0 : 4),
    typeOff: REL.info + (asStruct ? 4 : 0),
    swapType: asStruct && order === 'little',
  };
}

/** One relocation. The 64-bit fields are read when asked for. */
export class ElfReloc {
  readonly index: number;
  /** R_*, its meaning depends on the machine. */
  readonly type: number;
  /** Index into the linked symbol table; 0 means no symbol. */
  readonly symbolIndex: number;
  readonly #view: ByteView;
  readonly #at: number;
  readonly #hasAddend: boolean;

  constructor(view: ByteView, index: number, at: number, type: number, symbolIndex: number, hasAddend: boolean) {
    this.index = index;
    this.type = type;
    this.symbolIndex = symbolIndex;
    this.#view = view;
    this.#at = at;
    this.#hasAddend = hasAddend;
  }

  /** Byte offset in the target section (ET_REL) or an address. Throws `elf.range` above 2^53 - 1. */
  get offset(): number {
    return exactU64(this.#view, this.#at + REL.offset, 'r_offset', this.#view.where);
  }
  get offset64(): bigint {
    return this.#view.u64(this.#at + REL.offset);
  }
  /** The explicit addend, signed; 0 in SHT_REL, where it lies in the place itself. Throws `elf.range` beyond ±(2^53 - 1). */
  get addend(): number {
    const value = this.addend64;
    if (value >= -MAX_SAFE && value <= MAX_SAFE) return Number(value);
    throw new FarcallError({
      code: 'elf.range',
      message: 'r_addend is too large for a Number',
      expected: 'at most 2^53 - 1 in magnitude',
      found: `${value}`,
      where: this.#view.where,
    });
  }
  get addend64(): bigint {
    return this.#hasAddend ? this.#view.i64(this.#at + REL.addend) : 0n;
  }
}

const MAX_SAFE = BigInt(Number.MAX_SAFE_INTEGER);

/** The relocations of one SHT_REL or SHT_RELA section. */
export class RelocTable implements Iterable<ElfReloc> {
  readonly section: ElfSection;
  readonly length: number;
  /** True for SHT_RELA. */
  readonly hasAddend: boolean;
  readonly #view: ByteView;
  readonly #strideBytes: number;
  readonly #layout: ReturnType<typeof relocInfoLayout>;

  constructor(section: ElfSection, machine: number) {
    this.section = section;
    this.hasAddend = section.type === SHT_RELA;
    const { view, strideBytes, count } = section.entries(this.hasAddend ? RELA_BYTES : REL_BYTES);
    this.length = count;
    this.#view = view;
    this.#strideBytes = strideBytes;
    this.#layout = relocInfoLayout(view.order, machine);
  }

  /** Index of the section the relocations apply to (sh_info); 0 for dynamic relocations, whose offsets are addresses. */
  get targetIndex(): number {
    return this.section.info;
  }
  /** Index of the symbol table section (sh_link). */
  get symtabIndex(): number {
    return this.section.link;
  }

  /** Throws `elf.reloc` when there is no such relocation. */
  at(index: number): ElfReloc {
    if (index >= 0 && index < this.length) {
      const at = index * this.#strideBytes;
      const type = this.#view.u32(at + this.#layout.typeOff);
      return new ElfReloc(
        this.#view,
        index,
        at,
        this.#layout.swapType ? bswap32(type) >>> 0 : type,
        this.#view.u32(at + this.#layout.symbolOff),
        this.hasAddend,
      );
    }
    throw new FarcallError({
      code: 'elf.reloc',
      message: 'no such relocation',
      expected: `an index below ${this.length}`,
      found: `${index}`,
      where: this.#view.where,
    });
  }

  *[Symbol.iterator](): Iterator<ElfReloc> {
    for (let i = 0; i < this.length; i++) yield this.at(i);
  }
}
