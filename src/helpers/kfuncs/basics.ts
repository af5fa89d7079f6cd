import { ERRNO } from '../../uapi/index.ts';
import { readString } from '../memory.ts';
import { ANY, CTX, fixed, MEM_OUT, SIZE_OR_ZERO } from '../proto.ts';
import { currentTaskAddr } from '../task.ts';
import { runAttributes } from '../tracing.ts';
import { type HelperDef, type HelperEnv, ProgramThrow } from '../types.ts';
import { returning, silent } from './define.ts';

const { EINVAL, EFAULT, EOPNOTSUPP } = ERRNO;
const PAD_ZEROS = 1n;

/** `bpf_copy_from_user_str`: bytes written with the NUL. */
function copyFromUserStr(env: HelperEnv, dst: number, size: number): number {
  const flags = env.arg64(4);
  if (flags > PAD_ZEROS) return -EINVAL;
  if (size === 0) return 0;
  const { u8 } = env.mem;
  const text = readString(env, env.arg64(3), size - 1) ?? (size === 1 ? new Uint8Array(0) : undefined);
  if (text === undefined) {
    if (flags === PAD_ZEROS) u8.fill(0, dst, dst + size);
    return -EFAULT;
  }
  u8.set(text, dst);
  u8.fill(0, dst + text.length, flags === PAD_ZEROS ? dst + size : dst + text.length + 1);
  return text.length + 1;
}

const same = (_env: HelperEnv, pointer: number): number => pointer;
/** Drivers without hardware metadata, the loopback device among them. */
const noMetadata = (): number => -EOPNOTSUPP;
const U64_OUT = fixed(8, 'MEM_UNINIT', 'MEM_WRITE');
const U32_OUT = fixed(4, 'MEM_UNINIT', 'MEM_WRITE');

/** Casts, sections and objects (`kernel/bpf/helpers.c`). One thread runs a machine: entering a section is nothing. */
export const BASIC_KFUNCS: readonly HelperDef[] = [
  returning('bpf_cast_to_kern_ctx', '6.2', [CTX], same),
  returning('bpf_rdonly_cast', '6.2', [ANY, ANY], env => env.arg64(1)),
  silent('bpf_throw', '6.7', [ANY], env => {
    throw new ProgramThrow(env.arg64(1));
  }),
  silent('bpf_rcu_read_lock', '6.2', []),
  silent('bpf_rcu_read_unlock', '6.2', []),
  silent('bpf_preempt_disable', '6.10', []),
  silent('bpf_preempt_enable', '6.10', []),
  silent('bpf_local_irq_save', '6.14', [U64_OUT]),
  silent('bpf_local_irq_restore', '6.14', [U64_OUT]),
  returning('bpf_copy_from_user_str', '6.12', [MEM_OUT, SIZE_OR_ZERO], copyFromUserStr),
  returning('bpf_task_acquire', '6.2', [ANY], env => env.arg64(1)),
  silent('bpf_task_release', '6.2', [ANY]),
  returning('bpf_task_from_pid', '6.2', [ANY], (env, pid) => (pid === env.task.pid ? currentTaskAddr(env) : 0)),
  returning('bpf_get_current_task_btf', '6.14', [], env => currentTaskAddr(env)),
  returning('bpf_cgroup_acquire', '6.2', [ANY], env => env.arg64(1)),
  silent('bpf_cgroup_release', '6.2', [ANY]),
  returning('bpf_cgroup_from_id', '6.4', [ANY], () => 0),
  returning('bpf_cgroup_ancestor', '6.2', [ANY, ANY], () => 0),
  returning('bpf_task_under_cgroup', '6.5', [ANY, ANY], () => 0),
  returning('bpf_task_get_cgroup1', '6.8', [ANY, ANY], () => 0),
  returning('bpf_session_is_return', '6.10', [], env => (runAttributes(env).hasRet ? 1 : 0)),
  returning('bpf_xdp_metadata_rx_timestamp', '6.3', [CTX, U64_OUT], noMetadata),
  returning('bpf_xdp_metadata_rx_hash', '6.3', [CTX, U32_OUT, U32_OUT], noMetadata),
  returning(
    'bpf_xdp_metadata_rx_vlan_tag',
    '6.8',
    [CTX, fixed(2, 'MEM_UNINIT', 'MEM_WRITE'), fixed(2, 'MEM_UNINIT', 'MEM_WRITE')],
    noMetadata,
  ),
];
