import { ERRNO } from '../../uapi/index.ts';
import { executableFile, pathText } from '../files.ts';
import { ANY, MEM_OUT, SIZE_OR_ZERO } from '../proto.ts';
import { currentTaskAddr, kernelObject } from '../task.ts';
import type { HelperDef, HelperEnv } from '../types.ts';
import { returning, silent } from './define.ts';

const { EINVAL, EOPNOTSUPP, ENODATA } = ERRNO;
const KEY = Symbol('system keyring');
const KEY_BYTES = 16;
/** `VERIFY_USE_PLATFORM_KEYRING`, the last of the keyrings the kernel itself has. */
const LAST_SYSTEM_KEYRING = 2n;

const noAttribute = (): number => -ENODATA;

/** Files, keys and statistics (`fs/bpf_fs_kfuncs.c`, `kernel/trace/bpf_trace.c`, `kernel/cgroup/rstat.c`). */
export const FILE_KFUNCS: readonly HelperDef[] = [
  returning('bpf_get_task_exe_file', '6.12', [ANY], (env, task) =>
    task === currentTaskAddr(env) ? executableFile(env) : 0,
  ),
  silent('bpf_put_file', '6.12', [ANY]),
  returning('bpf_path_d_path', '6.12', [ANY, MEM_OUT, SIZE_OR_ZERO], (env, path, to, size) =>
    size === 0 ? -EINVAL : pathText(env, path, to, size),
  ),
  returning('bpf_get_dentry_xattr', '6.12', [ANY, ANY, ANY], noAttribute),
  returning('bpf_get_file_xattr', '6.8', [ANY, ANY, ANY], noAttribute),
  returning('bpf_get_fsverity_digest', '6.8', [ANY, ANY], noAttribute),
  // User space has put no keys anywhere.
  returning('bpf_lookup_user_key', '6.1', [ANY, ANY], () => 0),
  returning('bpf_lookup_system_key', '6.1', [ANY], (env: HelperEnv) =>
    env.arg64(1) > LAST_SYSTEM_KEYRING ? 0 : env.state(KEY, () => kernelObject(env, 'bpf_key', KEY_BYTES)),
  ),
  silent('bpf_key_put', '6.1', [ANY]),
  silent('cgroup_rstat_updated', '6.1', [ANY, ANY]),
  silent('cgroup_rstat_flush', '6.1', [ANY]),
  returning('bpf_sock_destroy', '6.5', [ANY], () => -EOPNOTSUPP),
];
