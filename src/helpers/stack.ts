import { isStackTraceMap } from '../maps/index.ts';
import { bpf_prog_type, ERRNO } from '../uapi/index.ts';
import { defineHelper } from './check.ts';
import { writeU64 } from './memory.ts';
import { ANY, btf, CTX, int, MAP, MEM_IN, MEM_OUT, SIZE_OR_ZERO } from './proto.ts';
import type { HelperDef, HelperEnv } from './types.ts';

const { EINVAL, EFAULT } = ERRNO;
const SKIP_MASK = 0xffn;
const USER_STACK = 0x100n;
const FAST_STACK_CMP = 0x200n;
const REUSE_STACKID = 0x400n;
const USER_BUILD_ID = 0x800n;

/**
 * The stack of the running program: one frame, at the address its context stands for. A machine has no kernel stack
 * below its programs.
 */
const stackOf = (env: HelperEnv): readonly bigint[] => [BigInt(env.ctxAddr)];

function getStackid(env: HelperEnv, _ctx: number, mapAddr: number): number {
  const flags = env.arg64(3);
  if ((flags & ~(SKIP_MASK | USER_STACK | FAST_STACK_CMP | REUSE_STACKID)) !== 0n) return -EINVAL;
  const map = env.mapAt(mapAddr)!;
  const ips = stackOf(env).slice(Number(flags & SKIP_MASK));
  if ((flags & USER_STACK) !== 0n || ips.length === 0 || !isStackTraceMap(map)) return -EFAULT;
  return map.storeStack(ips, Number(flags & (FAST_STACK_CMP | REUSE_STACKID)));
}

/** `__bpf_get_stack`: bytes written, the rest of the buffer zero. */
function getStack(env: HelperEnv, _ctx: number, buf: number, size: number): number {
  const flags = env.arg64(4);
  const bad = (flags & ~(SKIP_MASK | USER_STACK | USER_BUILD_ID)) !== 0n;
  const buildIdOfKernel = (flags & USER_BUILD_ID) !== 0n && (flags & USER_STACK) === 0n;
  env.mem.u8.fill(0, buf, buf + size);
  if (bad || buildIdOfKernel || size % 8 !== 0) return -EINVAL;
  if ((flags & USER_STACK) !== 0n) return -EFAULT;
  const ips = stackOf(env).slice(Number(flags & SKIP_MASK), Number(flags & SKIP_MASK) + size / 8);
  if (ips.length === 0 && size > 0) return -EFAULT;
  ips.forEach((ip, i) => {
    writeU64(env, buf + 8 * i, ip);
  });
  return 8 * ips.length;
}

/** Stack traces (`kernel/bpf/stackmap.c`). */
export const STACK_HELPERS: readonly HelperDef[] = [
  defineHelper({
    id: 27,
    name: 'bpf_get_stackid',
    since: '4.6',
    proto: int([CTX, MAP, ANY], 'gplOnly'),
    variants: [{ progTypes: [bpf_prog_type.BPF_PROG_TYPE_PERF_EVENT], proto: int([CTX, MAP, ANY]) }],
    run: getStackid,
  }),
  defineHelper({
    id: 67,
    name: 'bpf_get_stack',
    since: '4.18',
    proto: int([CTX, MEM_OUT, SIZE_OR_ZERO, ANY], 'gplOnly'),
    variants: [
      {
        progTypes: [
          bpf_prog_type.BPF_PROG_TYPE_RAW_TRACEPOINT,
          bpf_prog_type.BPF_PROG_TYPE_RAW_TRACEPOINT_WRITABLE,
          bpf_prog_type.BPF_PROG_TYPE_TRACING,
        ],
        proto: int([CTX, MEM_IN, SIZE_OR_ZERO, ANY], 'gplOnly'),
      },
    ],
    run: getStack,
  }),
  defineHelper({
    id: 141,
    name: 'bpf_get_task_stack',
    since: '5.9',
    proto: int([btf('task_struct'), MEM_OUT, SIZE_OR_ZERO, ANY]),
    run: getStack,
  }),
];
