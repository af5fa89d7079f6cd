import {
  type ElfFile,
  type ElfSymbol,
  STB_LOCAL,
  STT_FUNC,
  STT_NOTYPE,
  STV_HIDDEN,
  STV_INTERNAL,
  type SymbolTable,
} from '../elf/index.ts';
import { decodeInsns, INSN_SIZE_BYTES, type Insn } from '../isa/index.ts';
import type { FarcallError, Where } from '../util/index.ts';
import { objectError } from './problem.ts';
import type { ObjectSection } from './sections.ts';

/** One function of an executable section, as compiled. */
export interface ObjectFunction {
  readonly name: string;
  readonly section: ObjectSection;
  /** Slots from the start of the section. */
  readonly startIdx: number;
  readonly insns: Insn[];
  /** Bound globally or weakly. */
  readonly symbolGlobal: boolean;
  /** Global, but STV_HIDDEN or STV_INTERNAL: libbpf lets the verifier take it for static. */
  readonly hidden: boolean;
}

/** The functions of all executable sections, by section and then by place. */
export class FunctionTable {
  readonly all: readonly ObjectFunction[];
  readonly #bySection = new Map<number, ObjectFunction[]>();

  constructor(functions: readonly ObjectFunction[]) {
    this.all = functions;
    for (const fn of functions) {
      const list = this.#bySection.get(fn.section.index);
      if (list === undefined) this.#bySection.set(fn.section.index, [fn]);
      else list.push(fn);
    }
  }

  /**
   * The function whose code includes slot `insnIdx` of a section: the last that begins at or before it, if it reaches so
   * far. Source: `tools/lib/bpf/libbpf.c: find_prog_by_sec_insn`.
   */
  find(sectionIndex: number, insnIdx: number): ObjectFunction | undefined {
    const list = this.#bySection.get(sectionIndex);
    if (list === undefined) return undefined;
    let low = 0;
    let high = list.length;
    while (low < high) {
      const mid = (low + high) >> 1;
      if (list[mid].startIdx <= insnIdx) low = mid + 1;
      else high = mid;
    }
    const fn = list[low - 1];
    return fn !== undefined && insnIdx < fn.startIdx + fn.insns.length ? fn : undefined;
  }

  inSection(sectionIndex: number): readonly ObjectFunction[] {
    return this.#bySection.get(sectionIndex) ?? [];
  }
}

/** How often the code of one section may be shared by functions of several names: against files made to exhaust memory. */
const MAX_OVERLAP = 8;

/** A function's extent before it is cut out: `size` 0 means up to the next one. */
interface Extent {
  readonly name: string;
  readonly symbol: ElfSymbol | undefined;
  readonly off: number;
  readonly size: number;
}

/**
 * Cuts the executable sections into functions. Symbols of type STT_FUNC bound them; compilers before LLVM 9 gave no types,
 * so a section without any is cut at its untyped symbols, each reaching to the next, and one without symbols is a single
 * function named as the section. Throws `object.function` for one that is not whole instructions inside its section.
 *
 * Source: `tools/lib/bpf/libbpf.c: bpf_object__add_programs, cmp_progs`.
 */
export function collectFunctions(
  file: ElfFile,
  symtab: SymbolTable,
  sections: readonly ObjectSection[],
  notes: string[],
): FunctionTable {
  const executable = sections.filter(section => section.role === 'text' || section.role === 'programs');
  const symbols = symbolsBySection(symtab, new Set(executable.map(section => section.index)));
  const functions: ObjectFunction[] = [];
  for (const section of executable) {
    const data = section.elf.data;
    if (data.length === 0) continue;
    let budgetBytes = data.length * MAX_OVERLAP;
    for (const extent of extentsOf(section, symtab, symbols.get(section.index) ?? [], data.length, notes)) {
      const where = { ...file.where, section: section.name, name: extent.name, offBytes: extent.off };
      checkExtent(extent, data.length, where);
      budgetBytes -= extent.size;
      if (budgetBytes < 0) throw objectError('object.function', where, 'functions overlap one another too often');
      const symbol = extent.symbol;
      functions.push({
        name: extent.name,
        section,
        startIdx: extent.off / INSN_SIZE_BYTES,
        insns: decodeInsns(data.subarray(extent.off, extent.off + extent.size), file.order, where),
        symbolGlobal: symbol === undefined || symbol.bind !== STB_LOCAL,
        hidden: symbol?.visibility === STV_HIDDEN || symbol?.visibility === STV_INTERNAL,
      });
    }
  }
  return new FunctionTable(functions);
}

function symbolsBySection(symtab: SymbolTable, wanted: ReadonlySet<number>): Map<number, ElfSymbol[]> {
  const bySection = new Map<number, ElfSymbol[]>();
  for (let i = 1; i < symtab.length; i++) {
    const symbol = symtab.at(i);
    if (symbol.place !== 'section' || (symbol.type !== STT_FUNC && symbol.type !== STT_NOTYPE)) continue;
    const index = symbol.sectionIndex;
    if (!wanted.has(index)) continue;
    const list = bySection.get(index);
    if (list === undefined) bySection.set(index, [symbol]);
    else list.push(symbol);
  }
  return bySection;
}

/** Labels of basic blocks and of DWARF that old compilers left in the symbol table. */
const isLabel = (name: string): boolean => name === '' || /^(\.?L|LBB|Ltmp)/.test(name);

function extentsOf(
  section: ObjectSection,
  symtab: SymbolTable,
  symbols: readonly ElfSymbol[],
  sectionBytes: number,
  notes: string[],
): Extent[] {
  const nameOf = (symbol: ElfSymbol): string => symtab.nameOrUndefined(symbol) ?? '';
  let chosen = symbols.filter(symbol => symbol.type === STT_FUNC);
  if (chosen.length === 0) {
    chosen = symbols.filter(symbol => symbol.bind !== STB_LOCAL && !isLabel(nameOf(symbol)));
    if (chosen.length === 0) {
      if (section.role === 'text') return [];
      notes.push(`section ${section.name} has code but no function symbols: taken for one program of its name`);
      const name = section.name.replace(/[^A-Za-z0-9_]/g, '_');
      return [{ name, symbol: undefined, off: 0, size: sectionBytes }];
    }
    notes.push(`the symbols of section ${section.name} have no types: each is taken for a function`);
  }
  const extents = chosen.map(symbol => ({ name: nameOf(symbol), symbol, off: symbol.value, size: symbol.size }));
  extents.sort((a, b) => a.off - b.off);
  let next = sectionBytes;
  for (let i = extents.length - 1; i >= 0; i--) {
    const after = extents[i + 1];
    if (after !== undefined && after.off !== extents[i].off) next = after.off;
    if (extents[i].size === 0) extents[i] = { ...extents[i], size: next - extents[i].off };
  }
  return extents;
}

function checkExtent({ off, size }: Extent, sectionBytes: number, where: Where): void {
  let problem: FarcallError | undefined;
  if (off + size > sectionBytes || size <= 0) {
    const found = `offset ${off}, ${size} bytes`;
    problem = objectError('object.function', where, 'a function crosses its section', `${sectionBytes} bytes`, found);
  } else if (off % INSN_SIZE_BYTES !== 0 || size % INSN_SIZE_BYTES !== 0) {
    const found = `offset ${off}, ${size} bytes`;
    problem = objectError('object.function', where, 'a function is not whole instructions', 'multiples of 8', found);
  }
  if (problem !== undefined) throw problem;
}
