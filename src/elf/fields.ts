import { type ByteView, FarcallError, type Where } from '../util/index.ts';

/**
 * The u64 at `off` as a Number: exact up to 2^53 - 1; anything larger comes out rounded but still larger than any
 * file, so bounds checks stay right.
 */
export function roundedU64(view: ByteView, off: number): number {
  const first = view.u32(off);
  const second = view.u32(off + 4);
  return view.order === 'little' ? second * 4294967296 + first : first * 4294967296 + second;
}

/** The u64 at `off` as an exact Number. Throws `elf.range` when it is above 2^53 - 1. */
export function exactU64(view: ByteView, off: number, what: string, where: Where): number {
  const value = roundedU64(view, off);
  if (value <= Number.MAX_SAFE_INTEGER) return value;
  throw new FarcallError({
    code: 'elf.range',
    message: `${what} is too large for a Number`,
    expected: 'at most 2^53 - 1',
    found: `0x${view.u64(off).toString(16)}`,
    where,
  });
}

/** The low 32 bits of the u64 at `off`, unsigned. */
export function lowU32(view: ByteView, off: number): number {
  return view.u32(view.order === 'little' ? off : off + 4);
}
