import { ERRNO } from '../uapi/index.ts';
import { encodeText } from '../util/index.ts';
import { defineHelper } from './check.ts';
import { readU32 } from './memory.ts';
import { ANY, CTX, int, MEM, MEM_IN, MEM_OUT, SIZE } from './proto.ts';
import { runAttributes } from './tracing.ts';
import type { HelperDef, HelperEnv } from './types.ts';

const { EINVAL, E2BIG } = ERRNO;
/** Without its directories. */
const BASE_NAME = 1n;
const PAGE_BYTES = 4096;

/** Text with its NUL into a buffer (`strscpy`): its length, or -E2BIG when it is cut. */
function copyText(env: HelperEnv, text: string, to: number, size: number): number {
  const bytes = encodeText(text);
  const kept = bytes.subarray(0, size - 1);
  env.mem.write(to, kept);
  env.mem.u8[to + kept.length] = 0;
  return kept.length < bytes.length ? -E2BIG : bytes.length;
}

/** Source: `kernel/bpf/cgroup.c: copy_sysctl_value`. */
function copyValue(env: HelperEnv, value: Uint8Array | undefined, to: number, size: number): number {
  env.mem.u8.fill(0, to, to + size);
  if (value === undefined || value.length === 0) return -EINVAL;
  env.mem.write(to, value.subarray(0, size));
  if (size > value.length) return value.length;
  env.mem.u8[to + size - 1] = 0;
  return -E2BIG;
}

const isWrite = (env: HelperEnv): boolean => readU32(env, env.ctxAddr) !== 0;

/** The setting that is read or written (`kernel/bpf/cgroup.c`); see `RunRequest.sysctl`. */
export const SYSCTL_HELPERS: readonly HelperDef[] = [
  defineHelper({
    id: 101,
    name: 'bpf_sysctl_get_name',
    since: '5.2',
    proto: int([CTX, MEM, SIZE, ANY]),
    run: (env, _ctx, to, size) => {
      const { name } = runAttributes(env).sysctl;
      const base = (env.arg64(4) & BASE_NAME) !== 0n;
      return copyText(env, base ? name.slice(name.lastIndexOf('/') + 1) : name, to, size);
    },
  }),
  defineHelper({
    id: 102,
    name: 'bpf_sysctl_get_current_value',
    since: '5.2',
    proto: int([CTX, MEM_OUT, SIZE]),
    run: (env, _ctx, to, size) => copyValue(env, runAttributes(env).sysctl.current, to, size),
  }),
  defineHelper({
    id: 103,
    name: 'bpf_sysctl_get_new_value',
    since: '5.2',
    proto: int([CTX, MEM_OUT, SIZE]),
    run: (env, _ctx, to, size) => copyValue(env, isWrite(env) ? runAttributes(env).sysctl.next : undefined, to, size),
  }),
  defineHelper({
    id: 104,
    name: 'bpf_sysctl_set_new_value',
    since: '5.2',
    proto: int([CTX, MEM_IN, SIZE]),
    run: (env, _ctx, from, size) => {
      const { sysctl } = runAttributes(env);
      if (!isWrite(env) || sysctl.next === undefined || sysctl.next.length === 0) return -EINVAL;
      if (size > PAGE_BYTES - 1) return -E2BIG;
      sysctl.next = env.mem.read(from, size);
      return 0;
    },
  }),
];
