import { BTF_LINKAGE, type Btf } from '../btf/index.ts';
import {
  BPF_PSEUDO_FUNC,
  BPF_PSEUDO_KFUNC_CALL,
  BPF_PSEUDO_MAP_FD,
  BPF_PSEUDO_MAP_VALUE,
  INSN_SIZE_BYTES,
  type Insn,
  isPseudoCall,
  isPseudoFunc,
  isWide,
} from '../isa/index.ts';
import { matchSection } from '../progtypes/index.ts';
import { FarcallError, type Where } from '../util/index.ts';
import type { ExtInfo } from './ext-info.ts';
import type { FunctionTable, ObjectFunction } from './functions.ts';
import { objectError } from './problem.ts';
import type { FunctionReloc, RelocIndex } from './relocs.ts';
import type { CoreReloSpec, FuncInfo, InsnRef, LineInfo, ProgramSpec, SubprogSpec } from './types.ts';

export interface ProgramContext {
  readonly functions: FunctionTable;
  readonly relocs: RelocIndex;
  readonly ext: ExtInfo;
  /** Name of the .kconfig map. */
  readonly kconfigMap: string | undefined;
  readonly btf: Btf | undefined;
  /** struct_ops members by the function that implements them. */
  readonly structOpsMembers: ReadonlyMap<string, string>;
  readonly where: Where;
  readonly notes: string[];
}

/** Slots and records all programs of an object may have together: against files whose functions call each other to exhaust memory. */
const MAX_LINKED = 1 << 22;

/**
 * Makes the object's programs: each entry function with every function it reaches behind it. Source:
 * `tools/lib/bpf/libbpf.c: bpf_object__relocate`.
 */
export function linkPrograms(context: ProgramContext): ProgramSpec[] {
  const callbacks = exceptionCallbacks(context);
  let budget = MAX_LINKED;
  return entryFunctions(context).map(fn => {
    const assembly = new Assembly(context, budget);
    const program = linkProgram(context, assembly, fn, callbacks.get(fn.name));
    budget = assembly.budget;
    return program;
  });
}

/** Global functions outside .text; those of .text where there are no others. Local functions are only ever called. */
function entryFunctions({ functions, notes }: ProgramContext): ObjectFunction[] {
  const outside = functions.all.filter(fn => fn.section.role === 'programs');
  const entries = outside.filter(fn => fn.symbolGlobal);
  if (entries.length < outside.length) notes.push('static functions in program sections are linked into their callers');
  if (outside.length > 0) return entries;
  const inText = functions.all.filter(fn => fn.symbolGlobal && !fn.hidden);
  if (inText.length > 0) notes.push('all functions are in .text: the global ones are taken for programs without type');
  return inText;
}

/** Grows one program. `placed` tells where each function it reaches begins. */
class Assembly {
  readonly context: ProgramContext;
  readonly insns: Insn[] = [];
  readonly subprogs: SubprogSpec[] = [];
  readonly refs: InsnRef[] = [];
  readonly coreRelos: CoreReloSpec[] = [];
  funcInfo: FuncInfo[] | undefined = [];
  lineInfo: LineInfo[] | undefined = [];
  readonly #placed = new Map<ObjectFunction, number>();
  /** What is left of the slots and records. */
  budget: number;

  constructor(context: ProgramContext, budget: number) {
    this.context = context;
    this.budget = budget;
  }

  #spend(count: number, fn: ObjectFunction): void {
    this.budget -= count;
    if (this.budget >= 0) return;
    throw objectError('object.too-large', this.#where(fn), 'the programs are too large together', `${MAX_LINKED}`);
  }

  has(fn: ObjectFunction): boolean {
    return this.#placed.has(fn);
  }

  /** Appends a function and, depth first, those it calls. Source: `bpf_object__reloc_code`. */
  append(root: ObjectFunction): void {
    const stack = [this.#place(root)];
    while (stack.length > 0) {
      const frame = stack[stack.length - 1];
      const call = frame.next();
      if (call.done === true) stack.pop();
      else stack.push(this.#place(call.value));
    }
  }

  #place(fn: ObjectFunction): Generator<ObjectFunction, void> {
    const { context } = this;
    const problem = context.relocs.problemOf(fn);
    if (problem !== undefined) throw problem;
    const base = this.insns.length;
    this.#spend(fn.insns.length, fn);
    this.#placed.set(fn, base);
    for (const insn of fn.insns) this.insns.push(insn);
    this.subprogs.push({
      name: fn.name,
      section: fn.section.name,
      insnIdx: base,
      insnCount: fn.insns.length,
      global: fn.symbolGlobal && !fn.hidden,
    });
    const funcs = this.funcInfo === undefined ? 0 : context.ext.funcInfo(fn, base, this.funcInfo);
    const lines = this.lineInfo === undefined ? 0 : context.ext.lineInfo(fn, base, this.lineInfo);
    // Kernels want to know of every function or of none.
    if (funcs === 0) this.funcInfo = undefined;
    if (lines === 0) this.lineInfo = undefined;
    this.#spend(funcs + lines + context.ext.coreRelos(fn, base, this.coreRelos), fn);
    return this.#link(fn, base);
  }

  /** Rewrites the references of a function placed at `base`; yields callees that have to be placed first. */
  *#link(fn: ObjectFunction, base: number): Generator<ObjectFunction, void> {
    const relocs = this.context.relocs.of(fn);
    let position = 0;
    for (let idx = 0; idx < fn.insns.length; idx++) {
      let reloc: FunctionReloc | undefined;
      // Should an instruction have two relocations, the last one counts.
      while (position < relocs.length && relocs[position].insnIdx <= idx) reloc = relocs[position++];
      const insn = fn.insns[idx];
      const isCall = isPseudoCall(insn) && insn.dst === 0 && insn.off === 0;
      if (reloc === undefined ? isCall || isPseudoFunc(insn) : reloc.kind === 'call' || reloc.kind === 'func') {
        const callee = this.#calleeOf(fn, idx, insn, reloc);
        if (!this.#placed.has(callee)) yield callee;
        const imm = (this.#placed.get(callee) ?? 0) - (base + idx) - 1;
        this.insns[base + idx] = reloc?.kind === 'func' ? { ...insn, src: BPF_PSEUDO_FUNC, imm } : { ...insn, imm };
      } else if (reloc !== undefined) this.#refer(base + idx, insn, reloc);
      if (isWide(insn)) idx++;
    }
  }

  #calleeOf(fn: ObjectFunction, idx: number, insn: Insn, reloc: FunctionReloc | undefined): ObjectFunction {
    const fail = (message: string): FarcallError =>
      objectError('object.reloc', { ...this.#where(fn), insnIdx: idx }, `prog '${fn.name}': ${message}`);
    let section = fn.section.index;
    let target: number;
    if (reloc?.kind === 'call') {
      section = reloc.section;
      target = Math.floor(reloc.offBytes / INSN_SIZE_BYTES) + insn.imm + 1;
    } else if (reloc?.kind === 'func') {
      section = reloc.section;
      target = reloc.offBytes / INSN_SIZE_BYTES;
    } else if (isPseudoFunc(insn)) throw fail(`missing subprog addr relo for insn #${idx}`);
    else target = fn.startIdx + idx + insn.imm + 1;
    const callee = this.context.functions.find(section, target);
    if (callee === undefined) throw fail(`no function found at slot ${target} yet sub-program call exists`);
    return callee;
  }

  #refer(insnIdx: number, insn: Insn, reloc: FunctionReloc): void {
    const { kconfigMap } = this.context;
    const wide = (src: number, high: number): void => {
      this.insns[insnIdx] = { ...insn, src, imm: 0 };
      const second = this.insns[insnIdx + 1];
      if (second !== undefined) this.insns[insnIdx + 1] = { ...second, imm: high | 0 };
    };
    if (reloc.kind === 'map') {
      wide(BPF_PSEUDO_MAP_FD, 0);
      this.refs.push({ insnIdx, kind: 'map', map: reloc.map });
    } else if (reloc.kind === 'map_value') {
      wide(BPF_PSEUDO_MAP_VALUE, reloc.offBytes);
      this.refs.push({ insnIdx, kind: 'map_value', map: reloc.map, offBytes: reloc.offBytes });
    } else if (reloc.kind === 'extern') {
      const { extern, call } = reloc;
      if (extern.kind === 'kconfig' && kconfigMap !== undefined && !call) {
        wide(BPF_PSEUDO_MAP_VALUE, extern.offBytes);
        this.refs.push({ insnIdx, kind: 'map_value', map: kconfigMap, offBytes: extern.offBytes });
        return;
      }
      const offBytes = call ? 0 : insn.imm;
      if (call) this.insns[insnIdx] = { ...insn, src: BPF_PSEUDO_KFUNC_CALL, off: 0, imm: 0 };
      else wide(0, 0);
      this.refs.push({ insnIdx, kind: 'extern', extern: extern.name, call, offBytes });
    }
  }

  #where(fn: ObjectFunction): Where {
    return { ...this.context.where, section: fn.section.name, name: fn.name };
  }
}

function linkProgram(
  context: ProgramContext,
  assembly: Assembly,
  fn: ObjectFunction,
  callback: ObjectFunction | FarcallError | undefined,
): ProgramSpec {
  const match = matchSection(fn.section.name);
  const section = fn.section.name.replace(/^\?/, '');
  const common = {
    name: fn.name,
    section,
    type: match?.type ?? 0,
    attachType: match?.attachType ?? 0,
    attachTarget: context.structOpsMembers.get(fn.name) ?? match?.attachTarget ?? '',
    flags: match?.flags ?? 0,
    autoload: !fn.section.name.startsWith('?'),
  };
  try {
    if (callback instanceof FarcallError) throw callback;
    assembly.append(fn);
    if (callback !== undefined && !assembly.has(callback)) assembly.append(callback);
  } catch (error) {
    if (!(error instanceof FarcallError)) throw error;
    return { ...common, ...unlinked(fn), problem: error };
  }
  const { insns, subprogs, refs, coreRelos, funcInfo, lineInfo } = assembly;
  if (callback !== undefined) Object.assign(common, { exceptionCallback: callback.name });
  return { ...common, insns, subprogs, refs, coreRelos, funcInfo: funcInfo ?? [], lineInfo: lineInfo ?? [] };
}

function unlinked(fn: ObjectFunction) {
  const self = { name: fn.name, section: fn.section.name, insnIdx: 0, insnCount: fn.insns.length, global: !fn.hidden };
  return { insns: fn.insns, subprogs: [self], refs: [], coreRelos: [], funcInfo: [], lineInfo: [] };
}

const CALLBACK_TAG = 'exception_callback:';

/** The exception callback of each program whose declaration tag names one. Source: `bpf_prog_assign_exc_cb`. */
function exceptionCallbacks(context: ProgramContext): Map<string, ObjectFunction | FarcallError> {
  const { btf, functions } = context;
  const found = new Map<string, ObjectFunction | FarcallError>();
  const several = new Set<string>();
  if (btf === undefined) return found;
  const candidates = new Map<string, ObjectFunction[]>();
  for (const fn of functions.all) {
    if (fn.section.role !== 'text') continue;
    const list = candidates.get(fn.name);
    if (list === undefined) candidates.set(fn.name, [fn]);
    else list.push(fn);
  }
  const tagKind = 'DECL_TAG';
  for (let id = btf.startId; id < btf.typeCount; id++) {
    if (btf.kindOf(id) !== tagKind) continue;
    const tag = btf.typeById(id);
    if (tag.kind !== tagKind || tag.componentIdx !== -1 || !tag.name.startsWith(CALLBACK_TAG)) continue;
    const target = btf.typeById(tag.typeId);
    if (target.kind !== 'FUNC' || target.linkage !== BTF_LINKAGE.global) continue;
    if (several.has(target.name)) continue;
    if (found.delete(target.name)) {
      // The verifier reports programs with several callbacks; libbpf then appends none.
      several.add(target.name);
      continue;
    }
    const name = tag.name.slice(CALLBACK_TAG.length);
    found.set(target.name, callbackNamed(candidates.get(name) ?? [], name, context.where, target.name));
  }
  return found;
}

function callbackNamed(
  candidates: readonly ObjectFunction[],
  name: string,
  where: Where,
  program: string,
): ObjectFunction | FarcallError {
  const fail = (message: string): FarcallError =>
    objectError('object.exception-callback', { ...where, name: program }, `prog '${program}': ${message}`);
  if (candidates.length === 0) return fail(`cannot find exception callback '${name}'`);
  if (candidates.length > 1) return fail(`multiple subprogs with same name as exception callback '${name}'`);
  const [fn] = candidates;
  if (fn.symbolGlobal && !fn.hidden) return fn;
  return fail(`exception callback ${name} must be a global non-hidden function`);
}
