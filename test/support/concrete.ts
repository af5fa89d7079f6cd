import type { AluOp, JumpOp } from '../../src/isa/index.ts';

const MASK = (1n << 64n) - 1n;
const u = (bits: 32 | 64, x: bigint): bigint => BigInt.asUintN(bits, x);
const s = (bits: 32 | 64, x: bigint): bigint => BigInt.asIntN(bits, x);

/** What the instruction computes, in BigInt and by the book (RFC 9669 §4): for checks against abstract results. */
export function concreteAlu(op: AluOp, bits: 32 | 64, dst: bigint, src: bigint): bigint {
  const a = u(bits, dst);
  const b = u(bits, src);
  const n = b & BigInt(bits - 1);
  const results: Record<AluOp, () => bigint> = {
    add: () => a + b,
    sub: () => a - b,
    mul: () => a * b,
    div: () => (b === 0n ? 0n : a / b),
    mod: () => (b === 0n ? a : a % b),
    sdiv: () => (b === 0n ? 0n : s(bits, a) / s(bits, b)),
    smod: () => (b === 0n ? a : s(bits, a) % s(bits, b)),
    or: () => a | b,
    and: () => a & b,
    xor: () => a ^ b,
    lsh: () => a << n,
    rsh: () => a >> n,
    arsh: () => s(bits, a) >> n,
    mov: () => b,
  };
  return u(bits, results[op]());
}

export function concreteJump(op: JumpOp, bits: 32 | 64, dst: bigint, src: bigint): boolean {
  const a = u(bits, dst);
  const b = u(bits, src);
  const sa = s(bits, a);
  const sb = s(bits, b);
  const results: Record<JumpOp, boolean> = {
    jeq: a === b,
    jne: a !== b,
    jset: (a & b) !== 0n,
    jgt: a > b,
    jge: a >= b,
    jlt: a < b,
    jle: a <= b,
    jsgt: sa > sb,
    jsge: sa >= sb,
    jslt: sa < sb,
    jsle: sa <= sb,
  };
  return results[op];
}

/** The low `sizeBytes` bytes, sign-extended to `bits` and zeros above. */
export const concreteSext = (bits: 32 | 64, sizeBytes: number, x: bigint): bigint =>
  u(bits, BigInt.asIntN(sizeBytes * 8, x)) & MASK;
