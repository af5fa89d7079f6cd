import { type ByteOrder, bswap32, encodeText } from '../util/index.ts';
import { Cells } from './cells.ts';
import { DT_NULL } from './constants.ts';
import { PHDR, REL, REL_BYTES, RELA_BYTES, SHDR, SYM, SYM_BYTES } from './layout.ts';
import { relocInfoLayout } from './relocs.ts';

/** The fields of one Elf64_Sym; those left out are 0. */
export interface SymbolFields {
  readonly nameOff?: number;
  readonly bind?: number;
  readonly type?: number;
  /** st_other, visibility included. */
  readonly other?: number;
  readonly shndx?: number;
  readonly value?: number | bigint;
  readonly size?: number | bigint;
}

/** The fields of one relocation; `addend` is written to SHT_RELA only. */
export interface RelocFields {
  readonly offset: number | bigint;
  readonly type: number;
  readonly symbolIndex: number;
  readonly addend?: number | bigint;
}

/** The fields of one Elf64_Shdr; those left out are 0. */
export interface SectionHeaderFields {
  readonly nameOff?: number;
  readonly type?: number;
  readonly flags?: number | bigint;
  readonly addr?: number | bigint;
  readonly offset?: number;
  readonly size?: number | bigint;
  readonly link?: number;
  readonly info?: number;
  readonly addralign?: number;
  readonly entsize?: number;
}

/** The fields of one Elf64_Phdr. */
export interface ProgramHeaderFields {
  readonly type: number;
  readonly flags: number;
  readonly offset: number;
  readonly vaddr: number | bigint;
  readonly paddr: number | bigint;
  readonly filesz: number;
  readonly memsz: number;
  readonly align: number;
}

export function putSectionHeader(cells: Cells, at: number, header: SectionHeaderFields): void {
  cells.u32(at + SHDR.name, header.nameOff ?? 0);
  cells.u32(at + SHDR.type, header.type ?? 0);
  cells.u64(at + SHDR.flags, header.flags ?? 0);
  cells.u64(at + SHDR.addr, header.addr ?? 0);
  cells.u64(at + SHDR.offset, header.offset ?? 0);
  cells.u64(at + SHDR.size, header.size ?? 0);
  cells.u32(at + SHDR.link, header.link ?? 0);
  cells.u32(at + SHDR.info, header.info ?? 0);
  cells.u64(at + SHDR.addralign, header.addralign ?? 0);
  cells.u64(at + SHDR.entsize, header.entsize ?? 0);
}

export function putProgramHeader(cells: Cells, at: number, header: ProgramHeaderFields): void {
  cells.u32(at + PHDR.type, header.type);
  cells.u32(at + PHDR.flags, header.flags);
  cells.u64(at + PHDR.offset, header.offset);
  cells.u64(at + PHDR.vaddr, header.vaddr);
  cells.u64(at + PHDR.paddr, header.paddr);
  cells.u64(at + PHDR.filesz, header.filesz);
  cells.u64(at + PHDR.memsz, header.memsz);
  cells.u64(at + PHDR.align, header.align);
}

/** The data of a symbol table section. The null symbol is not added: pass `{}` first. */
export function encodeSymbols(order: ByteOrder, symbols: readonly SymbolFields[]): Uint8Array {
  const cells = new Cells(new Uint8Array(symbols.length * SYM_BYTES), order);
  symbols.forEach((symbol, index) => {
    const at = index * SYM_BYTES;
    cells.u32(at + SYM.name, symbol.nameOff ?? 0);
    cells.u8(at + SYM.info, ((symbol.bind ?? 0) << 4) | (symbol.type ?? 0));
    cells.u8(at + SYM.other, symbol.other ?? 0);
    cells.u16(at + SYM.shndx, symbol.shndx ?? 0);
    cells.u64(at + SYM.value, symbol.value ?? 0);
    cells.u64(at + SYM.size, symbol.size ?? 0);
  });
  return cells.bytes;
}

/** The data of a SHT_REL or, with `addends`, a SHT_RELA section. */
export function encodeRelocs(
  order: ByteOrder,
  machine: number,
  addends: boolean,
  relocs: readonly RelocFields[],
): Uint8Array {
  const bytes = addends ? RELA_BYTES : REL_BYTES;
  const { symbolOff, typeOff, swapType } = relocInfoLayout(order, machine);
  const cells = new Cells(new Uint8Array(relocs.length * bytes), order);
  relocs.forEach((reloc, index) => {
    const at = index * bytes;
    cells.u64(at + REL.offset, reloc.offset);
    cells.u32(at + symbolOff, reloc.symbolIndex);
    cells.u32(at + typeOff, swapType ? bswap32(reloc.type) : reloc.type);
    if (addends) cells.u64(at + REL.addend, reloc.addend ?? 0);
  });
  return cells.bytes;
}

/** The data of a dynamic section: DT_* tags and values, DT_NULL added at the end. */
export function encodeDynamic(
  order: ByteOrder,
  entries: readonly (readonly [tag: number, value: number | bigint])[],
): Uint8Array {
  const cells = new Cells(new Uint8Array((entries.length + 1) * 16), order);
  [...entries, [DT_NULL, 0] as const].forEach(([tag, value], index) => {
    cells.u64(index * 16, tag);
    cells.u64(index * 16 + 8, value);
  });
  return cells.bytes;
}

/** The hash of the System V symbol hash table (gABI chapter 5, Hash Table). */
export function sysvHash(name: string): number {
  let hash = 0;
  for (const byte of encodeText(name)) {
    hash = (hash << 4) + byte;
    const high = hash & 0xf0000000;
    hash = (hash ^ (high >>> 24)) & ~high;
  }
  return hash >>> 0;
}

/**
 * The data of a SHT_HASH section over the names of a dynamic symbol table, the null symbol first. `wordBytes` is 4
 * everywhere but on s390x and Alpha, which use 8.
 */
export function encodeSysvHash(order: ByteOrder, names: readonly string[], wordBytes: 4 | 8 = 4): Uint8Array {
  const bucketCount = Math.max(1, names.length >> 1);
  const buckets = new Array<number>(bucketCount).fill(0);
  const chains = new Array<number>(names.length).fill(0);
  for (let i = 1; i < names.length; i++) {
    const bucket = sysvHash(names[i]) % bucketCount;
    chains[i] = buckets[bucket];
    buckets[bucket] = i;
  }
  const words = [bucketCount, names.length, ...buckets, ...chains];
  const cells = new Cells(new Uint8Array(words.length * wordBytes), order);
  words.forEach((word, index) => {
    if (wordBytes === 4) cells.u32(index * 4, word);
    else cells.u64(index * 8, word);
  });
  return cells.bytes;
}
