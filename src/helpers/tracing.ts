import { ERRNO } from '../uapi/index.ts';
import { defineHelper } from './check.ts';
import { percpuStride } from './kfuncs/owned-objects.ts';
import { readU64, writeU64 } from './memory.ts';
import {
  ANY,
  CTX,
  fixed,
  int,
  MEM,
  PERCPU_BTF,
  pointer,
  SIZE_OR_ZERO,
  TO_MEM_OR_BTF,
  TO_MEM_OR_BTF_OR_NULL,
} from './proto.ts';
import { DEFAULT_SYSCTL, type Sysctl } from './sysctl-setting.ts';
import type { HelperDef, HelperEnv } from './types.ts';

const { EINVAL, EOPNOTSUPP, ENOENT, EBADF } = ERRNO;

/** Settings of the current run that helpers tell the program, and what it tells back. */
export interface RunAttributes {
  /** `bpf_get_attach_cookie` */
  cookie: bigint;
  /** `bpf_get_func_ip` */
  funcIp: bigint;
  /** Arguments of the traced function in the context of a tracing program. */
  argCount: number;
  /** Whether a return value follows them. */
  hasRet: boolean;
  /** `bpf_get_retval`, `bpf_set_retval` */
  retval: number;
  /** What programs on settings are asked about. */
  sysctl: Sysctl;
  /** What `bpf_override_return` asked for. */
  override: bigint | undefined;
}

const ATTRIBUTES = Symbol('run attributes');

/** The attributes of the current run; the machine sets them before it starts. */
export function runAttributes(env: Pick<HelperEnv, 'state'>): RunAttributes {
  return env.state<RunAttributes>(ATTRIBUTES, () => ({
    cookie: 0n,
    funcIp: 0n,
    argCount: 0,
    hasRet: false,
    retval: 0,
    sysctl: DEFAULT_SYSCTL,
    override: undefined,
  }));
}

/** `kernel/trace/bpf_trace.c`, `kernel/bpf/cgroup.c`: the event that started the program. */
export const TRACING_HELPERS: readonly HelperDef[] = [
  defineHelper({
    id: 173,
    name: 'bpf_get_func_ip',
    since: '5.15',
    proto: int([CTX], 'gplOnly'),
    run: env => runAttributes(env).funcIp,
  }),
  defineHelper({
    id: 174,
    name: 'bpf_get_attach_cookie',
    since: '5.15',
    proto: int([CTX]),
    run: env => runAttributes(env).cookie,
  }),
  defineHelper({
    id: 183,
    name: 'bpf_get_func_arg',
    since: '5.17',
    proto: int([CTX, ANY, fixed(8, 'MEM_UNINIT', 'MEM_WRITE', 'MEM_ALIGNED')]),
    run: (env, ctx, n, value) => {
      if (env.regs[5] !== 0 || n >= runAttributes(env).argCount) return -EINVAL;
      writeU64(env, value, readU64(env, ctx + 8 * n));
      return 0;
    },
  }),
  defineHelper({
    id: 184,
    name: 'bpf_get_func_ret',
    since: '5.17',
    proto: int([CTX, fixed(8, 'MEM_UNINIT', 'MEM_WRITE', 'MEM_ALIGNED')]),
    run: (env, ctx, value) => {
      const { argCount, hasRet } = runAttributes(env);
      if (!hasRet) return -EOPNOTSUPP;
      writeU64(env, value, readU64(env, ctx + 8 * argCount));
      return 0;
    },
  }),
  defineHelper({
    id: 185,
    name: 'bpf_get_func_arg_cnt',
    since: '5.17',
    proto: int([CTX]),
    run: env => runAttributes(env).argCount,
  }),
  defineHelper({
    id: 58,
    name: 'bpf_override_return',
    since: '4.16',
    proto: int([CTX, ANY], 'gplOnly'),
    run: env => {
      runAttributes(env).override = env.arg64(2);
      return 0;
    },
  }),
  defineHelper({ id: 186, name: 'bpf_get_retval', since: '5.18', proto: int(), run: env => runAttributes(env).retval }),
  defineHelper({
    id: 187,
    name: 'bpf_set_retval',
    since: '5.18',
    proto: int([ANY]),
    run: (env, retval) => {
      runAttributes(env).retval = retval | 0;
      return 0;
    },
  }),
  defineHelper({
    id: 153,
    name: 'bpf_per_cpu_ptr',
    since: '5.10',
    proto: pointer(TO_MEM_OR_BTF_OR_NULL, [PERCPU_BTF, ANY]),
    // A variable of the kernel is one for all CPUs here.
    run: (env, ptr, cpu) => (cpu >= env.cpuCount ? 0 : ptr + cpu * percpuStride(env, ptr)),
  }),
  defineHelper({
    id: 154,
    name: 'bpf_this_cpu_ptr',
    since: '5.10',
    proto: pointer(TO_MEM_OR_BTF, [PERCPU_BTF]),
    run: (env, ptr) => ptr + env.cpu * percpuStride(env, ptr),
  }),
  defineHelper({ id: 168, name: 'bpf_sys_close', since: '5.14', proto: int([ANY]), run: () => -EBADF }),
  // No symbol has an address here.
  defineHelper({
    id: 179,
    name: 'bpf_kallsyms_lookup_name',
    since: '5.16',
    proto: int([MEM, SIZE_OR_ZERO, ANY, fixed(8, 'MEM_UNINIT', 'MEM_WRITE', 'MEM_ALIGNED')]),
    run: (env, name, size, flags, result) => {
      if (flags !== 0 || size <= 1 || env.mem.u8[name + size - 1] !== 0) return -EINVAL;
      writeU64(env, result, 0n);
      return -ENOENT;
    },
  }),
];
