/**
 * ELF64 files of both byte orders: read, written, and found inside other bytes. Knows nothing of BPF beyond its machine number.
 */
export * from './constants.ts';
export { type EmbeddedElf, type FindEmbeddedOptions, findEmbeddedElf } from './embedded.ts';
export {
  encodeDynamic,
  encodeRelocs,
  encodeSymbols,
  encodeSysvHash,
  type RelocFields,
  type SymbolFields,
  sysvHash,
} from './encode.ts';
export { ElfGroup } from './group.ts';
export { ElfFile, isElf, openElf } from './read.ts';
export { ElfReloc, RelocTable } from './relocs.ts';
export { ElfSection } from './section.ts';
export { ElfSegment } from './segment.ts';
export { type DescriptorFields, type ExportPlace, type SharedObjectInit, SharedObjectWriter } from './shared-object.ts';
export { StringTable } from './string-table.ts';
export { StringTableBuilder } from './string-table-builder.ts';
export { ElfSymbol, type SymbolPlace, SymbolTable } from './symbols.ts';
export {
  type ElfInit,
  ElfWriter,
  OutSection,
  OutSymbol,
  type RelocInit,
  type SectionInit,
  type SegmentInit,
  type SymbolInit,
} from './write.ts';
