import { ERRNO } from '../uapi/index.ts';
import { encodeText } from '../util/index.ts';
import { defineHelper } from './check.ts';
import { readablePlace, readU32, writeU32 } from './memory.ts';
import { ANY, btf, int, MEM, MEM_OUT, pointer, SIZE, SIZE_OR_ZERO, toBtf } from './proto.ts';
import { currentTaskAddr, kernelObject } from './task.ts';
import type { HelperDef, HelperEnv } from './types.ts';

const { EINVAL, ENAMETOOLONG, EOPNOTSUPP, EFAULT } = ERRNO;
/** `struct file` and `struct path` of Linux 6.12. */
const FILE_BYTES = 184;
const PATH_BYTES = 16;
const PT_REGS_BYTES = 168;
const FILE = Symbol('executable of the current task');
const REGS = Symbol('registers of the current task');

/** The `struct file` of the current task's executable. */
export const executableFile = (env: HelperEnv): number => env.state(FILE, () => kernelObject(env, 'file', FILE_BYTES));

/**
 * `d_path`: the executable's path, which is the one path there is; -errno where `path` leads to none.
 * Source: `kernel/trace/bpf_trace.c: bpf_d_path`.
 */
export function pathText(env: HelperEnv, path: number, to: number, size: number): number {
  if (readablePlace(env, path, PATH_BYTES) < 0) return -EFAULT;
  const bytes = encodeText(`/${env.task.comm}\0`);
  if (bytes.length > size) return -ENAMETOOLONG;
  env.mem.write(to, bytes);
  return bytes.length;
}

/** `struct linux_binprm`'s member in 6.12: a bit of the word. */
const SECUREEXEC = { off: 40, bit: 2 } as const;

/** Files, programs that are started, and what a task was doing (`kernel/trace/bpf_trace.c`, `kernel/bpf/bpf_lsm.c`). */
export const FILE_HELPERS: readonly HelperDef[] = [
  defineHelper({
    id: 147,
    name: 'bpf_d_path',
    since: '5.10',
    proto: int([btf('path'), MEM, SIZE_OR_ZERO]),
    run: (env, path, to, size) => (size === 0 ? 0 : pathText(env, path, to, size)),
  }),
  defineHelper({
    id: 159,
    name: 'bpf_bprm_opts_set',
    since: '5.11',
    proto: int([btf('linux_binprm'), ANY]),
    run: (env, bprm) => {
      const flags = env.arg64(2);
      if (flags > 1n) return -EINVAL;
      const at = bprm + SECUREEXEC.off;
      if (env.mem.accessible(at, 4, 'write') !== undefined) {
        const word = readU32(env, at);
        writeU32(env, at, flags === 1n ? word | (1 << SECUREEXEC.bit) : word & ~(1 << SECUREEXEC.bit));
      }
      return 0;
    },
  }),
  // Nothing is measured.
  defineHelper({
    id: 161,
    name: 'bpf_ima_inode_hash',
    since: '5.11',
    proto: int([btf('inode'), MEM_OUT, SIZE], 'mightSleep'),
    run: () => -EOPNOTSUPP,
  }),
  defineHelper({
    id: 193,
    name: 'bpf_ima_file_hash',
    since: '5.18',
    proto: int([btf('file'), MEM_OUT, SIZE], 'mightSleep'),
    run: () => -EOPNOTSUPP,
  }),
  // No file is a socket.
  defineHelper({
    id: 162,
    name: 'bpf_sock_from_file',
    since: '5.11',
    proto: pointer(toBtf('socket', 'PTR_MAYBE_NULL'), [btf('file')]),
    run: () => 0,
  }),
  defineHelper({
    id: 175,
    name: 'bpf_task_pt_regs',
    since: '5.15',
    proto: pointer(toBtf('pt_regs'), [btf('task_struct')], 'gplOnly'),
    run: (env, task) =>
      task === currentTaskAddr(env) ? env.state(REGS, () => kernelObject(env, 'pt_regs', PT_REGS_BYTES)) : 0,
  }),
];
