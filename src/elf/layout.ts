/**
 * Where each field of an ELF64 structure lies, in bytes from the start of the structure. Reader, writer and carver
 * all work from these tables.
 */

/** Bytes of each structure; the class 64 ones only. */
export const EHDR_BYTES = 64;
export const SHDR_BYTES = 64;
export const PHDR_BYTES = 56;
export const SYM_BYTES = 24;
export const REL_BYTES = 16;
export const RELA_BYTES = 24;
export const CHDR_BYTES = 24;

/** Elf64_Ehdr */
export const EHDR = {
  class: 4,
  data: 5,
  version: 6,
  osabi: 7,
  abiversion: 8,
  type: 16,
  machine: 18,
  version32: 20,
  entry: 24,
  phoff: 32,
  shoff: 40,
  flags: 48,
  ehsize: 52,
  phentsize: 54,
  phnum: 56,
  shentsize: 58,
  shnum: 60,
  shstrndx: 62,
} as const;

/** Elf64_Shdr */
export const SHDR = {
  name: 0,
  type: 4,
  flags: 8,
  addr: 16,
  offset: 24,
  size: 32,
  link: 40,
  info: 44,
  addralign: 48,
  entsize: 56,
} as const;

/** Elf64_Phdr */
export const PHDR = {
  type: 0,
  flags: 4,
  offset: 8,
  vaddr: 16,
  paddr: 24,
  filesz: 32,
  memsz: 40,
  align: 48,
} as const;

/** Elf64_Sym */
export const SYM = { name: 0, info: 4, other: 5, shndx: 6, value: 8, size: 16 } as const;

/** Elf64_Rel and, with `addend`, Elf64_Rela */
export const REL = { offset: 0, info: 8, addend: 16 } as const;

/** Elf64_Chdr */
export const CHDR = { type: 0, size: 8, addralign: 16 } as const;
