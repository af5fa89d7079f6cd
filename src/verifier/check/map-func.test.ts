import { describe, expect, it } from 'vitest';
import { bpf_attach_type, bpf_func_id as F, bpf_map_type as M, bpf_prog_type as P } from '../../uapi/index.ts';
import { Refusal, VerifierEnv } from '../env.ts';
import type { VerifierMap } from '../input.ts';
import { VerifierLog } from '../verifier-log.ts';
import { checkMapFuncCompatibility } from './map-func.ts';

interface Caller {
  readonly type?: number;
  readonly attachType?: number;
  readonly functions?: number;
  readonly subprogTailCalls?: boolean;
}

/** What a call says; '' if it is allowed. */
function said(mapType: number, funcId: number, caller: Caller = {}): string {
  const log = new VerifierLog(2);
  const env = new VerifierEnv({
    prog: { type: caller.type ?? P.BPF_PROG_TYPE_XDP, attachType: caller.attachType ?? 0 },
    kernel: { version: '6.12' },
    log,
    subprogs: { count: caller.functions ?? 1, list: [] },
    jit: { subprogTailCalls: caller.subprogTailCalls ?? true },
    jitRequested: true,
  } as unknown as ConstructorParameters<typeof VerifierEnv>[0]);
  try {
    checkMapFuncCompatibility(env, { type: mapType } as VerifierMap, funcId);
  } catch (refusal) {
    if (!(refusal instanceof Refusal)) throw refusal;
  }
  return log.text;
}

describe('maps and helpers', () => {
  it.each([
    [M.BPF_MAP_TYPE_HASH, F.BPF_FUNC_map_lookup_elem],
    [M.BPF_MAP_TYPE_HASH, F.BPF_FUNC_for_each_map_elem],
    [M.BPF_MAP_TYPE_PROG_ARRAY, F.BPF_FUNC_tail_call],
    [M.BPF_MAP_TYPE_XSKMAP, F.BPF_FUNC_map_lookup_elem],
    [M.BPF_MAP_TYPE_BLOOM_FILTER, F.BPF_FUNC_map_peek_elem],
    [M.BPF_MAP_TYPE_SOCKMAP, F.BPF_FUNC_map_update_elem],
    [M.BPF_MAP_TYPE_SOCKHASH, F.BPF_FUNC_sk_select_reuseport],
    [M.BPF_MAP_TYPE_TASK_STORAGE, F.BPF_FUNC_kptr_xchg],
    [M.BPF_MAP_TYPE_PERCPU_HASH, F.BPF_FUNC_map_lookup_percpu_elem],
  ])('type %i goes with helper %i', (mapType, funcId) => {
    expect(said(mapType, funcId)).toBe('');
  });

  it.each([
    [M.BPF_MAP_TYPE_PROG_ARRAY, F.BPF_FUNC_map_lookup_elem, 'cannot pass map_type 3 into func bpf_map_lookup_elem#1\n'],
    [M.BPF_MAP_TYPE_HASH, F.BPF_FUNC_tail_call, 'cannot pass map_type 1 into func bpf_tail_call#12\n'],
    [M.BPF_MAP_TYPE_CPUMAP, F.BPF_FUNC_map_lookup_elem, 'cannot pass map_type 16 into func bpf_map_lookup_elem#1\n'],
    [M.BPF_MAP_TYPE_BLOOM_FILTER, F.BPF_FUNC_map_pop_elem, 'cannot pass map_type 30 into func bpf_map_pop_elem#88\n'],
    [M.BPF_MAP_TYPE_HASH, F.BPF_FUNC_map_push_elem, 'cannot pass map_type 1 into func bpf_map_push_elem#87\n'],
    [M.BPF_MAP_TYPE_HASH, F.BPF_FUNC_ringbuf_reserve, 'cannot pass map_type 1 into func bpf_ringbuf_reserve#131\n'],
    [
      M.BPF_MAP_TYPE_SOCKMAP,
      F.BPF_FUNC_sock_hash_update,
      'cannot pass map_type 15 into func bpf_sock_hash_update#70\n',
    ],
    [
      M.BPF_MAP_TYPE_ARRAY,
      F.BPF_FUNC_map_lookup_percpu_elem,
      'cannot pass map_type 2 into func bpf_map_lookup_percpu_elem#195\n',
    ],
  ])('type %i does not go with helper %i', (mapType, funcId, text) => {
    expect(said(mapType, funcId)).toBe(text);
  });

  it('lets sockmaps be changed where no socket is locked', () => {
    const { BPF_FUNC_map_update_elem: update, BPF_FUNC_map_delete_elem: remove } = F;
    const iter = { type: P.BPF_PROG_TYPE_TRACING, attachType: bpf_attach_type.BPF_TRACE_ITER };
    expect(said(M.BPF_MAP_TYPE_SOCKMAP, update, iter)).toBe('');
    expect(said(M.BPF_MAP_TYPE_SOCKMAP, remove, { type: P.BPF_PROG_TYPE_SOCK_OPS })).toBe('');
    expect(said(M.BPF_MAP_TYPE_SOCKMAP, update, { type: P.BPF_PROG_TYPE_SOCK_OPS })).toBe(
      'cannot update sockmap in this context\ncannot pass map_type 15 into func bpf_map_update_elem#2\n',
    );
    expect(said(M.BPF_MAP_TYPE_SOCKHASH, F.BPF_FUNC_map_push_elem)).toBe(
      'cannot pass map_type 18 into func bpf_map_push_elem#87\n',
    );
  });

  it('lets programs of many functions make tail calls where the JIT can', () => {
    const call = (subprogTailCalls: boolean, functions: number): string =>
      said(M.BPF_MAP_TYPE_PROG_ARRAY, F.BPF_FUNC_tail_call, { subprogTailCalls, functions });
    expect(call(true, 2)).toBe('');
    expect(call(false, 1)).toBe('');
    expect(call(false, 2)).toBe('tail_calls are not allowed in non-JITed programs with bpf-to-bpf calls\n');
  });
});
