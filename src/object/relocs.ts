import type { ElfFile, ElfReloc, ElfSymbol } from '../elf/index.ts';
import { STT_SECTION } from '../elf/index.ts';
import { BPF_PSEUDO_CALL, CALL, INSN_SIZE_BYTES, type Insn, LD_IMM64 } from '../isa/index.ts';
import { FarcallError } from '../util/index.ts';
import { isExternSymbol } from './externs.ts';
import type { FunctionTable, ObjectFunction } from './functions.ts';
import type { MapTable } from './map-table.ts';
import { attempt, objectError } from './problem.ts';
import type { ObjectSection } from './sections.ts';
import type { ExternSpec } from './types.ts';

/** What the relocation of one instruction means. `insnIdx` counts from the start of the function. */
export type FunctionReloc =
  | { readonly insnIdx: number; readonly kind: 'call' | 'func'; readonly section: number; readonly offBytes: number }
  | { readonly insnIdx: number; readonly kind: 'map'; readonly map: string }
  | { readonly insnIdx: number; readonly kind: 'map_value'; readonly map: string; readonly offBytes: number }
  | { readonly insnIdx: number; readonly kind: 'extern'; readonly extern: ExternSpec; readonly call: boolean };

/** The relocations of every function, ascending; where one makes no sense, why. */
export class RelocIndex {
  readonly #relocs = new Map<ObjectFunction, FunctionReloc[]>();
  readonly #problems = new Map<ObjectFunction, FarcallError>();

  add(fn: ObjectFunction, reloc: FunctionReloc | FarcallError): void {
    if (reloc instanceof FarcallError) {
      if (!this.#problems.has(fn)) this.#problems.set(fn, reloc);
      return;
    }
    const list = this.#relocs.get(fn);
    if (list === undefined) this.#relocs.set(fn, [reloc]);
    else list.push(reloc);
  }
  /** Ascending by instruction. */
  of(fn: ObjectFunction): readonly FunctionReloc[] {
    return this.#relocs.get(fn) ?? [];
  }
  problemOf(fn: ObjectFunction): FarcallError | undefined {
    return this.#problems.get(fn);
  }
  sort(): void {
    for (const list of this.#relocs.values()) list.sort((a, b) => a.insnIdx - b.insnIdx);
  }
}

export interface RelocContext {
  readonly file: ElfFile;
  readonly sections: ReadonlyMap<number, ObjectSection>;
  readonly functions: FunctionTable;
  readonly maps: MapTable;
  readonly externs: ReadonlyMap<number, ExternSpec>;
}

/** What a relocation needs to know of its symbol; read once a symbol. */
interface Target {
  readonly symbol: ElfSymbol;
  readonly extern: ExternSpec | undefined;
  readonly isExtern: boolean;
  /** Undefined for undefined, absolute and common symbols. */
  readonly section: ObjectSection | undefined;
  readonly value: number;
}

/**
 * Reads the relocations of executable sections. Those of code that no function includes are passed over (weak functions
 * that the linker dropped). Relocation types are not looked at: instruction and symbol tell.
 *
 * Source: `tools/lib/bpf/libbpf.c: bpf_object__collect_prog_relos, bpf_program__record_reloc`.
 */
export function collectRelocs(context: RelocContext): RelocIndex {
  const index = new RelocIndex();
  const { file, functions } = context;
  for (const section of context.sections.values()) {
    if (section.role !== 'text' && section.role !== 'programs') continue;
    for (const table of file.relocsFor(section.index)) {
      const targets = new Map<number, Target>();
      for (const reloc of table) {
        const at = attempt(() => reloc.offset);
        if (at instanceof FarcallError) continue;
        const fn = functions.find(section.index, Math.floor(at / INSN_SIZE_BYTES));
        if (fn === undefined) continue;
        const described = attempt(() => {
          let target = targets.get(reloc.symbolIndex);
          if (target === undefined) {
            target = targetOf(context, file.symbolOf(table, reloc.symbolIndex));
            targets.set(reloc.symbolIndex, target);
          }
          return new Description(context, fn, at, reloc, target).reloc();
        });
        index.add(fn, described);
      }
    }
  }
  index.sort();
  return index;
}

function targetOf(context: RelocContext, symbol: ElfSymbol): Target {
  const isExtern = isExternSymbol(symbol);
  return {
    symbol,
    isExtern,
    extern: isExtern ? context.externs.get(symbol.index) : undefined,
    section: symbol.place === 'section' ? context.sections.get(symbol.sectionIndex) : undefined,
    value: symbol.value,
  };
}

/** One relocation being understood. */
class Description {
  readonly #context: RelocContext;
  readonly #fn: ObjectFunction;
  readonly #at: number;
  readonly #insnIdx: number;
  readonly #addend: number;
  readonly #target: Target;

  constructor(context: RelocContext, fn: ObjectFunction, at: number, reloc: ElfReloc, target: Target) {
    this.#context = context;
    this.#fn = fn;
    this.#at = at;
    this.#insnIdx = at / INSN_SIZE_BYTES - fn.startIdx;
    this.#addend = reloc.addend;
    this.#target = target;
  }

  #fail(message: string, expected?: string, found?: string): FarcallError {
    const { file } = this.#context;
    const insnIdx = Math.floor(this.#insnIdx);
    const where = { ...file.where, section: this.#fn.section.name, name: this.#fn.name, insnIdx };
    return objectError('object.reloc', where, `prog '${this.#fn.name}': ${message}`, expected, found);
  }

  get #label(): string {
    const { symbol, section } = this.#target;
    if (symbol.type === STT_SECTION && symbol.nameOff === 0) return section?.name ?? '<?>';
    return symbol.name;
  }

  reloc(): FunctionReloc {
    const insnIdx = this.#insnIdx;
    const insn = this.#fn.insns[insnIdx];
    if (insn === undefined || (insn.code !== CALL && insn.code !== LD_IMM64)) {
      const found = insn === undefined ? `offset ${this.#at}` : `code 0x${insn.code.toString(16)}`;
      const message = `invalid relo against '${this.#label}' for insns[${Math.floor(insnIdx)}]`;
      throw this.#fail(message, 'a call or ld_imm64', found);
    }
    const { symbol, isExtern, extern, section, value } = this.#target;
    if (isExtern) {
      if (extern !== undefined) return { insnIdx, kind: 'extern', extern, call: insn.code === CALL };
      throw this.#fail(`extern relo failed to find extern for '${this.#label}' (${symbol.index})`);
    }
    if (section === undefined) {
      const place = `special section 0x${symbol.shndx.toString(16)}`;
      throw this.#fail(`invalid relo against '${this.#label}' in ${place}; forgot to initialize global var?..`);
    }
    const offBytes = value + this.#addend;
    if (insn.code === CALL) return this.#call(insn, section, offBytes);
    if (section.role === 'text' || section.role === 'programs') return this.#function(insn, section, offBytes);
    return this.#data(section, offBytes + insn.imm);
  }

  #call(insn: Insn, section: ObjectSection, offBytes: number): FunctionReloc {
    if (insn.src !== BPF_PSEUDO_CALL) {
      throw this.#fail('incorrect bpf_call opcode', `src ${BPF_PSEUDO_CALL}`, `${insn.src}`);
    }
    if (section.role !== 'text' && section.role !== 'programs') {
      throw this.#fail(`bad call relo against '${this.#label}' in section '${section.name}'`);
    }
    if (offBytes % INSN_SIZE_BYTES === 0) {
      return { insnIdx: this.#insnIdx, kind: 'call', section: section.index, offBytes };
    }
    throw this.#fail(`bad call relo against '${this.#label}' at offset ${offBytes}`);
  }

  #function(insn: Insn, section: ObjectSection, offBytes: number): FunctionReloc {
    if (offBytes % INSN_SIZE_BYTES !== 0 || insn.imm % INSN_SIZE_BYTES !== 0) {
      throw this.#fail(`bad subprog addr relo against '${this.#label}' at offset ${offBytes}+${insn.imm}`);
    }
    return { insnIdx: this.#insnIdx, kind: 'func', section: section.index, offBytes: offBytes + insn.imm };
  }

  #data(section: ObjectSection, offBytes: number): FunctionReloc {
    const insnIdx = this.#insnIdx;
    const { maps } = this.#context;
    if (section.role === 'maps' || section.role === '.maps') {
      const map = maps.declaredAt(section.index, offBytes);
      if (map !== undefined) return { insnIdx, kind: 'map', map };
      throw this.#fail(`map relo failed to find map for section '${section.name}', off ${offBytes}`);
    }
    const map = maps.ofSection(section.index);
    if (map !== undefined) return { insnIdx, kind: 'map_value', map, offBytes: offBytes | 0 };
    throw this.#fail(`bad map relo against '${this.#label}' in section '${section.name}'`);
  }
}
