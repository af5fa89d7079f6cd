import {
  type ElfFile,
  type ElfSection,
  SHF_EXECINSTR,
  SHT_LLVM_ADDRSIG,
  SHT_NOBITS,
  SHT_PROGBITS,
  SHT_REL,
  SHT_RELA,
  SHT_STRTAB,
  SHT_SYMTAB,
  SHT_SYMTAB_SHNDX,
} from '../elf/index.ts';
import { objectError } from './problem.ts';

/** What a section is to a BPF loader. */
export type SectionRole =
  | 'license'
  | 'version'
  | 'maps'
  | '.maps'
  | 'btf'
  | 'btf_ext'
  | 'text'
  | 'programs'
  | 'data'
  | 'rodata'
  | 'bss'
  | 'arena'
  | 'struct_ops'
  | 'relocs'
  | 'known'
  | 'ignored';

export interface ObjectSection {
  readonly elf: ElfSection;
  readonly index: number;
  readonly name: string;
  readonly role: SectionRole;
  readonly sizeBytes: number;
}

const isData = (type: number): boolean => type === SHT_PROGBITS || type === SHT_NOBITS;
const named =
  (...names: string[]) =>
  (name: string): boolean =>
    names.includes(name);
const family =
  (stem: string) =>
  (name: string): boolean =>
    name === stem || name.startsWith(`${stem}.`);
const dwarf = (name: string): boolean => /^(\.rela?)?\.(debug_|eh_frame|llvm|comment|note)/.test(name);

interface RoleRule {
  readonly role: SectionRole;
  readonly name?: (name: string) => boolean;
  readonly type?: (type: number) => boolean;
  /** Whether SHF_EXECINSTR must be set. */
  readonly exec?: boolean;
}

/**
 * The first rule that fits names the role. Source: `tools/lib/bpf/libbpf.c: bpf_object__elf_collect`, and
 * cilium/ebpf's `elf_reader.go` for legacy map sections beside `maps` itself.
 */
const ROLES: readonly RoleRule[] = [
  { role: 'known', type: type => [SHT_STRTAB, SHT_SYMTAB, SHT_SYMTAB_SHNDX, SHT_LLVM_ADDRSIG].includes(type) },
  { role: 'known', name: dwarf },
  { role: 'license', name: named('license') },
  { role: 'version', name: named('version') },
  { role: '.maps', name: named('.maps') },
  { role: 'btf', name: named('.BTF') },
  { role: 'btf_ext', name: named('.BTF.ext') },
  { role: 'known', name: named('.rel.BTF', '.rel.BTF.ext', '.rela.BTF', '.rela.BTF.ext') },
  { role: 'relocs', type: type => type === SHT_REL || type === SHT_RELA },
  { role: 'text', name: named('.text'), type: type => type === SHT_PROGBITS, exec: true },
  { role: 'programs', type: type => type === SHT_PROGBITS, exec: true },
  { role: 'maps', name: name => name.startsWith('maps'), type: isData },
  { role: 'data', name: family('.data'), type: isData },
  { role: 'rodata', name: family('.rodata'), type: isData },
  { role: 'bss', name: family('.bss'), type: isData },
  {
    role: 'struct_ops',
    name: named('.struct_ops', '.struct_ops.link', '?.struct_ops', '?.struct_ops.link'),
    type: isData,
  },
  { role: 'arena', name: named('.addr_space.1'), type: isData },
];

/** How often the bytes of the file may be used by sections: theirs do not overlap unless made to exhaust memory. */
const MAX_SECTION_OVERLAP = 4;

/** All sections but the null one, each with its role. Throws `object.overlap` where they use the file many times over. */
export function objectSections(file: ElfFile): ObjectSection[] {
  const sections = rolesOf(file);
  let used = 0;
  for (const { elf, role, sizeBytes } of sections) {
    if (role !== 'known' && role !== 'ignored' && elf.type !== SHT_NOBITS) used += sizeBytes;
  }
  const limit = file.view.length * MAX_SECTION_OVERLAP;
  if (used <= limit) return sections;
  throw objectError('object.overlap', file.where, 'sections overlap', `at most ${limit} bytes`, `${used} bytes`);
}

function rolesOf(file: ElfFile): ObjectSection[] {
  return file.sections.slice(1).map(elf => {
    const { name, type } = elf;
    const exec = (elf.flags & SHF_EXECINSTR) !== 0;
    const rule = ROLES.find(
      candidate =>
        (candidate.name?.(name) ?? true) && (candidate.type?.(type) ?? true) && (candidate.exec ?? exec) === exec,
    );
    return { elf, index: elf.index, name, role: rule?.role ?? 'ignored', sizeBytes: Number(elf.size64) };
  });
}
