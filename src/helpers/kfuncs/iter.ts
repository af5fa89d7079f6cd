import { BPF_FLAGS, ERRNO } from '../../uapi/index.ts';
import { readablePlace, readU32, readU64, writeU32, writeU64 } from '../memory.ts';
import { ANY, fixed } from '../proto.ts';
import type { HelperDef, HelperEnv } from '../types.ts';
import { returning, silent } from './define.ts';

const { EINVAL, E2BIG, EFAULT } = ERRNO;

/** `struct bpf_iter_num`: the number handed out last, then the end. */
const NUM = fixed(8, 'MEM_WRITE');

function numNew(env: HelperEnv, at: number, startArg: number, endArg: number): number {
  const start = startArg | 0;
  const end = endArg | 0;
  const error = start > end ? -EINVAL : end - start > BPF_FLAGS.BPF_MAX_LOOPS ? -E2BIG : 0;
  writeU32(env, at, error === 0 ? (start - 1) >>> 0 : 0);
  writeU32(env, at + 4, error === 0 ? end >>> 0 : 0);
  return error;
}

function numNext(env: HelperEnv, at: number): number {
  const end = readU32(env, at + 4) | 0;
  // An int addition: `start - 1` of the smallest int wraps, and this wraps it back.
  const next = ((readU32(env, at) | 0) + 1) | 0;
  if (next >= end) {
    env.mem.u8.fill(0, at, at + 8);
    return 0;
  }
  writeU32(env, at, next >>> 0);
  return at;
}

/** `struct bpf_iter_bits`: the bits themselves or a pointer to them, their number, the bit handed out last. */
const BITS = fixed(16, 'MEM_WRITE');
const MAX_WORDS = 511;

function bitsNew(env: HelperEnv, at: number, _from: number, words: number): number {
  writeU64(env, at, 0n);
  writeU32(env, at + 8, 0);
  writeU32(env, at + 12, 0xffffffff);
  const from = env.arg64(2);
  if (from === 0n || words === 0) return -EINVAL;
  if (words > MAX_WORDS) return -E2BIG;
  const place = readablePlace(env, from, 8 * words);
  if (place < 0) return -EFAULT;
  if (words === 1) writeU64(env, at, readU64(env, place));
  else {
    const copy = env.mem.alloc(8 * words);
    blocksOf(env).add(copy);
    env.mem.u8.copyWithin(copy, place, place + 8 * words);
    writeU64(env, at, BigInt(copy));
  }
  writeU32(env, at + 8, 64 * words);
  return 0;
}

const BLOCKS = Symbol('bits iterators');

/** Blocks that hold the bits of long iterators: what a program's own bytes name is no reason to read or free it. */
const blocksOf = (env: HelperEnv): Set<number> => env.state<Set<number>>(BLOCKS, () => new Set());

/** The block an iterator names, 0 when it is none of ours. */
function blockAt(env: HelperEnv, at: number): number {
  const addr = Number(readU64(env, at));
  return blocksOf(env).has(addr) ? addr : 0;
}

function bitsNext(env: HelperEnv, at: number): number {
  const count = readU32(env, at + 8);
  const bit = readU32(env, at + 12) | 0;
  if (count === 0 || bit >= count) return 0;
  const base = count === 64 ? at : blockAt(env, at);
  if (base === 0 || count > 64 * MAX_WORDS) return 0;
  let next = bit + 1;
  for (; next < count; next++) {
    const word = readU64(env, base + 8 * (next >>> 6));
    if (((word >> BigInt(next & 63)) & 1n) === 1n) break;
  }
  writeU32(env, at + 12, next);
  return next >= count ? 0 : at + 12;
}

/** Open-coded iterators (`kernel/bpf/bpf_iter.c`, `kernel/bpf/helpers.c`). */
export const ITER_KFUNCS: readonly HelperDef[] = [
  returning('bpf_iter_num_new', '6.4', [NUM, ANY, ANY], numNew),
  returning('bpf_iter_num_next', '6.4', [NUM], numNext),
  silent('bpf_iter_num_destroy', '6.4', [NUM], (env, at) => {
    env.mem.u8.fill(0, at, at + 8);
    return 0;
  }),
  returning('bpf_iter_bits_new', '6.11', [BITS, ANY, ANY], bitsNew),
  returning('bpf_iter_bits_next', '6.11', [BITS], bitsNext),
  silent('bpf_iter_bits_destroy', '6.11', [BITS], (env, at) => {
    const block = readU32(env, at + 8) > 64 ? blockAt(env, at) : 0;
    if (block !== 0) {
      blocksOf(env).delete(block);
      env.mem.free(block);
    }
    env.mem.u8.fill(0, at, at + 16);
    return 0;
  }),
];
