import { BPF_PSEUDO_KFUNC_CALL } from '../../isa/index.ts';
import { isArenaMap } from '../../maps/index.ts';
import { bpf_func_id, bpf_prog_type } from '../../uapi/index.ts';
import type { ReachedSlots } from '../../verifier/index.ts';
import type { EngineHost, EngineProgram } from '../types.ts';
import { knownConstants } from './known-constants.ts';
import { functionStarts, namedDepths, surveyOf } from './survey.ts';

const T = bpf_prog_type;

/** Program types whose contexts hold no pointers but those a run sets: what others hold is whatever ctx_in says. */
const OWN_POINTERS: ReadonlySet<number> = new Set([
  T.BPF_PROG_TYPE_SOCKET_FILTER,
  T.BPF_PROG_TYPE_SCHED_CLS,
  T.BPF_PROG_TYPE_SCHED_ACT,
  T.BPF_PROG_TYPE_XDP,
  T.BPF_PROG_TYPE_CGROUP_SKB,
  T.BPF_PROG_TYPE_LWT_IN,
  T.BPF_PROG_TYPE_LWT_OUT,
  T.BPF_PROG_TYPE_LWT_XMIT,
  T.BPF_PROG_TYPE_LWT_SEG6LOCAL,
  T.BPF_PROG_TYPE_SK_SKB,
  T.BPF_PROG_TYPE_KPROBE,
  T.BPF_PROG_TYPE_TRACEPOINT,
  T.BPF_PROG_TYPE_PERF_EVENT,
  T.BPF_PROG_TYPE_RAW_TRACEPOINT,
  T.BPF_PROG_TYPE_SYSCALL,
  T.BPF_PROG_TYPE_CGROUP_DEVICE,
  T.BPF_PROG_TYPE_CGROUP_SYSCTL,
  T.BPF_PROG_TYPE_CGROUP_SOCK,
  T.BPF_PROG_TYPE_LIRC_MODE2,
]);

/** Results that point to the kernel's own objects. */
const KERNEL_POINTERS: ReadonlySet<string> = new Set([
  'RET_PTR_TO_SOCKET',
  'RET_PTR_TO_TCP_SOCK',
  'RET_PTR_TO_SOCK_COMMON',
  'RET_PTR_TO_MEM_OR_BTF_ID',
  'RET_PTR_TO_BTF_ID',
]);

/** Fields of map values that hold pointers to kernel objects, or lead to them. */
const KERNEL_FIELDS: ReadonlySet<string> = new Set(['kptr', 'uptr', 'list_head', 'list_node', 'rb_root', 'rb_node']);

/**
 * Whether every pointer a verified program can follow is one the machine made. Pointers to kernel objects are not: there are
 * no such objects here, and where Linux would read one the machine has whatever somebody gave as a context, a symbol's
 * address, or the answer of a kernel function. Programs that may hold those check each access as unverified ones do.
 */
export function isTrusted(program: EngineProgram, host: EngineHost): boolean {
  if (program.proof?.ok !== true || !OWN_POINTERS.has(program.type)) return false;
  if (program.spec?.refs.some(ref => ref.kind === 'extern' && !ref.call) === true) return false;
  for (const map of host.maps) {
    if (isArenaMap(map) || map.def.fields?.some(({ kind }) => KERNEL_FIELDS.has(kind)) === true) return false;
  }
  const { insns } = program;
  for (const slot of surveyOf(insns).calls) {
    const { src, imm } = insns[slot];
    if (src === BPF_PSEUDO_KFUNC_CALL) return false;
    if (src !== 0) continue;
    const def = host.helper(imm);
    const protos = def === undefined ? [] : [def.proto, ...(def.variants ?? []).map(({ proto }) => proto)];
    if (protos.some(({ ret }) => KERNEL_POINTERS.has(ret))) return false;
  }
  // It may read the kernel's struct of a map, `ops` for one, where there is a handle here.
  return host.maps.length === 0 || ![...knownConstants(insns).bases].some(base => host.env.mapAt(base) !== undefined);
}

/**
 * Bytes of stack of each of the program's functions, as the verifier found; undefined where it did not count them. What it
 * leaves out, spills around calls that clobber nothing in the kernel, is counted in.
 */
export function stackDepths(program: EngineProgram): readonly number[] | undefined {
  const found = program.proof?.stats.stackDepth ?? [];
  const starts = functionStarts(program.insns, program.exceptionCallback);
  if (found.length < starts.length) return undefined;
  return namedDepths(program.insns, starts).map((depth, i) => Math.max(found[i], depth));
}

/**
 * What is touched of each function's frame other than through R10, as the verifier found; undefined where addresses may have come
 * there as numbers: by helpers that follow those, in this program or in one that a tail call out of a function leads to
 * while its callers' frames are in use.
 *
 * @param count how many functions the program has
 */
export function stackReach(
  { insns, proof }: EngineProgram,
  host: EngineHost,
  count: number,
): readonly ReachedSlots[] | undefined {
  const found = proof?.stats.stackReach;
  if (found === undefined || found.length < count) return undefined;
  for (const slot of surveyOf(insns).calls) {
    const { src, imm } = insns[slot];
    if (src === BPF_PSEUDO_KFUNC_CALL) return undefined;
    if (src !== 0) continue;
    const def = host.helper(imm);
    if (def === undefined || def.followsNumbers === true) return undefined;
    if (imm === bpf_func_id.BPF_FUNC_tail_call && count > 1) return undefined;
  }
  return found.slice(0, count);
}
