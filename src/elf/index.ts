/**
 * ELF64 files of both byte orders: read, written, and found inside other bytes. Knows nothing of BPF beyond its machine number.
 */
export * from './constants.ts';
export { ElfGroup } from './group.ts';
export { ElfFile, isElf, openElf } from './read.ts';
export { ElfReloc, RelocTable } from './relocs.ts';
export { ElfSection } from './section.ts';
export { ElfSegment } from './segment.ts';
export { StringTable } from './string-table.ts';
export { ElfSymbol, type SymbolPlace, SymbolTable } from './symbols.ts';
