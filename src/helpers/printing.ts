import { ERRNO } from '../uapi/index.ts';
import { decodeText } from '../util/index.ts';
import { defineHelper } from './check.ts';
import { formatForBpf, MAX_VARARGS } from './format.ts';
import { readU64 } from './memory.ts';
import { CONST_STR, int, MEM_IN, MEM_IN_OR_NULL, MEM_OR_NULL, SIZE, SIZE_OR_ZERO } from './proto.ts';
import type { HelperDef, HelperEnv } from './types.ts';

/** Bytes of one trace line, NUL included (`kernel/bpf/helpers.c: MAX_BPRINTF_BUF`). */
const MAX_LINE_BYTES = 1024;

/** The u64 array at `addr`, or -EINVAL for a length that is none. */
export function varargs(env: HelperEnv, addr: number, size: number): bigint[] | number {
  if (size % 8 !== 0 || size > MAX_VARARGS * 8 || (size !== 0 && addr === 0)) return -ERRNO.EINVAL;
  return Array.from({ length: size / 8 }, (_, i) => readU64(env, addr + 8 * i));
}

function traceLine(env: HelperEnv, fmt: number, fmtSize: number, args: readonly bigint[]): number {
  const text = formatForBpf(env, env.mem.read(fmt, fmtSize), args);
  if (typeof text === 'number') return text;
  const nul = text.subarray(0, MAX_LINE_BYTES - 1).indexOf(0);
  env.trace(decodeText(text.subarray(0, nul < 0 ? MAX_LINE_BYTES - 1 : nul)));
  return text.length;
}

/** Text: the trace pipe and strings (`kernel/trace/bpf_trace.c`, `kernel/bpf/helpers.c`). */
export const PRINTING_HELPERS: readonly HelperDef[] = [
  defineHelper({
    id: 6,
    name: 'bpf_trace_printk',
    since: '4.1',
    followsNumbers: true,
    proto: int([MEM_IN, SIZE], 'gplOnly'),
    run: (env, fmt, size) => traceLine(env, fmt, size, [env.arg64(3), env.arg64(4), env.arg64(5)]),
  }),
  defineHelper({
    id: 177,
    name: 'bpf_trace_vprintk',
    since: '5.16',
    followsNumbers: true,
    proto: int([MEM_IN, SIZE, MEM_IN_OR_NULL, SIZE_OR_ZERO], 'gplOnly'),
    run: (env, fmt, size, args, argsSize) => {
      const values = varargs(env, args, argsSize);
      return typeof values === 'number' ? values : traceLine(env, fmt, size, values);
    },
  }),
  defineHelper({
    id: 165,
    name: 'bpf_snprintf',
    since: '5.13',
    followsNumbers: true,
    proto: int([MEM_OR_NULL, SIZE_OR_ZERO, CONST_STR, MEM_IN_OR_NULL, SIZE_OR_ZERO], 'gplOnly'),
    run: (env, dst, size, fmt, args, argsSize) => {
      const values = varargs(env, args, argsSize);
      if (typeof values === 'number') return values;
      const { u8 } = env.mem;
      const text = formatForBpf(env, u8.slice(fmt, u8.indexOf(0, fmt) + 1), values);
      if (typeof text === 'number') return text;
      if (size > 0) {
        const kept = text.subarray(0, size - 1);
        u8.set(kept, dst);
        u8[dst + kept.length] = 0;
      }
      return text.length + 1;
    },
  }),
];
