import { BPF_FLAGS, bpf_func_id, bpf_map_type } from '../../uapi/index.ts';
import type { VerifierEnv } from '../env.ts';
import { isRegConst, registerIsNull } from '../state/marks.ts';
import type { CallArgMeta } from './call-meta.ts';
import { markChainPrecision } from './precision.ts';

const F = bpf_func_id;

/** What calls leave behind for the fixups: which map, which key, whether a loop can be inlined. */

const MAP_FUNCS: ReadonlySet<number> = new Set([
  F.BPF_FUNC_tail_call,
  F.BPF_FUNC_map_lookup_elem,
  F.BPF_FUNC_map_update_elem,
  F.BPF_FUNC_map_delete_elem,
  F.BPF_FUNC_map_push_elem,
  F.BPF_FUNC_map_pop_elem,
  F.BPF_FUNC_map_peek_elem,
  F.BPF_FUNC_for_each_map_elem,
  F.BPF_FUNC_redirect_map,
  F.BPF_FUNC_map_lookup_percpu_elem,
]);
const MAP_WRITERS: ReadonlySet<number> = new Set([
  F.BPF_FUNC_map_delete_elem,
  F.BPF_FUNC_map_update_elem,
  F.BPF_FUNC_map_push_elem,
  F.BPF_FUNC_map_pop_elem,
]);

/**
 * Which map the call is made with; poisoned where paths differ. Refuses to write to maps programs may only read.
 *
 * Source: `kernel/bpf/verifier.c: record_func_map`.
 */
export function recordFuncMap(env: VerifierEnv, meta: CallArgMeta, funcId: number, insnIdx: number): void {
  if (!MAP_FUNCS.has(funcId)) return;
  const { map } = meta;
  if (map === undefined) env.refuse('misconfigured');
  if ((map.flags & BPF_FLAGS.BPF_F_RDONLY_PROG) !== 0 && MAP_WRITERS.has(funcId)) env.refuse('helperWritesMap');
  const aux = env.insnAux[insnIdx].own();
  if (aux.mapPtr === map) return;
  aux.mapUnpriv ||= map.unprivileged ?? !env.bypassSpecV1;
  aux.mapPoison = aux.mapPtr !== undefined;
  aux.mapPtr = map;
}

/** The constant index of a tail call; poisoned where paths differ. Source: `kernel/bpf/verifier.c: record_func_key`. */
export function recordFuncKey(env: VerifierEnv, meta: CallArgMeta, funcId: number, insnIdx: number): void {
  if (funcId !== F.BPF_FUNC_tail_call) return;
  const { map } = meta;
  if (map === undefined || map.type !== bpf_map_type.BPF_MAP_TYPE_PROG_ARRAY) env.refuse('misconfigured');
  const aux = env.insnAux[insnIdx].own();
  const reg = env.regs[3];
  const { valueHi, valueLo } = reg.scalar;
  const key = valueLo >>> 0;
  if (!isRegConst(reg, false) || valueHi !== 0 || key >= map.maxEntries) {
    aux.mapKeySeen = true;
    aux.mapKeyPoison = true;
    return;
  }
  markChainPrecision(env, 3);
  if (!aux.mapKeySeen) {
    aux.mapKeySeen = true;
    aux.mapKey = key;
  } else if (!aux.mapKeyPoison && aux.mapKey !== key) aux.mapKeyPoison = true;
}

function loopFlagIsZero(env: VerifierEnv): boolean {
  const isNull = registerIsNull(env.regs[4]);
  if (isNull) markChainPrecision(env, 4);
  return isNull;
}

/** Whether a call of `bpf_loop` can be inlined: one callback and no flags on all paths. Source: `update_loop_inline_state`. */
export function updateLoopInlineState(env: VerifierEnv, subprogno: number): void {
  const aux = env.aux.own();
  if (!aux.loopInitialized) {
    aux.loopInitialized = true;
    aux.loopFitForInline = loopFlagIsZero(env);
    aux.loopCallbackSubprogno = subprogno;
    return;
  }
  if (aux.loopFitForInline) aux.loopFitForInline = loopFlagIsZero(env) && aux.loopCallbackSubprogno === subprogno;
}
