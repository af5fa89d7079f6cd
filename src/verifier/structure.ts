import { checkBtfInfo, checkBtfInfoEarly, type FuncLinkage, funcLinkage, funcName } from './btf-info.ts';
import { findCallSites } from './call-graph.ts';
import { type CfgMarks, checkCfg } from './cfg.ts';
import { findFastcalls } from './fastcall.ts';
import { KfuncCalls } from './kfunc-calls.ts';
import { checkPseudoImms, countUsedMaps } from './pseudo-imm.ts';
import { SourceLines } from './source-lines.ts';
import { checkMaxStackDepth } from './stack-depth.ts';
import { estimateStackDepths } from './stack-estimate.ts';
import { checkStaticWalk } from './static-walk.ts';
import { JIT_SUPPORT, type StructureInput, type StructureOptions, type WalkResult } from './structure-input.ts';
import { addSubprogsAndKfuncs, checkSubprogs, type SubprogTable } from './subprogs.ts';
import type { Rejection, Subprog } from './types.ts';
import { VerifierLog } from './verifier-log.ts';

/** Slots a program may have: with CAP_BPF, and without. */
const MAX_INSNS = 1_000_000;
const MAX_INSNS_UNPRIVILEGED = 4096;

/** The stages of `bpf_check` in order, and who refuses in them. `bpf_prog_load` comes before all. */
export const STAGES = [
  'bpf_prog_load',
  'check_btf_info_early',
  'add_subprog_and_kfunc',
  'check_subprogs',
  'check_btf_info',
  'resolve_pseudo_ldimm64',
  'check_cfg',
  'check_attach_btf_id',
  'do_check',
  'check_max_stack_depth',
  'fixups',
] as const;
export type Stage = (typeof STAGES)[number];

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
  const { insns } = input;
  const capBpf = options.capBpf ?? true;
  const jitRequested = options.jitRequested ?? true;
  const jit = options.jit ?? JIT_SUPPORT.x86_64;
  const log = new VerifierLog();
  const enter = (stage: Stage): void => {
    log.stage = stage;
  };

  enter('bpf_prog_load');
  if (insns.length === 0 || insns.length > (capBpf ? MAX_INSNS : MAX_INSNS_UNPRIVILEGED)) {
    return log.reject('programLength', []);
  }

  enter('check_btf_info_early');
  const { btf, funcInfo, lineInfo, coreRelos } = input;
  const tables = { btf, funcInfo, lineInfo, coreRelos };
  const funcs = checkBtfInfoEarly(tables, log);
  if ('ok' in funcs) return funcs;

  enter('add_subprog_and_kfunc');
  const kfuncs = new KfuncCalls({
    jitRequested,
    jit,
    gplCompatible: input.gplCompatible ?? true,
    kernelBtf: options.kernelBtf,
    hasSymbol: options.hasKernelSymbol,
    names: input.kfuncs,
  });
  const subprogs = addSubprogsAndKfuncs({ insns, capBpf, kfuncs, funcInfo: funcs, log });
  if ('ok' in subprogs) return subprogs;

  enter('check_subprogs');
  let refused = checkSubprogs(insns, subprogs, log);
  if (refused !== undefined) return refused;

  enter('check_btf_info');
  const lines = checkBtfInfo({ ...tables, insns, funcs, subprogs }, log);
  if ('ok' in lines) return lines;

  enter('resolve_pseudo_ldimm64');
  refused = checkPseudoImms(insns, log, countUsedMaps(input.maps, log));
  if (refused !== undefined) return refused;

  enter('check_cfg');
  const cfg = checkCfg({ insns, subprogs, kfuncs, capBpf, lines: new SourceLines(lines, btf, log), log });
  if ('ok' in cfg) return cfg;

  enter('do_check');
  const fastcalls = findFastcalls({ insns, subprogs, kfuncs, type: input.type, jitRequested, jit });
  const sites = findCallSites(insns, subprogs, kfuncs);
  let walk = options.walk?.(subprogs);
  if (walk === undefined) {
    const estimate = estimateStackDepths(insns, subprogs, kfuncs, fastcalls, true);
    markCallbacks(subprogs, estimate);
    refused = checkStaticWalk({ insns, subprogs, sites, kfuncs, seen: estimate.seen, jitRequested, jit, log });
    if (refused !== undefined) return refused;
    walk = estimate;
  } else if ('ok' in walk) return walk;
  else markCallbacks(subprogs, walk);

  enter('check_max_stack_depth');
  refused = checkMaxStackDepth(subprogs, sites, jitRequested, log);
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

function describe({ list }: SubprogTable, cfg: CfgMarks, log: VerifierLog): ProgramStructure {
  return {
    ok: true,
    subprogs: list.map(subprog => ({
      start: subprog.start,
      end: subprog.end,
      name: funcName(subprog.func),
      stackDepthBytes: subprog.stackDepthBytes,
      hasTailCall: subprog.hasTailCall,
      tailCallReachable: subprog.tailCallReachable,
      isCallback: subprog.isReferenced || subprog.isCallback,
      isExceptionCallback: subprog.isExceptionCallback,
    })),
    hiddenSubprogCount: 0,
    linkage: list.map(subprog => funcLinkage(subprog.func)),
    changesPktData: list.map(subprog => subprog.changesPktData),
    isAsyncCallback: list.map(subprog => subprog.isAsyncCallback),
    exceptionCallback: Math.max(
      0,
      list.findIndex(subprog => subprog.isExceptionCallback),
    ),
    tailCallReachable: list[0].tailCallReachable,
    cfg,
    log: log.lines,
  };
}
