import { ERRNO } from '../uapi/index.ts';
import { defineHelper } from './check.ts';
import { readablePlace } from './memory.ts';
import { ANY, btf, int, MEM_IN, MEM_OUT, SIZE, SIZE_OR_ZERO } from './proto.ts';
import type { HelperDef, HelperEnv } from './types.ts';

/** Copies `size` bytes from anywhere; what cannot be read is zeroes and -EFAULT. */
function probeRead(env: HelperEnv, dst: number, size: number): number {
  if (size === 0) return 0;
  const src = readablePlace(env, env.arg64(3), size);
  if (src < 0) {
    env.mem.u8.fill(0, dst, dst + size);
    return -ERRNO.EFAULT;
  }
  env.mem.u8.copyWithin(dst, src, src + size);
  return 0;
}

/** Copies a string with its NUL, cut to `size`; returns its length with the NUL (`strncpy_from_kernel_nofault`). */
function probeReadStr(env: HelperEnv, dst: number, size: number): number {
  if (size === 0) return 0;
  const { mem } = env;
  const src = readablePlace(env, env.arg64(3), 1);
  if (src >= 0) {
    const end = mem.u8.subarray(src, src + size).indexOf(0);
    const copied = end < 0 ? size - 1 : end;
    const read = end < 0 ? size : end + 1;
    if (mem.accessible(src, read, 'read') !== undefined) {
      mem.u8.copyWithin(dst, src, src + copied);
      mem.u8[dst + copied] = 0;
      return copied + 1;
    }
  }
  mem.u8.fill(0, dst, dst + size);
  return -ERRNO.EFAULT;
}

/**
 * Reading any address without faulting (`kernel/trace/bpf_trace.c`).
 *
 * Differs from Linux: kernel and user memory are one; an address is readable if the program could read it itself.
 */
export const PROBE_HELPERS: readonly HelperDef[] = [
  defineHelper({
    id: 4,
    name: 'bpf_probe_read',
    since: '4.1',
    followsNumbers: true,
    proto: int([MEM_OUT, SIZE_OR_ZERO, ANY], 'gplOnly'),
    run: probeRead,
  }),
  defineHelper({
    id: 113,
    name: 'bpf_probe_read_kernel',
    since: '5.5',
    followsNumbers: true,
    proto: int([MEM_OUT, SIZE_OR_ZERO, ANY], 'gplOnly'),
    run: probeRead,
  }),
  defineHelper({
    id: 112,
    name: 'bpf_probe_read_user',
    since: '5.5',
    followsNumbers: true,
    proto: int([MEM_OUT, SIZE_OR_ZERO, ANY], 'gplOnly'),
    run: probeRead,
  }),
  defineHelper({
    id: 45,
    name: 'bpf_probe_read_str',
    since: '4.11',
    followsNumbers: true,
    proto: int([MEM_OUT, SIZE_OR_ZERO, ANY], 'gplOnly'),
    run: probeReadStr,
  }),
  defineHelper({
    id: 115,
    name: 'bpf_probe_read_kernel_str',
    since: '5.5',
    followsNumbers: true,
    proto: int([MEM_OUT, SIZE_OR_ZERO, ANY], 'gplOnly'),
    run: probeReadStr,
  }),
  defineHelper({
    id: 114,
    name: 'bpf_probe_read_user_str',
    since: '5.5',
    followsNumbers: true,
    proto: int([MEM_OUT, SIZE_OR_ZERO, ANY], 'gplOnly'),
    run: probeReadStr,
  }),
  defineHelper({
    id: 148,
    name: 'bpf_copy_from_user',
    since: '5.10',
    followsNumbers: true,
    proto: int([MEM_OUT, SIZE_OR_ZERO, ANY], 'mightSleep'),
    run: probeRead,
  }),
  defineHelper({
    id: 191,
    name: 'bpf_copy_from_user_task',
    since: '5.18',
    followsNumbers: true,
    proto: int([MEM_OUT, SIZE_OR_ZERO, ANY, btf('task_struct'), ANY], 'gplOnly', 'mightSleep'),
    run: (env, dst, size) => (env.arg64(5) === 0n ? probeRead(env, dst, size) : -ERRNO.EINVAL),
  }),
  defineHelper({
    id: 36,
    name: 'bpf_probe_write_user',
    since: '4.8',
    followsNumbers: true,
    proto: int([ANY, MEM_IN, SIZE], 'gplOnly'),
    run: (env, dst, src, size) => {
      const high = env.regs[3];
      if (high !== 0 || dst === 0 || env.mem.accessible(dst, size, 'write') === undefined) return -ERRNO.EPERM;
      env.mem.u8.copyWithin(dst, src, src + size);
      return 0;
    },
  }),
];
