/**
 * SHA-1 and SHA-256 (FIPS 180-4), synchronous: browsers offer only promises of them. Made for the few kilobytes of a
 * program.
 */

/**
 * Hashed are the message, a 1 bit, zeroes and the length in bits as 64 big-endian bits: whole blocks of 64 bytes. Those
 * that the message fills are read where they are.
 *
 * ```
 *  | message … | 80 | 00 … | bit length, 8 bytes |
 * ```
 */
const BLOCK_BYTES = 64;

/** What follows the message's whole blocks; filled in by {@link endOf} and read before it is called again. */
const END = new Uint8Array(2 * BLOCK_BYTES);
/** Words of the block at hand, and what they become. */
const W = new Int32Array(80);

/** Fills {@link END} with one block or two and returns their length. */
function endOf(message: Uint8Array): number {
  const from = message.length - (message.length % BLOCK_BYTES);
  const left = message.length - from;
  const length = left + 9 <= BLOCK_BYTES ? BLOCK_BYTES : 2 * BLOCK_BYTES;
  for (let i = 0; i < left; i++) END[i] = message[from + i];
  END[left] = 0x80;
  // `fill` costs 100 ns however few they are.
  for (let i = left + 1; i < length - 8; i++) END[i] = 0;
  const high = Math.floor(message.length / 0x20000000);
  for (let i = 0; i < 4; i++) {
    END[length - 8 + i] = high >>> (24 - 8 * i);
    END[length - 4 + i] = (message.length << 3) >>> (24 - 8 * i);
  }
  return length;
}

/** The sixteen words of the block at `at`, to {@link W}. */
function takeBlock(bytes: Uint8Array, at: number): void {
  for (let t = 0; t < 16; t++, at += 4) {
    W[t] = (bytes[at] << 24) | (bytes[at + 1] << 16) | (bytes[at + 2] << 8) | bytes[at + 3];
  }
}

function digestOf(state: ArrayLike<number>): Uint8Array {
  const digest = new Uint8Array(state.length * 4);
  for (let i = 0; i < digest.length; i++) digest[i] = state[i >> 2] >>> (24 - 8 * (i & 3));
  return digest;
}

const rotr = (value: number, n: number): number => (value >>> n) | (value << (32 - n));

/**
 * 20 bytes.
 *
 * The four kinds of rounds have loops of their own: this runs once over every function compiled, and one loop that asks
 * each time which kind it is in takes three times as long.
 */
export function sha1(message: Uint8Array): Uint8Array {
  const w = W;
  const whole = message.length - (message.length % BLOCK_BYTES);
  const length = whole + endOf(message);
  let h0 = 0x67452301;
  let h1 = 0xefcdab89 | 0;
  let h2 = 0x98badcfe | 0;
  let h3 = 0x10325476;
  let h4 = 0xc3d2e1f0 | 0;
  for (let block = 0; block < length; block += BLOCK_BYTES) {
    if (block < whole) takeBlock(message, block);
    else takeBlock(END, block - whole);
    for (let t = 16; t < 80; t++) {
      const x = w[t - 3] ^ w[t - 8] ^ w[t - 14] ^ w[t - 16];
      w[t] = (x << 1) | (x >>> 31);
    }
    let a = h0;
    let b = h1;
    let c = h2;
    let d = h3;
    let e = h4;
    let t = 0;
    for (; t < 20; t++) {
      const next = (((((a << 5) | (a >>> 27)) + e) | 0) + ((d ^ (b & (c ^ d))) + w[t]) + 0x5a827999) | 0;
      e = d;
      d = c;
      c = (b << 30) | (b >>> 2);
      b = a;
      a = next;
    }
    for (; t < 40; t++) {
      const next = (((((a << 5) | (a >>> 27)) + e) | 0) + ((b ^ c ^ d) + w[t]) + 0x6ed9eba1) | 0;
      e = d;
      d = c;
      c = (b << 30) | (b >>> 2);
      b = a;
      a = next;
    }
    for (; t < 60; t++) {
      const next = (((((a << 5) | (a >>> 27)) + e) | 0) + (((b & c) | (d & (b | c))) + w[t]) - 0x70e44324) | 0;
      e = d;
      d = c;
      c = (b << 30) | (b >>> 2);
      b = a;
      a = next;
    }
    for (; t < 80; t++) {
      const next = (((((a << 5) | (a >>> 27)) + e) | 0) + ((b ^ c ^ d) + w[t]) - 0x359d3e2a) | 0;
      e = d;
      d = c;
      c = (b << 30) | (b >>> 2);
      b = a;
      a = next;
    }
    h0 = (h0 + a) | 0;
    h1 = (h1 + b) | 0;
    h2 = (h2 + c) | 0;
    h3 = (h3 + d) | 0;
    h4 = (h4 + e) | 0;
  }
  return digestOf([h0, h1, h2, h3, h4]);
}

/** The first 32 bits of the fractional parts of the cube roots of the first 64 primes. */
const SHA256_K = Int32Array.of(
  ...[0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5],
  ...[0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174],
  ...[0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da],
  ...[0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967],
  ...[0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85],
  ...[0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070],
  ...[0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3],
  ...[0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2],
);

/** 32 bytes. */
export function sha256(message: Uint8Array): Uint8Array {
  const w = W;
  const whole = message.length - (message.length % BLOCK_BYTES);
  const length = whole + endOf(message);
  const state = Uint32Array.of(
    ...[0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19],
  );
  for (let block = 0; block < length; block += BLOCK_BYTES) {
    if (block < whole) takeBlock(message, block);
    else takeBlock(END, block - whole);
    for (let t = 16; t < 64; t++) {
      const s0 = rotr(w[t - 15], 7) ^ rotr(w[t - 15], 18) ^ (w[t - 15] >>> 3);
      const s1 = rotr(w[t - 2], 17) ^ rotr(w[t - 2], 19) ^ (w[t - 2] >>> 10);
      w[t] = w[t - 16] + s0 + w[t - 7] + s1;
    }
    let [a, b, c, d, e, f, g, h] = state;
    for (let t = 0; t < 64; t++) {
      const s1 = rotr(e, 6) ^ rotr(e, 11) ^ rotr(e, 25);
      const t1 = h + s1 + ((e & f) ^ (~e & g)) + SHA256_K[t] + w[t];
      const s0 = rotr(a, 2) ^ rotr(a, 13) ^ rotr(a, 22);
      const t2 = s0 + ((a & b) ^ (a & c) ^ (b & c));
      h = g;
      g = f;
      f = e;
      e = (d + t1) | 0;
      d = c;
      c = b;
      b = a;
      a = (t1 + t2) | 0;
    }
    const next = [a, b, c, d, e, f, g, h];
    for (let i = 0; i < 8; i++) state[i] += next[i];
  }
  return digestOf(state);
}
