import { BTF_LINKAGE, type Btf } from '../btf/index.ts';
import { type ElfSymbol, STB_GLOBAL, STB_LOCAL, STB_WEAK, STT_SECTION, STV_DEFAULT, STV_HIDDEN } from '../elf/index.ts';
import type { Where } from '../util/index.ts';
import type { InputSection, LinkInput } from './link-input.ts';
import { mapMismatch, typeMismatch } from './link-types.ts';
import { objectError } from './problem.ts';

/** A symbol of the output while inputs are being read. */
export interface LinkedSymbol {
  readonly name: string;
  bind: number;
  type: number;
  visibility: number;
  /** Name of the merged section; undefined for undefined, absolute and common symbols. */
  section: string | undefined;
  place: ElfSymbol['place'];
  value: number;
  size: number;
}

/** A global or weak symbol: what is known of it so far. */
export interface GlobalSymbol extends LinkedSymbol {
  isExtern: boolean;
  isWeak: boolean;
  /** The input whose declaration counts, and the VAR or FUNC there; id 0 without BTF. */
  input: number;
  btfId: number;
  /** The DATASEC of an extern (.ksyms, .kconfig, .maps); '' for others. */
  externSection: string;
}

export interface LinkedSymbols {
  readonly all: readonly LinkedSymbol[];
  readonly globals: ReadonlyMap<string, GlobalSymbol>;
  /** For each input, its symbols by index; undefined for those of sections that are left out. */
  readonly byInput: readonly (readonly (LinkedSymbol | undefined)[])[];
}

/** Where an input's BTF declares a global name: the VAR or FUNC, and its DATASEC's name. */
interface Declaration {
  readonly id: number;
  readonly section: string;
}

const NOT_DECLARED: Declaration = { id: 0, section: '' };

function declarationsOf(btf: Btf | undefined): Map<string, Declaration> {
  const found = new Map<string, Declaration>();
  if (btf === undefined) return found;
  const homes = new Map<number, string>();
  for (const type of btf.ownTypes()) {
    if (type.kind === 'DATASEC') for (const { typeId } of type.vars) homes.set(typeId, type.name);
  }
  for (const type of btf.ownTypes()) {
    if ((type.kind !== 'VAR' && type.kind !== 'FUNC') || type.linkage === BTF_LINKAGE.static) continue;
    const known = found.get(type.name);
    if (known === undefined || known.section === '') {
      found.set(type.name, { id: type.id, section: homes.get(type.id) ?? '' });
    }
  }
  return found;
}

/** Reads the symbols of all inputs in order. Source: `tools/lib/bpf/linker.c: linker_append_elf_sym`. */
export function linkSymbols(
  inputs: readonly LinkInput[],
  placed: readonly ReadonlyMap<number, InputSection>[],
): LinkedSymbols {
  const linking = new SymbolLinking(inputs);
  const byInput = inputs.map((input, position) => {
    const declarations = declarationsOf(input.btf);
    const symbols: (LinkedSymbol | undefined)[] = [undefined];
    for (let i = 1; i < input.symtab.length; i++) {
      symbols.push(linking.add(position, input.symtab.at(i), placed[position], declarations));
    }
    return symbols;
  });
  return { all: linking.all, globals: linking.globals, byInput };
}

class SymbolLinking {
  readonly all: LinkedSymbol[] = [];
  readonly globals = new Map<string, GlobalSymbol>();
  readonly #inputs: readonly LinkInput[];
  /** Pairs of declarations found to agree. */
  readonly #compared = new Set<string>();
  readonly #sectionSymbols = new Map<string, LinkedSymbol>();

  constructor(inputs: readonly LinkInput[]) {
    this.#inputs = inputs;
  }

  add(
    input: number,
    symbol: ElfSymbol,
    placed: ReadonlyMap<number, InputSection>,
    declarations: ReadonlyMap<string, Declaration>,
  ): LinkedSymbol | undefined {
    const home = symbol.place === 'section' ? placed.get(symbol.sectionIndex) : undefined;
    if (symbol.place === 'section' && (home === undefined || home.duplicate)) return undefined;
    const draft: LinkedSymbol = {
      name: symbol.type === STT_SECTION && symbol.nameOff === 0 ? '' : symbol.name,
      bind: symbol.bind,
      type: symbol.type,
      visibility: symbol.visibility,
      section: home?.name,
      place: symbol.place,
      value: (home?.offBytes ?? 0) + symbol.value,
      size: symbol.size,
    };
    if (symbol.type === STT_SECTION && home !== undefined) return this.#sectionSymbol(draft, home.name);
    if (symbol.bind === STB_LOCAL) {
      this.all.push(draft);
      return draft;
    }
    const where = { ...this.#inputs[input].where, name: draft.name };
    this.#check(symbol, where);
    return this.#addGlobal(draft, input, declarations.get(draft.name) ?? NOT_DECLARED, where);
  }

  #check({ bind, visibility }: ElfSymbol, where: Where): void {
    if (bind !== STB_GLOBAL && bind !== STB_WEAK) {
      throw objectError('object.link', where, 'unsupported symbol binding', 'local, global or weak', `${bind}`);
    }
    if (visibility !== STV_DEFAULT && visibility !== STV_HIDDEN) {
      throw objectError('object.link', where, 'unsupported symbol visibility', 'default or hidden', `${visibility}`);
    }
  }

  /** One a section; relocations against it carry the offset themselves. */
  #sectionSymbol(draft: LinkedSymbol, section: string): LinkedSymbol {
    let symbol = this.#sectionSymbols.get(section);
    if (symbol === undefined) {
      symbol = { ...draft, value: 0 };
      this.#sectionSymbols.set(section, symbol);
      this.all.push(symbol);
    }
    return symbol;
  }

  #addGlobal(draft: LinkedSymbol, input: number, declaration: Declaration, where: Where): GlobalSymbol {
    const isExtern = draft.place === 'undefined';
    const isWeak = draft.bind === STB_WEAK;
    const externSection = isExtern ? declaration.section : '';
    const known = this.globals.get(draft.name);
    if (known === undefined) {
      const symbol = { ...draft, isExtern, isWeak, input, btfId: declaration.id, externSection };
      this.globals.set(draft.name, symbol);
      this.all.push(symbol);
      return symbol;
    }
    if (!isExtern && !known.isExtern && !known.isWeak && !isWeak) {
      const message = `conflicting non-weak symbol (${draft.name}) definition`;
      throw objectError('object.link', where, message, 'one definition', 'another one in an earlier input');
    }
    this.#compare(known, input, declaration, where);
    if (!isWeak) {
      known.bind = STB_GLOBAL;
      known.isWeak = false;
    }
    known.visibility = Math.max(known.visibility, draft.visibility);
    if (isExtern || (!known.isExtern && isWeak)) return known;
    Object.assign(known, { type: draft.type, section: draft.section, place: draft.place });
    Object.assign(known, { value: draft.value, size: draft.size, isExtern: false, externSection: '' });
    if (declaration.id !== 0) Object.assign(known, { input, btfId: declaration.id });
    return known;
  }

  /** Both declarations must agree. Where one input has no BTF there is nothing to compare. */
  #compare(known: GlobalSymbol, input: number, declaration: Declaration, where: Where): void {
    const [mine, theirs] = [this.#inputs[known.input].btf, this.#inputs[input].btf];
    if (mine === undefined || theirs === undefined || known.btfId === 0 || declaration.id === 0) return;
    const a = { btf: mine, id: known.btfId };
    const b = { btf: theirs, id: declaration.id };
    const pair = `${known.input}/${known.btfId}/${input}/${declaration.id}`;
    if (this.#compared.has(pair)) return;
    this.#compared.add(pair);
    const isMap = declaration.section === '.maps' || known.section === '.maps';
    const problem = isMap ? mapMismatch(known.name, a, b, where) : typeMismatch(a, b);
    if (problem !== undefined) throw objectError('object.link', where, `global '${known.name}': ${problem}`);
  }
}
