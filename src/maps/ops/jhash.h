// Bob Jenkins' lookup3 as Linux uses it (include/linux/jhash.h): `jhash2` for keys of whole words, `jhash` for others.
#pragma once
#include "ops.h"

INLINE u32 rol(u32 x, u32 n) { return (x << n) | (x >> (32 - n)); }

INLINE u32 jhash_final(u32 a, u32 b, u32 c) {
  c = (c ^ b) - rol(b, 14);
  a = (a ^ c) - rol(c, 11);
  b = (b ^ a) - rol(a, 25);
  c = (c ^ b) - rol(b, 16);
  a = (a ^ c) - rol(c, 4);
  b = (b ^ a) - rol(a, 14);
  return (c ^ b) - rol(b, 24);
}

INLINE u32 jhash_inline(u64 key, u32 size, u32 seed) {
  u32 a = 0xdeadbeef + size + seed;
  u32 b = a, c = a;
  u32 left = size;
  for (; left > 12; left -= 12, key += 12) {
    a += W(key, 0);
    b += W(key, 4);
    c += W(key, 8);
    a -= c, a ^= rol(c, 4), c += b;
    b -= a, b ^= rol(a, 6), a += c;
    c -= b, c ^= rol(b, 8), b += a;
    a -= c, a ^= rol(c, 16), c += b;
    b -= a, b ^= rol(a, 19), a += c;
    c -= b, c ^= rol(b, 4), b += a;
  }
  if (left == 0) return c;
  if ((size & 3) == 0) {
    a += W(key, 0);
    if (left > 4) b += W(key, 4);
    if (left > 8) c += W(key, 8);
    return jhash_final(a, b, c);
  }
  // Bytes count from the least significant, whatever the machine's order.
  for (u32 i = 0; i < left; i++) {
    u32 byte = (u32)B(key, i) << (8 * (i & 3));
    if (i < 4) a += byte;
    else if (i < 8) b += byte;
    else c += byte;
  }
  return jhash_final(a, b, c);
}

COLD u64 jhash_any(u64 key, u64 size, u64 seed) { return jhash_inline(key, size, seed); }

/// The hash of `size` bytes: where the size is a constant of the compiler's, in line.
INLINE u32 jhash(u64 key, u32 size, u32 seed) {
  return __builtin_constant_p(size) ? jhash_inline(key, size, seed) : (u32)jhash_any(key, size, seed);
}
