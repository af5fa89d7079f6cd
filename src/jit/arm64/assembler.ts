import { hi32, lo32 } from '../../util/index.ts';
import { WordCode } from '../word-code.ts';
import { addImm, b, bCond, cb, movk, movz, SP, X } from './encode.ts';

/** Instructions, and branches between them. */
export class Code extends WordCode {
  override branch(label: string, encode: (off: number) => number = b): this {
    return super.branch(label, encode);
  }
}

/** Branches on a register, or a condition, for {@link Code.branch}. */
export const zero = (rt: number) => (off: number) => cb(X, 0, rt, off);
export const nonzero = (rt: number) => (off: number) => cb(X, 1, rt, off);
export const when = (cond: number) => (off: number) => bCond(cond, off);
/** Copies of the stack pointer, and to it. */
export const fromSp = (rd: number) => addImm(X, rd, SP, 0);
export const toSp = (rn: number) => addImm(X, SP, rn, 0);

/** A number of 64 bits in four instructions. */
export function imm64(reg: number, value: bigint): number[] {
  const [hi, lo] = [hi32(value), lo32(value)];
  return [movz(X, reg, lo), movk(X, reg, lo >>> 16, 1), movk(X, reg, hi, 2), movk(X, reg, hi >>> 16, 3)];
}
