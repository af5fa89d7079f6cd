import { BTF_LINKAGE, type Btf, type BtfExt, fixDatasecs, openBtf, parseBtfExt } from '../btf/index.ts';
import {
  type ElfFile,
  EM_BPF,
  EM_NONE,
  ET_REL,
  openElf,
  STB_LOCAL,
  STT_OBJECT,
  STV_HIDDEN,
  STV_INTERNAL,
  type SymbolTable,
} from '../elf/index.ts';
import { decodeText, FarcallError, type Where } from '../util/index.ts';
import { ExtInfo } from './ext-info.ts';
import { collectExterns, type Externs } from './externs.ts';
import { collectFunctions, type FunctionTable } from './functions.ts';
import { type BtfMapPlace, readBtfMaps } from './map-btf.ts';
import { addDataMaps, addKconfigMap, adoptArena } from './map-data.ts';
import { readLegacyMaps } from './map-legacy.ts';
import { MapTable } from './map-table.ts';
import { collectMapValues } from './map-values.ts';
import { attempt, objectError } from './problem.ts';
import { linkPrograms } from './programs.ts';
import { collectRelocs } from './relocs.ts';
import { type ObjectSection, objectSections } from './sections.ts';
import { collectStructOps } from './struct-ops.ts';
import type { ExternSpec, ObjectSpec, ProgramSpec } from './types.ts';

export interface OpenObjectOptions {
  /** The file's name: directories and everything from the first dot on are left off, as libbpf does. */
  readonly name?: string;
  /** The file as errors name it; `name` when left out. */
  readonly file?: string;
}

/** `a/b/xdp.bpf.o` → `xdp`. Source: `tools/lib/bpf/libbpf.c: bpf_object__new`. */
export function objectNameOf(path: string): string {
  const base = path.slice(path.lastIndexOf('/') + 1);
  const dot = base.indexOf('.');
  return dot < 0 ? base : base.slice(0, dot);
}

/**
 * Opens a BPF object: ELF of either byte order, with or without BTF. What only one program is wrong with is that
 * program's `problem`; what makes the file unreadable or one of its maps senseless is thrown.
 *
 * Throws `elf.*`, `btf.*` (where maps, externs or struct_ops need BTF), `object.not-bpf`, `object.no-symbols`,
 * `object.function`, `object.map`, `object.extern`, `object.struct-ops`.
 *
 * Source: `tools/lib/bpf/libbpf.c: bpf_object_open`. Differs from Linux: legacy `maps` sections, code without function
 * types, static functions beside programs, calls into any section, undeclared externs and unknown fields of maps are
 * accepted; `notes` tells.
 */
export function openObject(bytes: Uint8Array, options: OpenObjectOptions = {}): ObjectSpec {
  const path = options.file ?? options.name;
  const where: Where = path === undefined ? {} : { file: path };
  // A Node.js Buffer is a Uint8Array whose slice() shares memory.
  const file = openElf(new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength), where);
  if (file.type !== ET_REL || (file.machine !== EM_NONE && file.machine !== EM_BPF)) {
    const found = `type ${file.type}, machine ${file.machine}`;
    throw objectError('object.not-bpf', where, 'not a BPF object file', 'ET_REL for EM_BPF or EM_NONE', found);
  }
  const symtab = file.symtab;
  if (symtab === undefined) {
    throw objectError('object.no-symbols', where, 'no symbol table: a stripped object?', 'a .symtab', 'none');
  }
  return new Opening(file, symtab, objectNameOf(options.name ?? ''), where).spec();
}

/** The state of one opening; each step needs those before it. */
class Opening {
  readonly file: ElfFile;
  readonly symtab: SymbolTable;
  readonly name: string;
  readonly where: Where;
  readonly notes: string[] = [];
  readonly sections: readonly ObjectSection[];

  constructor(file: ElfFile, symtab: SymbolTable, name: string, where: Where) {
    this.file = file;
    this.symtab = symtab;
    this.name = name;
    this.where = where;
    this.sections = objectSections(file);
  }

  section(role: ObjectSection['role']): ObjectSection | undefined {
    return this.sections.find(section => section.role === role);
  }

  spec(): ObjectSpec {
    const { file, symtab, notes, where } = this;
    for (const section of this.sections) {
      if (section.role === 'ignored' && section.sizeBytes > 0) notes.push(`section ${section.name} ignored`);
    }
    const functions = collectFunctions(file, symtab, this.sections, notes);
    const rawBtf = this.#btf();
    const ext = this.#ext(rawBtf);
    const externs = collectExterns(file, symtab, rawBtf, notes);
    const btf = rawBtf === undefined ? undefined : this.#fixBtf(rawBtf, functions, externs);

    const maps = new MapTable();
    const places = this.#declaredMaps(btf, maps);
    addDataMaps(this.name, this.sections, btf, maps, where);
    const kconfigMap = addKconfigMap(this.name, externs.kconfigBytes, btf, maps, where);
    const structOps = collectStructOps(file, this.sections, btf, functions, maps, notes);
    const btfMaps = this.section('.maps');
    if (btfMaps !== undefined && places.length > 0) collectMapValues(file, btfMaps, places, maps, functions);

    const relocs = collectRelocs({
      file,
      sections: new Map(this.sections.map(section => [section.index, section])),
      functions,
      maps,
      externs: externs.bySymbol,
    });
    const structOpsMembers = new Map(structOps.flatMap(ops => ops.programs.map(({ member, prog }) => [prog, member])));
    const extInfo = new ExtInfo(ext);
    const programs = linkPrograms({
      functions,
      relocs,
      ext: extInfo,
      kconfigMap,
      btf,
      structOpsMembers,
      where,
      notes,
    });
    return {
      name: this.name,
      order: file.order,
      license: this.#license(),
      kernVersion: this.#version(),
      programs,
      maps: maps.all,
      externs: withUse(externs.specs, programs),
      structOps,
      btf,
      btfExt: ext,
      notes,
    };
  }

  #license(): string {
    const data = this.section('license')?.elf.data;
    if (data === undefined) return '';
    const end = data.indexOf(0);
    return decodeText(end < 0 ? data : data.subarray(0, end));
  }

  #version(): number {
    const section = this.section('version');
    if (section === undefined) return 0;
    if (section.elf.data.length === 4) return section.elf.view().u32(0);
    this.notes.push(`section version has ${section.elf.data.length} bytes instead of 4: ignored`);
    return 0;
  }

  /** Broken BTF is refused only where something cannot be understood without. */
  #btf(): Btf | undefined {
    const section = this.section('btf');
    if (section === undefined) return undefined;
    const where = { ...this.where, section: section.name };
    const btf = attempt(() => openBtf(section.elf.data, { where, pointerSizeBytes: 8 }));
    if (!(btf instanceof FarcallError)) return btf;
    if (this.section('.maps') !== undefined || this.section('struct_ops') !== undefined) throw btf;
    this.notes.push(`BTF ignored: ${btf.message}`);
    return undefined;
  }

  #ext(btf: Btf | undefined): BtfExt | undefined {
    const section = this.section('btf_ext');
    if (section === undefined || btf === undefined) return undefined;
    const where = { ...this.where, section: section.name };
    const ext = attempt(() => parseBtfExt(section.elf.data, btf, where));
    if (!(ext instanceof FarcallError)) return ext;
    this.notes.push(`.BTF.ext ignored: ${ext.message}`);
    return undefined;
  }

  #declaredMaps(btf: Btf | undefined, maps: MapTable): BtfMapPlace[] {
    const section = this.section('.maps');
    let places: BtfMapPlace[] = [];
    if (section !== undefined && btf !== undefined) {
      places = readBtfMaps(btf, section, maps, { ...this.where, section: section.name }, this.notes);
    } else if (section !== undefined) this.notes.push('section .maps needs BTF to be understood: ignored');
    for (const legacy of this.sections) {
      if (legacy.role === 'maps') readLegacyMaps(this.file, this.symtab, legacy, maps, this.notes);
    }
    const arena = this.section('arena');
    if (arena !== undefined && arena.sizeBytes > 0) adoptArena(arena, maps, this.notes);
    return places;
  }

  /** Sizes and offsets of variables, and static linkage for what is hidden. Source: `btf_fixup_datasec`. */
  #fixBtf(btf: Btf, functions: FunctionTable, externs: Externs): Btf {
    const sizes = new Map(this.sections.map(section => [section.name, section.sizeBytes]));
    if (externs.kconfigBytes > 0) sizes.set('.kconfig', externs.kconfigBytes);
    const variables = this.#variables();
    const kconfig = new Map(externs.specs.map(extern => [extern.name, extern]));
    const fixed = fixDatasecs(btf, {
      sectionSizeBytes: section => sizes.get(section),
      variableOffBytes: (variable, section) =>
        section === '.kconfig' ? kconfig.get(variable)?.offBytes : variables.get(`${section}\0${variable}`)?.offBytes,
      linkage: (variable, section) => {
        if (section === '.kconfig') return BTF_LINKAGE.global;
        return variables.get(`${section}\0${variable}`)?.hidden === true ? BTF_LINKAGE.static : undefined;
      },
    });
    const hidden = functions.all.filter(fn => fn.hidden && fn.symbolGlobal && fn.section.role === 'text');
    return hidden.length === 0 ? fixed : makeStatic(fixed, new Set(hidden.map(fn => fn.name)));
  }

  /** Global and weak variables by section and name. */
  #variables(): Map<string, { offBytes: number; hidden: boolean }> {
    const names = new Map(this.sections.map(section => [section.index, section.name]));
    const found = new Map<string, { offBytes: number; hidden: boolean }>();
    for (let i = 1; i < this.symtab.length; i++) {
      const symbol = this.symtab.at(i);
      if (symbol.type !== STT_OBJECT || symbol.bind === STB_LOCAL || symbol.place !== 'section') continue;
      const name = this.symtab.nameOrUndefined(symbol);
      if (name === undefined) continue;
      const hidden = symbol.visibility === STV_HIDDEN || symbol.visibility === STV_INTERNAL;
      found.set(`${names.get(symbol.sectionIndex)}\0${name}`, { offBytes: symbol.value, hidden });
    }
    return found;
  }
}

/** Externs nothing declares are functions if they are called. */
function withUse(specs: readonly ExternSpec[], programs: readonly ProgramSpec[]): ExternSpec[] {
  const called = new Set<string>();
  for (const { refs } of programs)
    for (const ref of refs) if (ref.kind === 'extern' && ref.call) called.add(ref.extern);
  return specs.map(spec =>
    spec.declId === 0 && called.has(spec.name) ? ({ ...spec, kind: 'ksym_func' } as const) : spec,
  );
}

/** The same BTF with the FUNCs of these names static. Source: `bpf_object__sanitize_and_load_btf`. */
function makeStatic(btf: Btf, names: ReadonlySet<string>): Btf {
  const bytes = btf.bytes.slice();
  const view = new DataView(bytes.buffer);
  const little = btf.order === 'little';
  for (const name of names) {
    const id = btf.allByName(name).find(candidate => {
      const type = btf.typeById(candidate);
      return type.kind === 'FUNC' && type.linkage === BTF_LINKAGE.global;
    });
    if (id === undefined) continue;
    const infoOff = btf.header.typeOff + 4 * (btf.types.start(id) + 1);
    view.setUint32(infoOff, (view.getUint32(infoOff, little) & ~0xffff) >>> 0, little);
  }
  return openBtf(bytes, { where: btf.where, pointerSizeBytes: 8 });
}
