import { type ByteOrder, ByteView } from '../util/index.ts';
import {
  ELFCLASS64,
  ELFDATA2LSB,
  ELFDATA2MSB,
  ET_CORE,
  ET_REL,
  EV_CURRENT,
  PN_XNUM,
  SHN_XINDEX,
  SHT_NOBITS,
  SHT_NULL,
  SHT_STRTAB,
} from './constants.ts';
import { roundedU64 } from './fields.ts';
import { EHDR, EHDR_BYTES, PHDR, PHDR_BYTES, SHDR, SHDR_BYTES } from './layout.ts';
import { isElf } from './read.ts';

/** An ELF64 image inside other bytes: `bytes.subarray(offset, offset + size)` is the file. */
export interface EmbeddedElf {
  readonly offset: number;
  readonly size: number;
  readonly order: ByteOrder;
  /** EM_* */
  readonly machine: number;
  /** ET_* */
  readonly type: number;
}

export interface FindEmbeddedOptions {
  /** Only images of this machine (EM_*); the insides of others are searched. */
  readonly machine?: number;
  /** Report an image that starts at offset 0 too. Its inside is not searched then. */
  readonly includeOuter?: boolean;
}

/**
 * How many table entries may be looked at in all, per byte of input. Disjoint images need less than 1/56; the rest is for
 * candidates that turn out implausible. Beyond it, candidates that still fit the remainder are examined, others passed over.
 */
const ENTRIES_PER_BYTE = 1 / 8;
const MIN_ENTRIES = 4096;

/**
 * Finds ELF64 images, at any alignment, inside any bytes: BPF objects in the `.rodata` of programs with libbpf skeletons,
 * in Go binaries, in archives. The size of an image is where its last header table, section or segment ends, so padding behind
 * that is not part of it. A candidate whose headers contradict each other or reach past the end is not reported. Images
 * inside a reported image are not listed. Time is linear in the input, whatever it holds. Never throws.
 */
export function findEmbeddedElf(bytes: Uint8Array, options: FindEmbeddedOptions = {}): EmbeddedElf[] {
  const found: EmbeddedElf[] = [];
  const budget = { entries: MIN_ENTRIES + Math.floor(bytes.length * ENTRIES_PER_BYTE) };
  const last = bytes.length - EHDR_BYTES;
  for (let at = options.includeOuter ? 0 : 1; at <= last; at++) {
    if (bytes[at] !== 0x7f || bytes[at + 1] !== 0x45 || !isElf(bytes.subarray(at, at + 4))) continue;
    const image = examine(bytes, at, options.machine, budget);
    if (image === undefined) continue;
    found.push(image);
    at += image.size - 1;
  }
  return found;
}

interface Budget {
  entries: number;
}

function examine(
  bytes: Uint8Array,
  offset: number,
  wanted: number | undefined,
  budget: Budget,
): EmbeddedElf | undefined {
  const data = bytes[offset + EHDR.data];
  if (bytes[offset + EHDR.class] !== ELFCLASS64 || (data !== ELFDATA2LSB && data !== ELFDATA2MSB)) return undefined;
  if (bytes[offset + EHDR.version] !== EV_CURRENT) return undefined;
  const order = data === ELFDATA2LSB ? 'little' : 'big';
  const view = new ByteView(bytes.subarray(offset), order);
  const type = view.u16(EHDR.type);
  const machine = view.u16(EHDR.machine);
  if (wanted !== undefined && machine !== wanted) return undefined;
  if (type < ET_REL || type > ET_CORE || view.u32(EHDR.version32) !== EV_CURRENT) return undefined;
  if (view.u16(EHDR.ehsize) !== EHDR_BYTES) return undefined;
  const sectionsEnd = sectionTableEnd(view, budget);
  const segmentsEnd = sectionsEnd < 0 ? -1 : programHeadersEnd(view, budget);
  if (sectionsEnd < 0 || segmentsEnd < 0) return undefined;
  const size = Math.max(sectionsEnd, segmentsEnd);
  return size > EHDR_BYTES ? { offset, size, order, machine, type } : undefined;
}

/** Takes `count` entries from the budget; false when it does not hold that many. */
function spend(budget: Budget, count: number): boolean {
  if (count > budget.entries) return false;
  budget.entries -= count;
  return true;
}

/** Where the section header table and all sections end: 0 when there is no table, -1 when it is implausible. */
function sectionTableEnd(view: ByteView, budget: Budget): number {
  const shoff = roundedU64(view, EHDR.shoff);
  const declared = view.u16(EHDR.shnum);
  if (shoff === 0) return declared === 0 ? 0 : -1;
  if (shoff < EHDR_BYTES || shoff + SHDR_BYTES > view.length || view.u16(EHDR.shentsize) !== SHDR_BYTES) return -1;
  if (view.u32(shoff + SHDR.name) !== 0 || view.u32(shoff + SHDR.type) !== SHT_NULL) return -1;
  if (roundedU64(view, shoff + SHDR.offset) !== 0) return -1;

  const count = declared !== 0 ? declared : roundedU64(view, shoff + SHDR.size);
  const tableEnd = shoff + count * SHDR_BYTES;
  if (count < 2 || tableEnd > view.length) return -1;
  const namesEnd = sectionNamesEnd(view, shoff, count);
  if (namesEnd < 0 || !spend(budget, count)) return -1;

  let end = tableEnd;
  for (let i = 1; i < count; i++) {
    const at = shoff + i * SHDR_BYTES;
    if (view.u32(at + SHDR.name) > namesEnd || view.u32(at + SHDR.link) >= count) return -1;
    const type = view.u32(at + SHDR.type);
    if (type === SHT_NULL || type === SHT_NOBITS) continue;
    const size = roundedU64(view, at + SHDR.size);
    if (size > 0) end = Math.max(end, roundedU64(view, at + SHDR.offset) + size);
    if (end > view.length) return -1;
  }
  return end;
}

/** The largest offset a section name may have, or -1 when the table of section names is not one. */
function sectionNamesEnd(view: ByteView, shoff: number, count: number): number {
  const raw = view.u16(EHDR.shstrndx);
  const index = raw === SHN_XINDEX ? view.u32(shoff + SHDR.link) : raw;
  if (index === 0 || index >= count) return -1;
  const at = shoff + index * SHDR_BYTES;
  const off = roundedU64(view, at + SHDR.offset);
  const size = roundedU64(view, at + SHDR.size);
  if (view.u32(at + SHDR.type) !== SHT_STRTAB || size === 0 || off + size > view.length) return -1;
  return view.u8(off + size - 1) === 0 ? size - 1 : -1;
}

/** Where the program headers and all segments end: 0 when there are none, -1 when they are implausible. */
function programHeadersEnd(view: ByteView, budget: Budget): number {
  const phoff = roundedU64(view, EHDR.phoff);
  const declared = view.u16(EHDR.phnum);
  if (declared === 0) return 0;
  if (phoff < EHDR_BYTES || view.u16(EHDR.phentsize) !== PHDR_BYTES) return -1;
  const shoff = roundedU64(view, EHDR.shoff);
  const count = declared === PN_XNUM && shoff !== 0 ? view.u32(shoff + SHDR.info) : declared;
  let end = phoff + count * PHDR_BYTES;
  if (end > view.length || !spend(budget, count)) return -1;
  for (let i = 0; i < count; i++) {
    const at = phoff + i * PHDR_BYTES;
    const size = roundedU64(view, at + PHDR.filesz);
    if (size > 0) end = Math.max(end, roundedU64(view, at + PHDR.offset) + size);
    if (end > view.length) return -1;
  }
  return end;
}
