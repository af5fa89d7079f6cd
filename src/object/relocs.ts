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
      for (const reloc of table) {
        const at = attempt(() => reloc.offset);
        if (at instanceof FarcallError) continue;
        const fn = functions.find(section.index, Math.floor(at / INSN_SIZE_BYTES));
        if (fn === undefined) continue;
        index.add(
          fn,
          attempt(() => describe(context, fn, at, reloc, file.symbolOf(table, reloc.symbolIndex))),
        );
      }
    }
  }
  index.sort();
  return index;
}

function symbolLabel(context: RelocContext, symbol: ElfSymbol): string {
  if (symbol.type === STT_SECTION && symbol.nameOff === 0) {
    return context.sections.get(symbol.sectionIndex)?.name ?? '<?>';
  }
  return symbol.name;
}

function describe(
  context: RelocContext,
  fn: ObjectFunction,
  at: number,
  reloc: ElfReloc,
  symbol: ElfSymbol,
): FunctionReloc {
  const insnIdx = at / INSN_SIZE_BYTES - fn.startIdx;
  const where = { ...context.file.where, section: fn.section.name, name: fn.name, insnIdx: Math.floor(insnIdx) };
  const fail = (message: string, expected?: string, found?: string): FarcallError =>
    objectError('object.reloc', where, `prog '${fn.name}': ${message}`, expected, found);
  const label = symbolLabel(context, symbol);
  const insn = fn.insns[insnIdx];
  if (insn === undefined || (insn.code !== CALL && insn.code !== LD_IMM64)) {
    const found = insn === undefined ? `offset ${at}` : `code 0x${insn.code.toString(16)}`;
    throw fail(`invalid relo against '${label}' for insns[${Math.floor(insnIdx)}]`, 'a call or ld_imm64', found);
  }
  const addend = reloc.addend;
  if (isExternSymbol(symbol)) {
    const extern = context.externs.get(symbol.index);
    if (extern === undefined) throw fail(`extern relo failed to find extern for '${label}' (${symbol.index})`);
    return { insnIdx, kind: 'extern', extern, call: insn.code === CALL };
  }
  const section = symbol.place === 'section' ? context.sections.get(symbol.sectionIndex) : undefined;
  if (section === undefined) {
    const message = `invalid relo against '${label}' in special section 0x${symbol.shndx.toString(16)}; forgot to initialize global var?..`;
    throw fail(message);
  }
  const offBytes = symbol.value + addend;
  const isCode = section.role === 'text' || section.role === 'programs';
  if (insn.code === CALL) {
    if (insn.src !== BPF_PSEUDO_CALL) throw fail('incorrect bpf_call opcode', `src ${BPF_PSEUDO_CALL}`, `${insn.src}`);
    if (!isCode) throw fail(`bad call relo against '${label}' in section '${section.name}'`);
    if (offBytes % INSN_SIZE_BYTES !== 0) throw fail(`bad call relo against '${label}' at offset ${offBytes}`);
    return { insnIdx, kind: 'call', section: section.index, offBytes };
  }
  if (isCode) {
    if (offBytes % INSN_SIZE_BYTES !== 0 || insn.imm % INSN_SIZE_BYTES !== 0) {
      throw fail(`bad subprog addr relo against '${label}' at offset ${offBytes}+${insn.imm}`);
    }
    return { insnIdx, kind: 'func', section: section.index, offBytes: offBytes + insn.imm };
  }
  return dataReloc(context, insnIdx, insn, section, offBytes, label, fail);
}

function dataReloc(
  context: RelocContext,
  insnIdx: number,
  insn: Insn,
  section: ObjectSection,
  offBytes: number,
  label: string,
  fail: (message: string) => FarcallError,
): FunctionReloc {
  if (section.role === 'maps' || section.role === '.maps') {
    const map = context.maps.declaredAt(section.index, offBytes + insn.imm);
    if (map === undefined) {
      throw fail(`map relo failed to find map for section '${section.name}', off ${offBytes + insn.imm}`);
    }
    return { insnIdx, kind: 'map', map };
  }
  const map = context.maps.ofSection(section.index);
  if (map === undefined) throw fail(`bad map relo against '${label}' in section '${section.name}'`);
  return { insnIdx, kind: 'map_value', map, offBytes: (offBytes + insn.imm) | 0 };
}
