import { CALL, type Insn } from '../../src/isa/index.ts';
import type { Random } from './random.ts';

const INTERESTING_U32 = [
  0, 1, 2, 7, 8, 0x7f, 0xff, 0x100, 0xffff, 0x10000, 0x7fffffff, 0x80000000, 0xfffffffe, 0xffffffff,
];

/** One small damage to bytes; the result is a new array. */
const DAMAGES: readonly ((bytes: Uint8Array, r: Random) => Uint8Array)[] = [
  (bytes, r) => {
    bytes[r.below(bytes.length)] ^= 1 << r.below(8);
    return bytes;
  },
  (bytes, r) => {
    bytes[r.below(bytes.length)] = r.pick([0, 1, 0x7f, 0x80, 0xff]);
    return bytes;
  },
  (bytes, r) => {
    if (bytes.length < 4) return bytes;
    const at = r.below(bytes.length - 3) & (r.chance(80) ? ~3 : ~0);
    new DataView(bytes.buffer, bytes.byteOffset).setUint32(
      at,
      r.chance(70) ? r.pick(INTERESTING_U32) : r.u32(),
      r.chance(80),
    );
    return bytes;
  },
  (bytes, r) => bytes.subarray(0, r.below(bytes.length)),
  (bytes, r) => {
    const from = r.below(bytes.length);
    const size = r.below(Math.min(64, bytes.length - from) + 1);
    bytes.copyWithin(r.below(bytes.length), from, from + size);
    return bytes;
  },
  (bytes, r) => {
    const from = r.below(bytes.length);
    bytes.fill(r.pick([0, 0xff]), from, from + r.below(32));
    return bytes;
  },
  (bytes, r) => {
    const at = r.below(bytes.length);
    const out = new Uint8Array(bytes.length + 8);
    out.set(bytes.subarray(0, at));
    out.set(bytes.subarray(at), at + 8);
    return out;
  },
];

/** A copy of `bytes` with one to eight damages. */
export function mutate(bytes: Uint8Array, r: Random): Uint8Array {
  let out: Uint8Array = bytes.slice();
  for (let n = r.pick([1, 1, 1, 2, 3, 8]); n > 0 && out.length > 0; n--) out = r.pick(DAMAGES)(out, r);
  return out;
}

/** Codes that turn an instruction into one with other operands. */
const CODES = [CALL, 0x07, 0xbf, 0xb7, 0x0f, 0x79, 0x7b, 0x61, 0x63, 0xdb, 0x8d, 0x05, 0x15];
const HELPERS_MOST = 211;

/** A program a few fields away from a sound one: it gets further than random bytes do, into helpers above all. */
export function mutateInsns(insns: readonly Insn[], r: Random): Insn[] {
  const out = [...insns];
  for (let n = r.between(1, 6); n > 0; n--) {
    const at = r.below(out.length);
    const insn = out[at];
    const helperCall = insn.code === CALL && insn.src === 0;
    const changes: readonly (() => Partial<Insn>)[] = [
      () => ({ imm: helperCall ? r.between(1, HELPERS_MOST) : r.edgeI32() }),
      () => ({ off: r.between(-20, 20) }),
      () => ({ dst: r.below(11) }),
      () => ({ src: r.below(11) }),
      () => ({ code: r.pick(CODES) }),
    ];
    out[at] = { ...insn, ...r.pick(changes)() };
  }
  return out;
}
