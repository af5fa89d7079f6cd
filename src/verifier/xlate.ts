import type { Btf } from '../btf/index.ts';
import {
  BPF_HELPER_CALL,
  BPF_PSEUDO_KFUNC_CALL,
  CALL,
  type Insn,
  isWide,
  LD_IMM64,
  MAY_GOTO,
  requireInsnDef,
} from '../isa/index.ts';
import type { KernelImage } from '../kernels/index.ts';
import type { FuncInfo, LineInfo } from '../object/index.ts';
import { FarcallError, hi32, lo32, withWhere } from '../util/index.ts';
import { brandXlated } from './brand.ts';
import { type ArenaFacts, arenaPatches, fixCast } from './fixups/arena.ts';
import type { FixupContext } from './fixups/context.ts';
import { hiddenExceptionCallback } from './fixups/exception-callback.ts';
import { functionFlags } from './fixups/function-flags.ts';
import { type FunctionTable, findFunctions } from './fixups/functions.ts';
import { argCountOf } from './fixups/helper-call.ts';
import { MAY_GOTO_STACK_BYTES, mayGotoPrologue } from './fixups/may-goto.ts';
import { applyPatches, type Patch } from './fixups/patch.ts';
import { fixProbeRead } from './fixups/probe-reads.ts';
import { stackDepths } from './fixups/stack-depths.ts';
import { FIXUPS } from './fixups/table.ts';
import { zextPatches } from './fixups/zext.ts';
import type { Subprog, XlatedMap, XlatedProgram } from './types.ts';

/** A kernel function a program calls: the two fields of its calls, and its name. */
export interface KfuncName {
  readonly imm: number;
  readonly off: number;
  readonly name: string;
}

/** The arena of a program: where its pages are for the kernel and for user space. */
export interface XlateArena {
  readonly kernVmStart: bigint;
  readonly userVmStart: bigint;
  /** Bytes of it; a `ld_imm64` of a user space address in there is known to be one of its pointers. Default: none is. */
  readonly sizeBytes?: number;
}

/** A program as an engine takes it (`EngineProgram`), with what is known about it. */
export interface XlateInput {
  readonly name: string;
  /** `BPF_PROG_TYPE_*` */
  readonly type: number;
  /**
   * Every `ld_imm64` of a map, value, variable or kernel symbol plain already; `lddw_func` and local calls pc-relative, helper
   * calls by id, kernel functions by number.
   */
  readonly insns: readonly Insn[];
  /** First slot of the function `bpf_throw` ends in. */
  readonly exceptionCallback?: number;
  readonly sleepable?: boolean;
  /** Default true. */
  readonly gplCompatible?: boolean;
  readonly maps?: readonly XlatedMap[];
  readonly kfuncs?: readonly KfuncName[];
  readonly btf?: Btf;
  readonly funcInfo?: readonly FuncInfo[];
  readonly lineInfo?: readonly LineInfo[];
  /** First slot → name, for functions that `funcInfo` does not name. */
  readonly subprogNames?: ReadonlyMap<number, string>;
  readonly arena?: XlateArena;
  /** As loaded, map references still pseudo; default `insns`. */
  readonly original?: readonly Insn[];
}

export interface XlateOptions {
  /** Whose functions helper calls name. */
  readonly kernel: KernelImage;
  /** Loads from where nothing is give 0: every load but those from the own frame becomes a probe load. */
  readonly probeReads?: boolean;
  /** High half of the last user space address: probe loads then test against it themselves, as 6.12 has it on arm64 and riscv64. */
  readonly userLimitHigh?: number;
  /** Zero extensions where upper halves of 32-bit results are read, for CPUs that leave them undefined. */
  readonly zext?: boolean;
  /**
   * Zero extensions behind every 32-bit definition that fixups made too, read or not, as Linux puts them: only for code that has to
   * be a kernel's to the byte.
   */
  readonly zextPatched?: boolean;
}

/**
 * The door around the verifier: the fixups of an accepted program done to one that nobody has looked at. What comes
 * out runs as the interpreter would run it as long as the program is one a verifier could accept; what it does otherwise is
 * its own affair, and `verified` says so.
 *
 * Throws `insn.*` when the slots are no program at all: instructions that do not exist, map references nobody resolved, jumps
 * and calls that lead nowhere, functions that run on into the next.
 *
 * Source: `kernel/bpf/verifier.c: convert_ctx_accesses, do_misc_fixups, opt_subreg_zext_lo32_rnd_hi32`.
 *
 * Differs from Linux: contexts are not converted (their fields are read where the program says), stack depths are
 * estimated, map operations are not bound to map types and nothing is inlined.
 */
export function xlateUnverified(input: XlateInput, options: XlateOptions): XlatedProgram {
  return withWhere({ name: input.name }, () => xlate(input, options));
}

const THROW = 'bpf_throw';
/** Kernel functions that do not come back. */
const NO_RETURN: ReadonlySet<string> = new Set([THROW, '__bpf_trap']);
const ARENA_RESULTS: ReadonlySet<string> = new Set(['bpf_arena_alloc_pages', 'bpf_arena_alloc_pages_sleepable']);

/** Kernel functions by the fields of their calls. */
function kfuncNames(kfuncs: readonly KfuncName[]): (insn: Insn) => string | undefined {
  const names = new Map(kfuncs.map(kfunc => [`${kfunc.imm}:${kfunc.off}`, kfunc.name]));
  return insn =>
    insn.code === CALL && insn.src === BPF_PSEUDO_KFUNC_CALL ? names.get(`${insn.imm}:${insn.off}`) : undefined;
}

function checkForms(insns: readonly Insn[]): void {
  for (let idx = 0; idx < insns.length; idx++) {
    const { slots, name } = requireInsnDef(insns, idx);
    if (slots !== 2) continue;
    if (name !== 'lddw' && name !== 'lddw_func') {
      throw new FarcallError({
        code: 'insn.unresolved',
        message: 'a ld_imm64 still refers to a map or variable',
        expected: 'an address',
        found: name,
        where: { insnIdx: idx },
      });
    }
    idx++;
  }
}

function xlate(input: XlateInput, options: XlateOptions): XlatedProgram {
  checkForms(input.insns);
  const kfuncs = input.kfuncs ?? [];
  const nameOf = kfuncNames(kfuncs);
  const throws = input.insns.some(insn => nameOf(insn) === THROW);
  const isHidden = throws && input.exceptionCallback === undefined;
  const insns = isHidden ? [...input.insns, ...hiddenExceptionCallback()] : input.insns;
  const exceptionCallback = isHidden ? input.insns.length : input.exceptionCallback;
  const functions = findFunctions(insns, exceptionCallback === undefined ? [] : [exceptionCallback], insn =>
    NO_RETURN.has(nameOf(insn) ?? ''),
  );
  const flags = functionFlags(insns, functions);
  const argCounts = new Map<number, number>();
  const depths = stackDepths(insns, functions, flags.addressTaken, nameOf);
  const ctx: FixupContext = {
    kernel: options.kernel,
    progType: input.type,
    sleepable: input.sleepable ?? false,
    distances: new Map(),
    helpers: new Map(),
    internalCalls: new Map(),
    stackDepthAt: idx => depths[functions.funcOf[idx]],
  };
  const prologues = new Map<number, readonly Insn[]>();
  const countsLoops = functionsWith(insns, functions, MAY_GOTO);
  for (let func = 0; func < functions.count; func++) {
    if (countsLoops[func] === 0) continue;
    prologues.set(functions.starts[func], mayGotoPrologue(depths[func] + MAY_GOTO_STACK_BYTES));
  }
  const facts = input.arena === undefined ? undefined : arenaFacts(input.arena, nameOf);
  const arena =
    facts === undefined ? new Map<number, Patch>() : arenaPatches(insns, functions, flags.addressTaken, facts);
  const misc = miscPatches(insns, arena, ctx, input, options);
  const first = applyPatches(insns, { patches: misc, prologues });
  for (const [distance, id] of ctx.helpers) argCounts.set(distance, argCountOf(id) ?? 5);
  for (const distance of ctx.internalCalls.keys()) argCounts.set(distance, 2);

  const isEntry = (func: number): boolean =>
    func === 0 || flags.addressTaken[func] !== 0 || functions.starts[func] === exceptionCallback;
  const moved = moveFunctions(functions, first.entryOf, first.insns.length);
  const zext = zextPatches(
    first.insns,
    moved,
    isEntry,
    insn => (insn.src === BPF_HELPER_CALL ? argCounts.get(insn.imm) : undefined),
    {
      all: options.zext ?? false,
      always: options.zextPatched ? patchedSlots(misc, first.entryOf, first.insns.length) : undefined,
    },
  );
  const second = applyPatches(first.insns, { patches: zext });
  const place = (slot: number): number => second.entryOf[first.entryOf[slot]];
  const inside = ({ insnIdx }: { insnIdx: number }): boolean => insnIdx >= 0 && insnIdx < insns.length;
  const names = functionNames(input, functions);
  const subprogs: Subprog[] = names.map((name, func) => ({
    start: place(functions.starts[func]),
    end: place(functions.starts[func + 1]),
    name,
    stackDepthBytes: depths[func] + (countsLoops[func] !== 0 ? MAY_GOTO_STACK_BYTES : 0),
    hasTailCall: flags.hasTailCall[func] !== 0,
    tailCallReachable: flags.tailCallReachable[func] !== 0,
    isCallback: flags.addressTaken[func] !== 0,
    isExceptionCallback: functions.starts[func] === exceptionCallback,
  }));
  return brandXlated({
    verified: false,
    name: input.name,
    type: input.type,
    gplCompatible: input.gplCompatible ?? true,
    insns: second.insns,
    subprogs,
    hiddenSubprogCount: isHidden ? 1 : 0,
    kernel: options.kernel,
    maps: input.maps ?? [],
    kfuncs,
    helpers: ctx.helpers,
    internalCalls: ctx.internalCalls,
    btf: input.btf,
    funcInfo: (input.funcInfo ?? []).filter(inside).map(info => ({ ...info, insnIdx: place(info.insnIdx) })),
    lineInfo: (input.lineInfo ?? []).filter(inside).map(info => ({ ...info, insnIdx: place(info.insnIdx) })),
    verifierZext: options.zext ?? false,
    arena: input.arena,
    original: input.original ?? input.insns,
  });
}

function miscPatches(
  insns: readonly Insn[],
  arena: ReadonlyMap<number, Patch>,
  ctx: FixupContext,
  input: XlateInput,
  options: XlateOptions,
): Map<number, Patch> {
  const patches = new Map<number, Patch>();
  for (let idx = 0; idx < insns.length; idx++) {
    const insn = insns[idx];
    if (isWide(insn)) {
      idx++;
      continue;
    }
    const early = arena.get(idx);
    // Arithmetic on an arena pointer may be a division too.
    const now = early?.insns.length === 1 ? early.insns[0] : insn;
    const patch =
      FIXUPS[now.code]?.(now, idx, ctx) ??
      early ??
      fixCast(insn, input.arena !== undefined) ??
      (options.probeReads ? fixProbeRead(insn, options.userLimitHigh ?? 0) : undefined);
    if (patch !== undefined) patches.set(idx, patch);
  }
  return patches;
}

function functionsWith(insns: readonly Insn[], functions: FunctionTable, code: number): Uint8Array {
  const having = new Uint8Array(functions.count);
  for (let idx = 0; idx < insns.length; idx++) {
    if (insns[idx].code === code) having[functions.funcOf[idx]] = 1;
    if (insns[idx].code === LD_IMM64) idx++;
  }
  return having;
}

/** 1 for every new slot of a patch; a call that only got its distance is none. */
function patchedSlots(patches: ReadonlyMap<number, Patch>, entryOf: Int32Array, count: number): Uint8Array {
  const slots = new Uint8Array(count);
  for (const slot of patches.keys()) slots.fill(1, entryOf[slot], entryOf[slot + 1]);
  return slots;
}

/** The same functions after patches. */
function moveFunctions(functions: FunctionTable, entryOf: Int32Array, count: number): FunctionTable {
  const starts = functions.starts.map(start => entryOf[start]);
  const funcOf = new Int32Array(count);
  for (let func = 0; func < functions.count; func++) funcOf.fill(func, starts[func], starts[func + 1]);
  return { starts, count: functions.count, funcOf };
}

/** A number counts as an address only if it is user space's whole one: the low half alone may be any constant. */
function arenaFacts(arena: XlateArena, nameOf: (insn: Insn) => string | undefined): ArenaFacts {
  const size = arena.sizeBytes ?? 0;
  const low = lo32(arena.userVmStart) >>> 0;
  const high = hi32(arena.userVmStart);
  return {
    isArenaAddress: (lo, hi) => hi !== 0 && hi === high && lo >>> 0 >= low && (lo >>> 0) - low < size,
    returnsArena: call => ARENA_RESULTS.has(nameOf(call) ?? ''),
  };
}

/** Names of functions: BTF's, else those given; '' for what nobody names. */
function functionNames(input: XlateInput, functions: FunctionTable): string[] {
  const names: string[] = [];
  const { btf } = input;
  const typeAt = new Map((input.funcInfo ?? []).map(info => [info.insnIdx, info.typeId]));
  for (let func = 0; func < functions.count; func++) {
    const start = functions.starts[func];
    const typeId = typeAt.get(start);
    const name = btf !== undefined && typeId !== undefined ? btf.nameOf(typeId) : '';
    names.push(name !== '' ? name : (input.subprogNames?.get(start) ?? ''));
  }
  return names;
}
