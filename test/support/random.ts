/** A small seeded generator (xorshift128), so that every generated program can be made again from its seed. */
export class Random {
  readonly #s: Uint32Array;

  constructor(seed: number) {
    this.#s = new Uint32Array([seed | 1, seed ^ 0x9e3779b9, Math.imul(seed, 0x85ebca6b) | 1, 0x12345678]);
    for (let i = 0; i < 16; i++) this.u32();
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

  /** 0 .. n - 1 */
  below(n: number): number {
    return this.u32() % n;
  }
  /** low .. high, both included */
  between(low: number, high: number): number {
    return low + this.below(high - low + 1);
  }
  chance(percent: number): boolean {
    return this.below(100) < percent;
  }
  pick<T>(items: readonly T[]): T {
    return items[this.below(items.length)];
  }
  i32(): number {
    return this.u32() | 0;
  }
  /** A signed 32-bit number, often one at an edge. */
  edgeI32(): number {
    return this.chance(40)
      ? this.pick([0, 1, -1, 2, 7, 8, 31, 32, 63, 64, 127, 128, 255, 256, 0x7fff, -0x8000, 0x7fffffff, -0x80000000])
      : this.chance(50)
        ? this.between(-100, 100)
        : this.i32();
  }
  u64(): bigint {
    return (BigInt(this.u32()) << 32n) | BigInt(this.u32());
  }
  edgeU64(): bigint {
    return this.chance(50)
      ? BigInt.asUintN(64, BigInt(this.edgeI32()))
      : this.chance(50)
        ? 1n << BigInt(this.below(64))
        : this.u64();
  }
  bytes(count: number): Uint8Array {
    return Uint8Array.from({ length: count }, () => this.below(256));
  }
}
