/** Seeded 32-bit numbers (xorshift128): what `bpf_get_prandom_u32` and hash seeds draw from. */
export class Prandom {
  readonly #s: Uint32Array;

  constructor(seed: number) {
    this.#s = new Uint32Array([seed ^ 0x6c078965, seed ^ 0x9e3779b9, seed ^ 0x85ebca6b, seed | 1]);
    for (let i = 0; i < 8; i++) this.u32();
  }

  u32(): number {
    const s = this.#s;
    let t = s[3];
    t ^= t << 11;
    t ^= t >>> 8;
    s[3] = s[2];
    s[2] = s[1];
    s[1] = s[0];
    s[0] = t ^ s[0] ^ (s[0] >>> 19);
    return s[0];
  }
}
