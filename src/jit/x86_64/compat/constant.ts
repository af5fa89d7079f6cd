import type { CodeBuffer } from '../../code-buffer.ts';
import { movImm64, rr, W } from '../encode.ts';

/** A 32-bit number, sign-extended or zero-extended (`emit_mov_imm32`). */
export function constant32(c: CodeBuffer, to: number, value: number, signed: boolean): void {
  if (signed && value < 0) {
    rr(c, W, 0xc7, 0, to);
    c.u32(value);
  } else if (value === 0) {
    rr(c, 0, 0x31, to, to);
  } else {
    if (to > 7) c.u8(0x41);
    c.u8(0xb8 | (to & 7));
    c.u32(value);
  }
}

/** A 64-bit number as halves (`emit_mov_imm64`). */
export function constant64(c: CodeBuffer, to: number, hi: number, lo: number): void {
  if (hi === 0) constant32(c, to, lo, false);
  else if (hi === lo >> 31) constant32(c, to, lo, true);
  else movImm64(c, to, hi, lo);
}
