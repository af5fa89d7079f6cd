import { ERRNO } from '../uapi/index.ts';
import { defineHelper } from './check.ts';
import { writeU64 } from './memory.ts';
import { ANY, CONST_STR, fixed, int, MEM_IN, SIZE } from './proto.ts';
import type { HelperDef, HelperEnv } from './types.ts';

const isSpace = (byte: number): boolean => byte === 0x20 || (byte >= 0x09 && byte <= 0x0d) || byte === 0xa0;

/** The value of a digit in bases up to 16; 99 for anything else. */
function digitOf(byte: number): number {
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30;
  const lower = byte | 0x20;
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x61 + 10 : 99;
}

/** Longest stretch of digits Linux looks at (`__bpf_strtoull: str[64]`). */
const MAX_DIGITS = 63;

interface Parsed {
  readonly value: bigint;
  readonly negative: boolean;
  readonly consumed: number;
}

/** `kernel/bpf/helpers.c: __bpf_strtoull`; a negative number is -errno. */
function parseInteger(bytes: Uint8Array, flags: bigint): Parsed | number {
  let base = Number(flags & 31n);
  if ((base !== 0 && base !== 8 && base !== 10 && base !== 16) || flags > 31n || bytes.length === 0)
    return -ERRNO.EINVAL;
  let at = 0;
  while (at < bytes.length && isSpace(bytes[at])) at++;
  const negative = bytes[at] === 0x2d;
  if (negative) at++;
  if (at >= bytes.length) return -ERRNO.EINVAL;
  const end = Math.min(bytes.length, at + MAX_DIGITS);
  const prefixed = bytes[at] === 0x30 && (bytes[at + 1] | 0x20) === 0x78 && at + 1 < end;
  if (base === 0) base = prefixed && digitOf(bytes[at + 2]) < 16 && at + 2 < end ? 16 : bytes[at] === 0x30 ? 8 : 10;
  if (base === 16 && prefixed) at += 2;
  let value = 0n;
  const first = at;
  for (; at < end; at++) {
    const digit = digitOf(bytes[at]);
    if (digit >= base) break;
    value = value * BigInt(base) + BigInt(digit);
  }
  if (value >= 1n << 64n) return -ERRNO.ERANGE;
  return at === first ? -ERRNO.EINVAL : { value, negative, consumed: at };
}

function strtol(env: HelperEnv, buf: number, size: number, _flags: number, result: number): number {
  writeU64(env, result, 0n);
  const parsed = parseInteger(env.mem.read(buf, size), env.arg64(3));
  if (typeof parsed === 'number') return parsed;
  const limit = 1n << 63n;
  if (parsed.value > (parsed.negative ? limit : limit - 1n)) return -ERRNO.ERANGE;
  writeU64(env, result, parsed.negative ? -parsed.value : parsed.value);
  return parsed.consumed;
}

function strtoul(env: HelperEnv, buf: number, size: number, _flags: number, result: number): number {
  writeU64(env, result, 0n);
  const parsed = parseInteger(env.mem.read(buf, size), env.arg64(3));
  if (typeof parsed === 'number') return parsed;
  if (parsed.negative) return -ERRNO.EINVAL;
  writeU64(env, result, parsed.value);
  return parsed.consumed;
}

/** `kernel/bpf/helpers.c`: numbers in text, and comparison of text. */
export const STRING_HELPERS: readonly HelperDef[] = [
  defineHelper({
    id: 105,
    name: 'bpf_strtol',
    since: '5.2',
    proto: int([MEM_IN, SIZE, ANY, fixed(8, 'MEM_UNINIT', 'MEM_WRITE', 'MEM_ALIGNED')]),
    run: strtol,
  }),
  defineHelper({
    id: 106,
    name: 'bpf_strtoul',
    since: '5.2',
    proto: int([MEM_IN, SIZE, ANY, fixed(8, 'MEM_UNINIT', 'MEM_WRITE', 'MEM_ALIGNED')]),
    run: strtoul,
  }),
  defineHelper({
    id: 182,
    name: 'bpf_strncmp',
    since: '5.17',
    proto: int([MEM_IN, SIZE, CONST_STR]),
    run: (env, s1, size, s2) => {
      const { u8 } = env.mem;
      for (let i = 0; i < size; i++) {
        const a = u8[s1 + i];
        const b = u8[s2 + i];
        if (a !== b) return a < b ? -1 : 1;
        if (a === 0) return 0;
      }
      return 0;
    },
  }),
];
