import { add, addImm, addSp, memRegister, memScaled, memUnscaled, SP, subImm, X } from './encode.ts';

/** Free within what one BPF instruction becomes: x16 and x17, which may change on the way of any call. */
export const T0 = 16;
export const T1 = 17;

/** Where instructions go, and values are made on the way. */
export interface WordSink {
  w(word: number): void;
  /** A copy of the width; one of 32 bits clears the upper half, if it is not clear. */
  copy(sf: number, rd: number, rn: number): void;
  /** A 32-bit number extended to the width. */
  number(sf: number, rd: number, value: number): void;
}

/** rd = rn + value, either may be SP where the width is 64. May use T1. */
export function addConstant(e: WordSink, sf: number, rd: number, rn: number, value: number): void {
  const op = value < 0 ? subImm : addImm;
  const size = Math.abs(value);
  if (size < 0x1000) {
    if (size === 0 && rd !== SP && rn !== SP) e.copy(sf, rd, rn);
    else e.w(op(sf, rd, rn, size));
  } else if ((size & 0xfff) === 0 && size < 0x1000000) e.w(op(sf, rd, rn, size >> 12, 1));
  else if (size < 0x1000000) {
    e.w(op(sf, rd, rn, size >> 12, 1));
    e.w(op(sf, rd, rd, size & 0xfff));
  } else {
    e.number(sf, T1, value);
    e.w(rd === SP || rn === SP ? addSp(rd, rn, T1) : add(sf, rd, rn, T1));
  }
}

/** Whether an access has room for its offset: in units of its size, or in nine bits. */
export const fitsAccess = (size: number, off: number): boolean =>
  (off >= -256 && off < 256) || (off >= 0 && (off & ((1 << size) - 1)) === 0 && off >> size < 0x1000);

/** One access: the offset in the instruction where it fits, or in `temp`. rn may be SP. */
export function accessAt(
  e: WordSink,
  size: number,
  opc: number,
  rt: number,
  rn: number,
  off: number,
  temp: number,
): void {
  if (off >= 0 && (off & ((1 << size) - 1)) === 0 && off >> size < 0x1000) {
    e.w(memScaled(size, opc, rt, rn, off >> size));
  } else if (off >= -256 && off < 256) e.w(memUnscaled(size, opc, rt, rn, off));
  else {
    e.number(X, temp, off);
    e.w(memRegister(size, opc, rt, rn, temp));
  }
}
