import { type Insn, MAX_CALL_FRAMES } from '../isa/index.ts';
import { bpf_func_id } from '../uapi/index.ts';
import { funcLinkage } from './btf-info.ts';
import { type CallSites, SITE } from './call-graph.ts';
import { isBpfThrow, isKfuncCall, type KfuncCalls } from './kfunc-calls.ts';
import type { JitSupport } from './structure-input.ts';
import { isHelperCall, type SubprogTable } from './subprogs.ts';
import type { Rejection } from './types.ts';
import type { VerifierLog } from './verifier-log.ts';

export interface StaticWalkSource {
  readonly insns: readonly Insn[];
  readonly subprogs: SubprogTable;
  readonly sites: CallSites;
  readonly kfuncs: KfuncCalls;
  /** 1 where a path may lead. */
  readonly seen: Uint8Array;
  readonly jitRequested: boolean;
  readonly jit: JitSupport;
  readonly log: VerifierLog;
}

/**
 * What the walk over a program's paths refuses for its calls alone, as if every branch could be taken that no
 * constant decides: chains of more than
 * 8 frames (static functions and synchronous callbacks; global functions and asynchronous callbacks begin new chains),
 * tail calls beside functions where the JIT has none, exceptions where it has none.
 *
 * Where a chain exists on no path that can be taken, Linux still refuses it, in `check_max_stack_depth` and with
 * that stage's words.
 *
 * Source: `kernel/bpf/verifier.c: setup_func_entry, check_map_func_compatibility, fetch_kfunc_meta`.
 */
export function checkStaticWalk(source: StaticWalkSource): Rejection | undefined {
  return checkFrames(source) ?? checkTailCalls(source) ?? checkThrows(source);
}

function checkFrames({ subprogs, sites, seen, log }: StaticWalkSource): Rejection | undefined {
  const { list } = subprogs;
  const opensFrame = (site: number): boolean => {
    if (seen[sites.insnIdx[site]] === 0) return false;
    const target = list[sites.callee[site]];
    if (sites.kind[site] === SITE.call) return funcLinkage(target.func) !== 'global';
    return sites.kind[site] === SITE.reference && target.isCallback && !target.isAsyncCallback;
  };
  // reached[id] has bit n set when the function can be the n-th frame of a chain.
  const reached = new Uint8Array(list.length);
  const work: number[] = [];
  const reach = (id: number, frames: number): void => {
    if ((reached[id] | frames) === reached[id]) return;
    reached[id] |= frames;
    work.push(id);
  };
  list.forEach((subprog, id) => {
    if (id === 0 || subprog.isAsyncCallback || funcLinkage(subprog.func) === 'global') reach(id, 1);
  });
  for (let id = work.pop(); id !== undefined; id = work.pop()) {
    for (let site = sites.first[id]; site < sites.first[id + 1]; site++) {
      if (!opensFrame(site)) continue;
      if (reached[id] >> (MAX_CALL_FRAMES - 1) !== 0) {
        return log.reject('callFrames', [MAX_CALL_FRAMES + 1], sites.insnIdx[site]);
      }
      reach(sites.callee[site], (reached[id] << 1) & 0xff);
    }
  }
  return undefined;
}

function checkTailCalls({ insns, subprogs, seen, jitRequested, jit, log }: StaticWalkSource): Rejection | undefined {
  if (subprogs.count <= 1 || (jitRequested && jit.subprogTailCalls)) return undefined;
  if (!subprogs.list.some(subprog => subprog.hasTailCall)) return undefined;
  const tailCall = bpf_func_id.BPF_FUNC_tail_call;
  const idx = insns.findIndex((insn, at) => seen[at] === 1 && isHelperCall(insn) && insn.imm === tailCall);
  return idx < 0 ? undefined : log.reject('tailCallNoJit', [], idx);
}

function checkThrows({ insns, kfuncs, seen, jit, log }: StaticWalkSource): Rejection | undefined {
  if (jit.exceptions) return undefined;
  const idx = insns.findIndex((insn, at) => seen[at] === 1 && isKfuncCall(insn) && isBpfThrow(kfuncs.nameAt(at)));
  return idx < 0 ? undefined : log.reject('kfuncExceptions', ['bpf_throw', insns[idx].imm], idx);
}
