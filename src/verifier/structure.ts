import { type FuncLinkage, funcLinkage } from './btf-info.ts';
import { findCallSites } from './call-graph.ts';
import type { CfgMarks } from './cfg.ts';
import { findFastcalls } from './fastcall.ts';
import { KfuncCalls } from './kfunc-calls.ts';
import { checkPseudoImms, countUsedMaps } from './pseudo-imm.ts';
import { checkMaxStackDepth } from './stack-depth.ts';
import { estimateStackDepths } from './stack-estimate.ts';
import { earlyStages, exceptionCallbackOf, type Stage, subprogOf } from './stages.ts';
import { checkStaticWalk } from './static-walk.ts';
import { JIT_SUPPORT, type StructureInput, type StructureOptions, type WalkResult } from './structure-input.ts';
import type { SubprogTable } from './subprogs.ts';
import type { Rejection, Subprog } from './types.ts';
import { VerifierLog } from './verifier-log.ts';

/** What the stages learn of a program that none of them refused. */
export interface ProgramStructure {
  readonly ok: true;
  /** Ascending by start; main first. */
  readonly subprogs: readonly Subprog[];
  /** Functions the verifier added itself: none yet at this point. */
  readonly hiddenSubprogCount: number;
  /** By subprog: how BTF says it is linked, 'static' without BTF. */
  readonly linkage: readonly FuncLinkage[];
  /** By subprog: it, or a function it calls, may move packet data. */
  readonly changesPktData: readonly boolean[];
  /** By subprog: it runs later, on a stack of its own. */
  readonly isAsyncCallback: readonly boolean[];
  /** Id of the exception callback main names; 0 for none. */
  readonly exceptionCallback: number;
  /** A tail call may happen anywhere in the program (`aux->tail_call_reachable`). */
  readonly tailCallReachable: boolean;
  readonly cfg: CfgMarks;
  /** Lines the kernel has logged so far at level 2, those of `do_check` left out. */
  readonly log: readonly string[];
}

/**
 * Takes a program through the stages of `bpf_check` that concern its functions, in the kernel's order, and stops at the
 * first that refuses it. Never throws for a program, however malformed.
 *
 * Differs from Linux 6.12: the walk over paths (`do_check`) is not made. Frame depths are estimated from above, so a
 * program whose stack the kernel counts from fewer paths may be refused; of the walk's own refusals only those for
 * its calls are given.
 *
 * Source: `kernel/bpf/verifier.c: bpf_check`.
 */
export function checkStructure(input: StructureInput, options: StructureOptions = {}): Rejection | ProgramStructure {
  const { insns, btf, funcInfo, lineInfo, coreRelos } = input;
  const jitRequested = options.jitRequested ?? true;
  const jit = options.jit ?? JIT_SUPPORT.x86_64;
  const log = new VerifierLog();
  const enter = (stage: Stage): void => {
    log.stage = stage;
  };

  const kfuncs = new KfuncCalls({
    jitRequested,
    jit,
    gplCompatible: input.gplCompatible ?? true,
    kernelBtf: options.kernelBtf,
    hasSymbol: options.hasKernelSymbol,
    names: input.kfuncs,
  });
  const early = earlyStages({
    insns,
    tables: { btf, funcInfo, lineInfo, coreRelos },
    capBpf: options.capBpf ?? true,
    kfuncs,
    log,
    resolveImms: () => checkPseudoImms(insns, log, countUsedMaps(input.maps, log)) ?? {},
  });
  if ('ok' in early) return early;
  const { subprogs, cfg } = early;

  enter('do_check');
  const fastcalls = findFastcalls({ insns, subprogs, kfuncs, type: input.type, jitRequested, jit });
  const sites = findCallSites(insns, subprogs, kfuncs);
  let walk = options.walk?.(subprogs);
  if (walk === undefined) {
    const estimate = estimateStackDepths(insns, subprogs, kfuncs, fastcalls, true);
    markCallbacks(subprogs, estimate);
    const refused = checkStaticWalk({ insns, subprogs, sites, kfuncs, seen: estimate.seen, jitRequested, jit, log });
    if (refused !== undefined) return refused;
    walk = estimate;
  } else if ('ok' in walk) return walk;
  else markCallbacks(subprogs, walk);

  enter('check_max_stack_depth');
  const refused = checkMaxStackDepth(subprogs, sites, jitRequested, log);
  if (refused !== undefined) return refused;
  return describe(subprogs, cfg, log);
}

function markCallbacks({ list }: SubprogTable, walk: WalkResult): void {
  list.forEach((subprog, id) => {
    subprog.stackDepthBytes = walk.stackDepthBytes[id];
    if (walk.isCallback[id] === 1) subprog.isCallback = true;
    if (walk.isAsyncCallback[id] === 1) subprog.isAsyncCallback = true;
  });
}

function describe(subprogs: SubprogTable, cfg: CfgMarks, log: VerifierLog): ProgramStructure {
  const { list } = subprogs;
  return {
    ok: true,
    subprogs: list.map(subprogOf),
    hiddenSubprogCount: 0,
    linkage: list.map(subprog => funcLinkage(subprog.func)),
    changesPktData: list.map(subprog => subprog.changesPktData),
    isAsyncCallback: list.map(subprog => subprog.isAsyncCallback),
    exceptionCallback: exceptionCallbackOf(subprogs),
    tailCallReachable: list[0].tailCallReachable,
    cfg,
    log: log.lines,
  };
}
