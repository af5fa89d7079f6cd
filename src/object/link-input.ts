import { type Btf, type BtfExt, openBtf, parseBtfExt } from '../btf/index.ts';
import {
  type ElfFile,
  type ElfSection,
  EM_BPF,
  EM_NONE,
  ET_REL,
  openElf,
  SHT_LLVM_ADDRSIG,
  SHT_NOBITS,
  SHT_PROGBITS,
  SHT_STRTAB,
  type SymbolTable,
} from '../elf/index.ts';
import type { Where } from '../util/index.ts';
import { objectError } from './problem.ts';

/** A section that goes into the output, and where in the section of its name. */
export interface InputSection {
  readonly elf: ElfSection;
  readonly name: string;
  /** Place of its first byte in the merged section. */
  readonly offBytes: number;
  /** license and version: the same as an earlier input's, so not appended. */
  readonly duplicate: boolean;
}

/** One object to be linked, opened. */
export interface LinkInput {
  readonly file: ElfFile;
  readonly symtab: SymbolTable;
  readonly btf: Btf | undefined;
  readonly ext: BtfExt | undefined;
  readonly where: Where;
}

/** What a linker leaves out: it makes symbol and string tables and BTF anew, and DWARF is of no use to a loader. */
function isIgnored(section: ElfSection, name: string): boolean {
  if (section.type === SHT_STRTAB || section.type === SHT_LLVM_ADDRSIG) return true;
  if (name === '.text' && section.type === SHT_PROGBITS && section.size === 0) return true;
  return name.startsWith('.debug_') || name === '.BTF' || name === '.BTF.ext';
}

/** Sections with bytes for the output. Source: `tools/lib/bpf/linker.c: is_ignored_sec, is_data_sec`. */
export function linkedSections(file: ElfFile): ElfSection[] {
  return file.sections.filter(section => {
    if (section.type !== SHT_PROGBITS && section.type !== SHT_NOBITS) return false;
    return !isIgnored(section, section.name);
  });
}

/** Opens one input. Throws `object.not-bpf`, `object.no-symbols`, and what ELF and BTF throw. */
export function openLinkInput(bytes: Uint8Array, where: Where): LinkInput {
  const file = openElf(new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength), where);
  if (file.type !== ET_REL || (file.machine !== EM_BPF && file.machine !== EM_NONE)) {
    const found = `type ${file.type}, machine ${file.machine}`;
    throw objectError('object.not-bpf', where, 'not a BPF object file', 'ET_REL for EM_BPF', found);
  }
  const { symtab } = file;
  if (symtab === undefined) throw objectError('object.no-symbols', where, 'no symbol table', 'a .symtab', 'none');
  const btfSection = file.sectionByName('.BTF');
  const extSection = file.sectionByName('.BTF.ext');
  const at = (section: string): Where => ({ ...where, section });
  const btf =
    btfSection === undefined ? undefined : openBtf(btfSection.data, { where: at('.BTF'), pointerSizeBytes: 8 });
  const ext =
    extSection === undefined || btf === undefined ? undefined : parseBtfExt(extSection.data, btf, at('.BTF.ext'));
  return { file, symtab, btf, ext, where };
}
