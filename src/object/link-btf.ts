import {
  BTF_LINKAGE,
  type Btf,
  type BtfBuilder,
  type BtfExtTable,
  type BtfSecinfo,
  btfExtTable,
  mergeBtf,
  writeBtfExt,
} from '../btf/index.ts';
import type { ByteOrder } from '../util/index.ts';
import type { InputSection, LinkInput } from './link-input.ts';
import type { MergedSection } from './link-sections.ts';
import type { GlobalSymbol, LinkedSymbols } from './link-symbols.ts';
import { objectError } from './problem.ts';

export interface LinkedBtf {
  readonly btf: Uint8Array;
  readonly ext: Uint8Array | undefined;
}

type Placed = ReadonlyMap<number, InputSection>;

/** A global VAR or FUNC: added once, as its symbol says. Its tags go with it. */
function isGlobalDeclaration(btf: Btf, id: number): boolean {
  const type = btf.typeById(id);
  return (type.kind === 'VAR' || type.kind === 'FUNC') && type.linkage !== BTF_LINKAGE.static;
}

function isReplaced(btf: Btf, id: number): boolean {
  const kind = btf.kindOf(id);
  if (kind === 'DATASEC') return true;
  if (kind === 'VAR' || kind === 'FUNC') return isGlobalDeclaration(btf, id);
  const type = kind === 'DECL_TAG' ? btf.typeById(id) : undefined;
  return type?.kind === 'DECL_TAG' && isGlobalDeclaration(btf, type.typeId);
}

/**
 * Merges BTF and .BTF.ext: types once each, a VAR or FUNC a symbol, DATASECs laid out anew. Undefined where no input has
 * BTF. Throws `object.link` where .BTF.ext records differ in size. Source: `tools/lib/bpf/linker.c: linker_append_btf,
 * finalize_btf, linker_append_btf_ext`.
 */
export function linkBtf(
  inputs: readonly LinkInput[],
  placed: readonly Placed[],
  sections: readonly MergedSection[],
  symbols: LinkedSymbols,
  order: ByteOrder,
): LinkedBtf | undefined {
  const withBtf = inputs.flatMap((input, position) => (input.btf === undefined ? [] : [{ btf: input.btf, position }]));
  if (withBtf.length === 0) return undefined;
  const btfs = withBtf.map(entry => entry.btf);
  const { builder, idMaps } = mergeBtf(btfs, { skip: (input, id) => isReplaced(btfs[input], id) });
  const mapOf = new Map(withBtf.map(({ position }, index) => [position, idMaps[index]]));
  const merging = new BtfMerging(inputs, placed, builder, mapOf, symbols.globals);
  merging.addDeclarations();
  merging.addTags();
  merging.addDatasecs(sections);
  const ext = merging.ext(sections, order);
  return { btf: builder.encode(order), ext };
}

class BtfMerging {
  readonly #inputs: readonly LinkInput[];
  readonly #homes: readonly ReadonlyMap<string, InputSection>[];
  readonly #builder: BtfBuilder;
  readonly #mapOf: ReadonlyMap<number, Uint32Array>;
  readonly #globals: ReadonlyMap<string, GlobalSymbol>;
  readonly #declared = new Map<string, number>();

  constructor(
    inputs: readonly LinkInput[],
    placed: readonly Placed[],
    builder: BtfBuilder,
    mapOf: ReadonlyMap<number, Uint32Array>,
    globals: ReadonlyMap<string, GlobalSymbol>,
  ) {
    this.#inputs = inputs;
    this.#homes = placed.map(sections => new Map([...sections.values()].reverse().map(home => [home.name, home])));
    this.#builder = builder;
    this.#mapOf = mapOf;
    this.#globals = globals;
  }

  /** The merged id of an input's type; 0 for declarations whose symbol is gone. */
  #id(input: number, id: number): number {
    const btf = this.#inputs[input].btf;
    if (btf !== undefined && isGlobalDeclaration(btf, id)) return this.#declared.get(btf.nameOf(id)) ?? 0;
    return this.#mapOf.get(input)?.[id] ?? 0;
  }

  addDeclarations(): void {
    for (const symbol of this.#globals.values()) {
      const type = this.#inputs[symbol.input].btf?.typeById(symbol.btfId);
      if (type?.kind !== 'VAR' && type?.kind !== 'FUNC') continue;
      const linkage = symbol.isExtern ? BTF_LINKAGE.extern : BTF_LINKAGE.global;
      const typeId = this.#id(symbol.input, type.typeId);
      this.#declared.set(symbol.name, this.#builder.add({ kind: type.kind, name: type.name, typeId, linkage }));
    }
  }

  addTags(): void {
    const seen = new Set<string>();
    this.#inputs.forEach(({ btf }, input) => {
      for (const type of btf?.ownTypes() ?? []) {
        if (type.kind !== 'DECL_TAG' || btf === undefined || !isGlobalDeclaration(btf, type.typeId)) continue;
        const typeId = this.#id(input, type.typeId);
        const key = `${typeId}/${type.componentIdx}/${type.isAttribute}/${type.name}`;
        if (typeId === 0 || seen.has(key)) continue;
        seen.add(key);
        this.#builder.add({ ...type, typeId });
      }
    });
  }

  /** One for each name any input has; `.extern` holds what the linker itself resolves. */
  addDatasecs(sections: readonly MergedSection[]): void {
    const sizes = new Map(sections.map(section => [section.name, section.sizeBytes]));
    const datasecs = new Map<string, BtfSecinfo[]>(sections.map(section => [section.name, []]));
    const present = new Set<string>();
    const done = new Set<string>();
    this.#inputs.forEach((input, position) => {
      for (const type of input.btf?.ownTypes() ?? []) {
        if (type.kind !== 'DATASEC' || type.name === '.extern') continue;
        const home = this.#home(position, type.name);
        if (home?.duplicate === true) continue;
        present.add(type.name);
        const list = datasecs.get(type.name) ?? [];
        datasecs.set(type.name, list);
        for (const entry of type.vars) {
          const placedEntry = this.#entry(position, type.name, entry, home?.offBytes ?? 0, done);
          if (placedEntry !== undefined) list.push(placedEntry);
        }
      }
    });
    for (const [name, vars] of datasecs) {
      if (!present.has(name)) continue;
      vars.sort((a, b) => a.offBytes - b.offBytes);
      this.#builder.add({ kind: 'DATASEC', name, sizeBytes: sizes.get(name) ?? 0, vars });
    }
  }

  /** The first section of that name in an input. */
  #home(input: number, section: string): InputSection | undefined {
    return this.#homes[input].get(section);
  }

  #entry(
    input: number,
    section: string,
    entry: BtfSecinfo,
    offBytes: number,
    done: Set<string>,
  ): BtfSecinfo | undefined {
    const btf = this.#inputs[input].btf;
    const typeId = this.#id(input, entry.typeId);
    if (btf === undefined || typeId === 0) return undefined;
    if (!isGlobalDeclaration(btf, entry.typeId)) return { ...entry, typeId, offBytes: offBytes + entry.offBytes };
    const name = btf.nameOf(entry.typeId);
    const symbol = this.#globals.get(name);
    if (symbol === undefined || done.has(name)) return undefined;
    if ((symbol.section ?? symbol.externSection) !== section) return undefined;
    done.add(name);
    return { typeId, offBytes: symbol.isExtern ? 0 : symbol.value, sizeBytes: this.#sizeOf(symbol, entry) };
  }

  /** The size in the input whose declaration counts. */
  #sizeOf(symbol: GlobalSymbol, entry: BtfSecinfo): number {
    const { btf } = this.#inputs[symbol.input];
    const size = btf?.kindOf(symbol.btfId) === 'VAR' ? btf.trySizeOf(symbol.btfId) : undefined;
    // The structure of a map may be followed by its initial values, which only the symbol's size covers.
    if (typeof size !== 'number') return entry.sizeBytes;
    return symbol.isExtern ? size : Math.max(size, symbol.size);
  }

  ext(sections: readonly MergedSection[], order: ByteOrder): Uint8Array | undefined {
    const id = (input: number, word: number): number => this.#id(input, word);
    const text = (input: number, word: number): number =>
      this.#builder.string(this.#inputs[input].btf?.stringAt(word) ?? '');
    const funcInfo = this.#table('funcInfo', sections, [[1, id]]);
    const lineInfo = this.#table('lineInfo', sections, [
      [1, text],
      [2, text],
    ]);
    const coreRelo = this.#table('coreRelo', sections, [
      [1, id],
      [2, text],
    ]);
    if ([funcInfo, lineInfo, coreRelo].every(table => table.groups.length === 0)) return undefined;
    return writeBtfExt({ funcInfo, lineInfo, coreRelo }, order);
  }

  #table(
    name: 'funcInfo' | 'lineInfo' | 'coreRelo',
    sections: readonly MergedSection[],
    references: readonly (readonly [word: number, map: (input: number, word: number) => number])[],
  ): BtfExtTable {
    const words = new Map<string, number[]>(sections.map(section => [section.name, []]));
    let recWords = 0;
    this.#inputs.forEach((input, position) => {
      const table = input.ext?.[name];
      if (table === undefined || table.groups.length === 0) return;
      if (recWords !== 0 && recWords !== table.recWords) {
        const where = { ...input.where, section: '.BTF.ext' };
        throw objectError('object.link', where, `mismatch in ${name} record size`, `${recWords}`, `${table.recWords}`);
      }
      recWords = table.recWords;
      for (const group of table.groups) {
        const home = this.#home(position, group.section);
        const out = words.get(group.section);
        if (home === undefined || out === undefined) continue;
        for (let at = 0; at < group.words.length; at += recWords) {
          const start = out.length;
          for (let i = 0; i < recWords; i++) out.push(group.words[at + i]);
          out[start] += home.offBytes;
          for (const [word, map] of references) out[start + word] = map(position, group.words[at + word]);
        }
      }
    });
    const groups = [...words]
      .filter(([, list]) => list.length > 0)
      .map(([section, list]) => ({ section, sectionNameOff: this.#builder.string(section), words: list }));
    return btfExtTable(recWords, groups);
  }
}
