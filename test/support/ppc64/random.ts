/** A small generator of pseudo-random numbers: the same seed, the same numbers, on every machine. */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed | 0;
  }

  /** 32 bits, unsigned. */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let t = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return (t ^ (t >>> 14)) >>> 0;
  }
  below(limit: number): number {
    return this.next() % limit;
  }
  pick<T>(choices: readonly T[]): T {
    return choices[this.below(choices.length)];
  }
  u64(): bigint {
    return (BigInt(this.next()) << 32n) | BigInt(this.next());
  }
}

const EDGES: readonly bigint[] = [
  0n,
  1n,
  2n,
  -1n,
  -2n,
  0x7fffffffn,
  0x80000000n,
  0xffffffffn,
  0x100000000n,
  0x7fffffffffffffffn,
  -0x8000000000000000n,
  -0x80000000n,
  0x8000000080000000n,
  0xffn,
  0x8000n,
];

/** A value of 64 bits such as break arithmetic: edges, small counts, one-word values, and plain noise. */
export function interesting(random: Random): bigint {
  const value = (): bigint => {
    switch (random.below(8)) {
      case 0:
      case 1:
        return random.pick(EDGES);
      case 2:
        return BigInt(random.below(140));
      case 3:
        return BigInt.asIntN(32, BigInt(random.next()));
      case 4:
        return BigInt(random.next()) << BigInt(random.below(33));
      case 5:
        return random.pick(EDGES) + BigInt(random.below(5)) - 2n;
      default:
        return random.u64();
    }
  };
  return BigInt.asUintN(64, value());
}
