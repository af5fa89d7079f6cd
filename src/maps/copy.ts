import type { LinearMemory } from '../mem/index.ts';

/** Up to here word by word is faster than `copyWithin`, which costs a call out of compiled code. */
const SMALL_BYTES = 64;

/** Copies within the linear memory; the ranges may overlap. */
export function copyBytes(mem: LinearMemory, dst: number, src: number, sizeBytes: number): void {
  if (sizeBytes > SMALL_BYTES || (dst > src && dst < src + sizeBytes)) {
    mem.u8.copyWithin(dst, src, src + sizeBytes);
    return;
  }
  const { view } = mem;
  let off = 0;
  for (; off + 4 <= sizeBytes; off += 4) view.setInt32(dst + off, view.getInt32(src + off));
  for (; off < sizeBytes; off++) view.setUint8(dst + off, view.getUint8(src + off));
}
