import { BPF_HELPER_CALL, BPF_PSEUDO_KFUNC_CALL, type Insn, MAX_BPF_STACK } from '../../isa/index.ts';
import { ERRNO } from '../../uapi/index.ts';
import { InternalError } from '../../util/index.ts';
import type { ReachedSlots } from '../../verifier/index.ts';
import { ENTRY_ARGS, type EntryName, withEntries } from '../entry-functions.ts';
import type { OptPass } from '../opt/index.ts';
import { JitError } from '../types.ts';
import { type CallShape, declareImports, MAIN_STATE, type OutsideCalls, StateAccess } from './abi.ts';
import { accessCheckType, writeAccessCheck } from './access-check.ts';
import type { Code } from './code.ts';
import type { Emission, EmissionOptions, TailCallLayout } from './emission.ts';
import { BPF_FUNC_TAIL_CALL } from './emit-control.ts';
import { writeEntries } from './entries.ts';
import { functionGraph } from './function-graph.ts';
import { type FunctionStarts, findFunctions, type SplitProgram, splitProgram } from './function-split.ts';
import { frameFacts, writeFunction } from './function-writer.ts';
import { ModuleWriter } from './module-writer.ts';
import { I32, I64 } from './opcodes.ts';
import { type Frame, type WrittenFunctions, writeProven } from './proven.ts';
import { planQuick, type QuickPlan, writeQuick } from './quick-function.ts';
import { I32_LOCALS, I64_LOCALS } from './registers.ts';
import type { ProgramParts } from './row-function.ts';

export interface WasmOptions {
  /**
   * The program was not verified: calls are at most 8 deep, frames have 512 bytes, and unless said otherwise instructions
   * are counted and accesses checked. Default false.
   */
  readonly unproven?: boolean;
  /** Each access goes to a region or frame that exists, or the `access` import decides. Default `unproven`. */
  readonly checked?: boolean;
  /** Loads of checked code may find nothing and read 0. Default false. */
  readonly probeReads?: boolean;
  /** Every block takes its instructions off `RUN_STATE.fuel`. Default `unproven`. */
  readonly counted?: boolean;
  /** Threads share the memory: atomic operations are those of WebAssembly. Default false. */
  readonly shared?: boolean;
  /** Where the state of a run lies; default {@link MAIN_STATE}. */
  readonly stateAddr?: number;
  /** Where the function begins that makes contexts of packets, one of `entries`; without one there are no entries for packets. */
  readonly contextSlot?: number;
  /** Slots at which functions begin that no instruction names: the exception callback. */
  readonly entries?: readonly number[];
  /** Address of a function that begins at slot 0; one at slot n is 8 n further. Needed where instructions take addresses. */
  readonly funcBase?: number;
  /** Bytes of stack of each function in order, as the verifier found; others are given 512, as all are if the numbers differ. */
  readonly stackDepths?: readonly number[];
  /**
   * What is touched of each function's frame other than by instructions whose base is R10, as the verifier found
   * (`VerifierStats.stackReach`), for functions whose stack is in `stackDepths`; nothing is known of others.
   */
  readonly stackReach?: readonly (ReachedSlots | undefined)[];
  /** How helpers and kernel functions are called; default five arguments and a result. */
  helperShape?(id: number): CallShape;
  kfuncShape?(btfId: number, fdIdx: number): CallShape;
  /**
   * `quick`: code that was proven is written as fast as can be, to be run a few times until something better is there.
   * Default `full`.
   */
  readonly effort?: 'quick' | 'full';
  /** Passes of the optimiser to leave out; it works on code that is neither checked nor counted. Default none. */
  readonly without?: ReadonlySet<OptPass>;
  /** Tail calls find their targets in the memory; otherwise by the `tail` import. */
  readonly tailCalls?: TailCallLayout;
}

/** A translated program: one module, to be instantiated with the imports that `WasmImports` describes. */
export interface WasmProgram {
  readonly bytes: Uint8Array<ArrayBuffer>;
  /**
   * First slots of the functions that may be called from outside; function i of these becomes element `tableBase + i` of
   * the table. Of code that was not proven that is every function.
   */
  readonly functionSlots: readonly number[];
  /** The functions of the import object it needs beside those every program has. */
  readonly calls: OutsideCalls;
}

const FRAME_ALIGN_BYTES = 16;

function frameBytesOf(depthBytes: number): number {
  if (!(depthBytes >= 0 && depthBytes <= MAX_BPF_STACK)) {
    throw new JitError(ERRNO.EINVAL, `a stack of ${depthBytes} bytes`);
  }
  return Math.ceil(depthBytes / FRAME_ALIGN_BYTES) * FRAME_ALIGN_BYTES;
}

/** Bytes of the frame of each of `count` functions, by the stack they are known to have. */
export function frameBytesFor(depths: readonly number[] | undefined, count: number): (func: number) => number {
  return func => frameBytesOf(depths?.length !== count ? MAX_BPF_STACK : depths[func]);
}

/** The frame of each of `count` functions; those behind them have none. */
export function framesFor(
  { stackDepths, stackReach }: Pick<WasmOptions, 'stackDepths' | 'stackReach'>,
  count: number,
): (func: number) => Frame {
  const sizeOf = frameBytesFor(stackDepths, count);
  const known = stackDepths?.length === count;
  return func =>
    func < count ? { sizeBytes: sizeOf(func), reached: known ? stackReach?.[func] : undefined } : { sizeBytes: 0 };
}

/** What is called outside of the program, each once, and whether it makes tail calls. */
export function callsOf({ insns, callSlots }: FunctionStarts): {
  readonly calls: OutsideCalls;
  readonly tailCalls: boolean;
} {
  const helpers = new Set<number>();
  const kfuncs = new Map<string, readonly [number, number]>();
  let tailCalls = false;
  for (const slot of callSlots) {
    const { src, imm, off } = insns[slot];
    if (src === BPF_PSEUDO_KFUNC_CALL) kfuncs.set(`${imm} ${off}`, [imm, off]);
    else if (src !== BPF_HELPER_CALL) continue;
    else if (imm === BPF_FUNC_TAIL_CALL) tailCalls = true;
    else helpers.add(imm);
  }
  return { calls: { helpers: [...helpers], kfuncs: [...kfuncs.values()] }, tailCalls };
}

/** Writes all functions of a program instruction by instruction. */
function writeAsIs(
  module: ModuleWriter,
  program: SplitProgram,
  parts: Omit<ProgramParts, 'signatures' | 'starts'>,
  frameBytesIn: (func: number) => number,
  checked: boolean,
  counted: boolean,
): WrittenFunctions {
  const { insns, starts, defs } = program;
  const { imports } = parts;
  const inTable = Array.from({ length: starts.length - 1 }, (_, func) => func);
  const funcs = inTable.map(() => module.func(imports.funcType));
  const first = funcs[0];
  const check = checked
    ? { read: module.func(accessCheckType(module)), write: module.func(accessCheckType(module)) }
    : undefined;
  const how: EmissionOptions = { ...parts.how, check };
  for (const func of inTable) {
    const facts = frameFacts(defs, insns, starts[func], starts[func + 1]);
    const frameBytes = how.unproven || facts.usesFrame ? frameBytesIn(func) : 0;
    const graph = functionGraph(program, func);
    const code = module.body([
      [I64_LOCALS, I64],
      [I32_LOCALS, I32],
    ]);
    const movesSp = (facts.calls || checked) && frameBytes > 0;
    const state = parts.stateOf(code);
    const e: Emission = { code, program, imports, state, how, firstFunc: first, frameBytes, movesSp };
    writeFunction(e, graph, facts, counted);
    module.endBody();
  }
  return { inTable, first };
}

/** Writes all functions of a verified program with as little work as can be; undefined where one of them needs more. */
function writeQuickly(
  module: ModuleWriter,
  split: FunctionStarts,
  parts: Omit<ProgramParts, 'signatures' | 'starts'>,
  frameBytesIn: (func: number) => number,
): WrittenFunctions | undefined {
  const { insns, starts } = split;
  const plans: QuickPlan[] = [];
  for (let func = 0; func + 1 < starts.length; func++) {
    const plan = planQuick(insns, starts[func], starts[func + 1]);
    if (plan === undefined) return undefined;
    plans.push(plan);
  }
  const { imports, how } = parts;
  const program: SplitProgram = { ...split, defs: [] };
  const funcs = plans.map(() => module.func(imports.funcType));
  plans.forEach((plan, func) => {
    const frameBytes = plan.facts.usesFrame ? frameBytesIn(func) : 0;
    const code = module.body([
      [I64_LOCALS, I64],
      [I32_LOCALS, I32],
    ]);
    const state = parts.stateOf(code);
    const movesSp = plan.facts.calls && frameBytes > 0;
    writeQuick({ code, program, imports, state, how, firstFunc: funcs[0], frameBytes, movesSp }, plan);
    module.endBody();
  });
  return { inTable: funcs.map((_, func) => func), first: funcs[0] };
}

/** What is worth having the program in itself, where it is small; other ways in call it. */
const PROVEN_ENTRIES: readonly EntryName[] = ['ready', 'repeat', 'packet', 'nth', 'batch'];
const ANY_SHAPE: CallShape = { args: 5, returns: true };

/**
 * A program as engines take it to one WebAssembly module: map references are plain constants, helpers are called by number,
 * contexts have the layout user space sees. Exports: `main(r1..r5) → r0` and what {@link writeEntries} has. Time and
 * memory are linear in the program.
 *
 * Throws JitError: ENOTSUPP for what has no translation (gotox, unresolved map references, unknown instructions),
 * EINVAL for jumps out of a function.
 */
export function translateProgram(insns: readonly Insn[], options: WasmOptions = {}): WasmProgram {
  const unproven = options.unproven ?? false;
  const checked = options.checked ?? unproven;
  const counted = options.counted ?? unproven;
  const shared = options.shared ?? false;
  const stateAddr = options.stateAddr ?? MAIN_STATE;
  const entries = options.entries ?? [];
  const proven = !unproven && !checked && !counted;
  const split = proven ? undefined : splitProgram(insns, entries);
  const module = new ModuleWriter();
  let program: FunctionStarts = split ?? findFunctions(insns, entries);
  const { calls, tailCalls } = callsOf(program);
  const imports = declareImports(module, calls, shared);
  const how: EmissionOptions = {
    unproven,
    shared,
    check: undefined,
    funcBase: options.funcBase ?? 0,
    helperShape: id => options.helperShape?.(id) ?? ANY_SHAPE,
    kfuncShape: (id, idx) => options.kfuncShape?.(id, idx) ?? ANY_SHAPE,
    tailCalls: options.tailCalls,
  };
  const depths = unproven ? undefined : options.stackDepths;
  const frameBytesIn = (count: number): ((func: number) => number) => frameBytesFor(depths, count);
  const stateOf = (code: Code): StateAccess => new StateAccess(code, stateAddr);
  const parts = { imports, how, stateOf };
  const { contextSlot } = options;
  const functionCount = program.starts.length - 1;
  if (contextSlot !== undefined && !(program.functionAt[contextSlot] > 0)) {
    throw new InternalError(`no function begins at slot ${contextSlot}`);
  }
  let written: WrittenFunctions | undefined;
  let ways: ReadonlyMap<EntryName, number> = new Map();
  if (split !== undefined) written = writeAsIs(module, split, parts, frameBytesIn(functionCount), checked, counted);
  else if (options.effort === 'quick') written = writeQuickly(module, program, parts, frameBytesIn(functionCount));
  if (written === undefined) {
    const { insns: all, slots } = withEntries(insns, PROVEN_ENTRIES, { contextSlot, tailCalls, stateAddr });
    program = findFunctions(all, [...entries, ...slots.values()]);
    const frameOf = framesFor(options, functionCount);
    const entered = new Map([...slots].map(([name, slot]) => [slot, ENTRY_ARGS[name]]));
    written = writeProven(module, program, parts, frameOf, entries, entered, options.without ?? new Set());
    const funcs = written.entered;
    ways = new Map([...slots].map(([name, slot]) => [name, funcs?.get(slot) ?? -1]));
  }
  if (checked) {
    writeAccessCheck(module, imports, options.probeReads === true ? 'probe' : 'read', stateAddr);
    writeAccessCheck(module, imports, 'write', stateAddr);
  }
  const { first: main, inTable } = written;
  writeEntries(module, { main, tailCalls, ways }, stateAddr);
  module.export('main', 'func', main);
  module.element(imports.tableBase, main, inTable.length);
  return { bytes: module.finish(), functionSlots: inTable.map(func => program.starts[func]), calls };
}
