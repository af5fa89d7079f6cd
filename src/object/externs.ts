import { BTF_LINKAGE, type Btf } from '../btf/index.ts';
import { type ElfFile, type ElfSymbol, STB_GLOBAL, STB_WEAK, STT_NOTYPE, type SymbolTable } from '../elf/index.ts';
import { objectError } from './problem.ts';
import type { ExternSpec } from './types.ts';

/** What the object declares without defining, and which symbol each is. */
export interface Externs {
  /** .kconfig first, by falling alignment, size and name; then .ksyms by name. */
  readonly specs: readonly ExternSpec[];
  readonly bySymbol: ReadonlyMap<number, ExternSpec>;
  /** Bytes of the .kconfig map; 0 without one. */
  readonly kconfigBytes: number;
}

/** Undefined global or weak symbols without a type. Source: `tools/lib/bpf/libbpf.c: sym_is_extern`. */
export function isExternSymbol(symbol: ElfSymbol): boolean {
  return (
    symbol.place === 'undefined' &&
    (symbol.bind === STB_GLOBAL || symbol.bind === STB_WEAK) &&
    symbol.type === STT_NOTYPE
  );
}

const MAX_KCONFIG_BYTES = 1 << 20;

/** How the value of a .kconfig extern is stored. */
export type KconfigKind = 'bool' | 'tristate' | 'char' | 'int' | 'char_array';

export interface KconfigType {
  readonly kind: KconfigKind;
  readonly signed: boolean;
}

/** How a .kconfig variable of this type is filled; undefined if libbpf knows no way. Source: `find_kcfg_type`. */
export function kconfigType(btf: Btf, typeId: number): KconfigType | undefined {
  const type = btf.typeById(btf.skipModifiers(typeId));
  switch (type.kind) {
    case 'INT':
      if (type.bool) return type.sizeBytes === 1 ? { kind: 'bool', signed: false } : undefined;
      if (type.sizeBytes === 1) return { kind: 'char', signed: type.signed };
      return [2, 4, 8].includes(type.sizeBytes) ? { kind: 'int', signed: type.signed } : undefined;
    case 'ENUM':
    case 'ENUM64':
      if (type.name !== 'libbpf_tristate' || (type.kind === 'ENUM' && type.sizeBytes !== 4)) return undefined;
      return { kind: 'tristate', signed: false };
    case 'ARRAY': {
      const item = btf.typeById(btf.skipModifiers(type.typeId));
      if (type.nelems === 0 || item.kind !== 'INT' || item.sizeBytes !== 1 || item.bool) return undefined;
      return { kind: 'char_array', signed: false };
    }
    default:
      return undefined;
  }
}

interface Draft extends Omit<ExternSpec, 'offBytes'> {
  readonly symbolIndex: number;
  readonly alignBytes: number;
}

/**
 * Finds the externs and lays out .kconfig. Without BTF an extern is one without type. Throws `object.extern` for
 * .kconfig variables of a type that cannot be filled.
 *
 * Source: `tools/lib/bpf/libbpf.c: bpf_object__collect_externs, cmp_externs`.
 * Differs from Linux: externs that BTF does not declare are noted and not refused; an unused one does no harm.
 */
export function collectExterns(file: ElfFile, symtab: SymbolTable, btf: Btf | undefined, notes: string[]): Externs {
  const drafts: Draft[] = [];
  const homes = btf === undefined ? new Map<number, string>() : externSections(btf);
  const declarations = new Map<string, ReturnType<typeof declarationOf>>();
  for (let i = 1; i < symtab.length; i++) {
    const symbol = symtab.at(i);
    if (!isExternSymbol(symbol)) continue;
    const name = symtab.nameOrUndefined(symbol);
    if (name === undefined) continue;
    if (btf !== undefined && !declarations.has(name)) declarations.set(name, declarationOf(btf, name));
    drafts.push(draftOf(file, name, symbol, btf, declarations.get(name), homes, notes));
  }
  drafts.sort(compareDrafts);
  const specs: ExternSpec[] = [];
  const bySymbol = new Map<number, ExternSpec>();
  let kconfigBytes = 0;
  for (const { symbolIndex, alignBytes, ...draft } of drafts) {
    let offBytes = 0;
    if (draft.kind === 'kconfig') {
      offBytes = Math.ceil(kconfigBytes / alignBytes) * alignBytes;
      kconfigBytes = offBytes + draft.sizeBytes;
    }
    const spec = { ...draft, offBytes };
    specs.push(spec);
    bySymbol.set(symbolIndex, spec);
  }
  if (kconfigBytes > MAX_KCONFIG_BYTES) {
    const where = { ...file.where, section: '.kconfig' };
    throw objectError('object.extern', where, 'too large', `${MAX_KCONFIG_BYTES} bytes`, `${kconfigBytes}`);
  }
  return { specs, bySymbol, kconfigBytes };
}

/** For each VAR and FUNC, the DATASEC that holds it. */
function externSections(btf: Btf): Map<number, string> {
  const homes = new Map<number, string>();
  for (const name of ['.kconfig', '.ksyms']) {
    for (const id of btf.allByName(name)) {
      const type = btf.typeById(id);
      if (type.kind !== 'DATASEC') continue;
      for (const { typeId } of type.vars) if (!homes.has(typeId)) homes.set(typeId, name);
    }
  }
  return homes;
}

function declarationOf(btf: Btf, name: string) {
  for (const id of btf.allByName(name)) {
    const type = btf.typeById(id);
    if (type.kind === 'VAR' || type.kind === 'FUNC') return type.linkage === BTF_LINKAGE.extern ? type : undefined;
  }
  return undefined;
}

function draftOf(
  file: ElfFile,
  name: string,
  symbol: ElfSymbol,
  btf: Btf | undefined,
  declaration: ReturnType<typeof declarationOf>,
  homes: ReadonlyMap<number, string>,
  notes: string[],
): Draft {
  const common = { name, weak: symbol.bind === STB_WEAK, symbolIndex: symbol.index, alignBytes: 1 };
  const home = declaration === undefined ? undefined : homes.get(declaration.id);
  if (btf === undefined || declaration === undefined || home === undefined) {
    notes.push(`extern ${name} is not declared in BTF`);
    const untyped = { section: '.ksyms', kind: 'ksym_typeless', typeId: 0, declId: 0, sizeBytes: 0 } as const;
    return { ...common, ...untyped };
  }
  const declId = declaration.id;
  if (home === '.ksyms') {
    const typeId = btf.skipModifiers(declaration.typeId);
    const kind = declaration.kind === 'FUNC' ? 'ksym_func' : typeId === 0 ? 'ksym_typeless' : 'ksym_var';
    return { ...common, section: '.ksyms', kind, typeId, declId, sizeBytes: 0 };
  }
  if (declaration.kind === 'FUNC' || kconfigType(btf, declaration.typeId) === undefined) {
    const found = declaration.kind === 'FUNC' ? 'a function' : btf.kindOf(btf.skipModifiers(declaration.typeId));
    const expected = 'bool, libbpf_tristate, an integer or an array of char';
    const message = `extern (kcfg) '${name}': type is unsupported`;
    throw objectError('object.extern', { ...file.where, section: '.kconfig', name }, message, expected, found);
  }
  return {
    ...common,
    section: '.kconfig',
    kind: 'kconfig',
    typeId: btf.skipModifiers(declaration.typeId),
    declId,
    sizeBytes: btf.sizeOf(declaration.typeId),
    alignBytes: Math.max(1, btf.alignOf(declaration.typeId)),
  };
}

const bytewise = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

function compareDrafts(a: Draft, b: Draft): number {
  if (a.section !== b.section) return a.section === '.kconfig' ? -1 : 1;
  if (a.section === '.kconfig') {
    if (a.alignBytes !== b.alignBytes) return b.alignBytes - a.alignBytes;
    if (a.sizeBytes !== b.sizeBytes) return a.sizeBytes - b.sizeBytes;
  }
  return bytewise(a.name, b.name);
}
