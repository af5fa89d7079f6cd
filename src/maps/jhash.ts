/**
 * Bob Jenkins' lookup3 as Linux uses it (`include/linux/jhash.h`): with equal seeds, maps here have their elements in
 * the same buckets as the kernel's, so walks come in the same order.
 */

const JHASH_INITVAL = 0xdeadbeef | 0;

const rol = (x: number, n: number): number => (x << n) | (x >>> (32 - n));

// `__jhash_final`, returning c.
function final(a: number, b: number, c: number): number {
  c = ((c ^ b) - rol(b, 14)) | 0;
  a = ((a ^ c) - rol(c, 11)) | 0;
  b = ((b ^ a) - rol(a, 25)) | 0;
  c = ((c ^ b) - rol(b, 16)) | 0;
  a = ((a ^ c) - rol(c, 4)) | 0;
  b = ((b ^ a) - rol(a, 14)) | 0;
  return ((c ^ b) - rol(b, 24)) | 0;
}

/**
 * `jhash2` for sizes that are multiples of 4, `jhash` for others, which is what hash tables and Bloom filters choose.
 *
 * @param little byte order of the words of the key
 * @param seed `initval`
 * @returns the hash as a signed 32-bit integer
 */
export function jhashBytes(view: DataView, addr: number, sizeBytes: number, seed: number, little: boolean): number {
  let a = (JHASH_INITVAL + sizeBytes + seed) | 0;
  let b = a;
  let c = a;
  let at = addr;
  let left = sizeBytes;
  while (left > 12) {
    a = (a + view.getInt32(at, little)) | 0;
    b = (b + view.getInt32(at + 4, little)) | 0;
    c = (c + view.getInt32(at + 8, little)) | 0;
    // __jhash_mix
    a = ((a - c) ^ rol(c, 4)) | 0;
    c = (c + b) | 0;
    b = ((b - a) ^ rol(a, 6)) | 0;
    a = (a + c) | 0;
    c = ((c - b) ^ rol(b, 8)) | 0;
    b = (b + a) | 0;
    a = ((a - c) ^ rol(c, 16)) | 0;
    c = (c + b) | 0;
    b = ((b - a) ^ rol(a, 19)) | 0;
    a = (a + c) | 0;
    c = ((c - b) ^ rol(b, 4)) | 0;
    b = (b + a) | 0;
    at += 12;
    left -= 12;
  }
  if (left === 0) return c;
  if (sizeBytes % 4 === 0) {
    a = (a + view.getInt32(at, little)) | 0;
    if (left > 4) b = (b + view.getInt32(at + 4, little)) | 0;
    if (left > 8) c = (c + view.getInt32(at + 8, little)) | 0;
    return final(a, b, c);
  }
  // The tail of jhash counts bytes from the least significant, whatever the machine's order.
  for (let i = 0; i < left; i++) {
    const byte = view.getUint8(at + i) << (8 * (i & 3));
    if (i < 4) a = (a + byte) | 0;
    else if (i < 8) b = (b + byte) | 0;
    else c = (c + byte) | 0;
  }
  return final(a, b, c);
}
