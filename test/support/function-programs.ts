import type { JitProgram } from './jit-programs.ts';
import { Random } from './random.ts';

const LIMITS = [32767, 32768, -32768, -32769, 65535, 65536] as const;
const OPS = ['+=', '-=', '*=', '&=', '|=', '^='] as const;
const DIVISIONS = ['/=', '%=', 's/=', 's%='] as const;
const SHIFTS = ['<<=', '>>=', 's>>='] as const;
const SWAPS = ['be16', 'be32', 'be64', 'le16', 'le32', 'bswap16', 'bswap32', 'bswap64'] as const;
const CONDITIONS = ['==', '!=', '>', '>=', '<', '<=', 's>', 's>=', 's<', 's<=', '&'] as const;

/** Writes one program; every function but the first is called once, from the one above it in a tree of three branches. */
class Writer {
  readonly #random: Random;
  #labels = 0;

  constructor(seed: number) {
    this.#random = new Random(seed);
  }

  #immediate(): number {
    switch (this.#random.below(5)) {
      case 0:
        return this.#random.below(200) - 100;
      case 1:
        return this.#random.below(140_000) - 70_000;
      case 2:
        return (this.#random.below(65_536) << 16) | 0;
      default:
        return this.#random.pick(LIMITS);
    }
  }

  #quarter(shift: bigint): bigint {
    return BigInt(this.#random.below(2) === 0 ? 0 : this.#random.below(65_536)) << shift;
  }

  #statement(live: readonly number[]): string[] {
    const d = this.#random.pick(live);
    const s = this.#random.pick(live);
    const l = this.#random.pick(['r', 'w']);
    switch (this.#random.below(10)) {
      case 0:
        return [`${l}${d} ${this.#random.pick(OPS)} ${this.#immediate()}`];
      case 1:
        return [`${l}${d} ${this.#random.pick(OPS)} ${l}${s}`];
      case 2:
        return [`${l}${d} ${this.#random.pick(SHIFTS)} ${this.#random.below(32)}`];
      case 3:
        return [`${l}${d} ${this.#random.pick(DIVISIONS)} ${this.#immediate() || 3}`];
      case 4:
        return [`r${d} = ${this.#random.pick(SWAPS)} r${d}`];
      case 5:
        return [`*(u64 *)(r10 - ${8 * (1 + this.#random.below(6))}) = r${d}`];
      case 6: {
        const label = `l${this.#labels++}`;
        const other = this.#random.below(2) === 0 ? this.#immediate() : `${l}${s}`;
        return [
          `if ${l}${d} ${this.#random.pick(CONDITIONS)} ${other} goto ${label}`,
          `${l}${d} += ${this.#immediate()}`,
          `${label}:`,
        ];
      }
      case 7:
        return [`r${d} = ${this.#quarter(48n) | this.#quarter(32n) | this.#quarter(16n) | this.#quarter(0n)} ll`];
      case 8:
        return [`${l}${d} = (s${this.#random.pick([8, 16])})${l}${s}`];
      default: {
        const fetch = `r${s} = atomic_fetch_${this.#random.pick(['add', 'or', 'xor', 'and'])}((u64 *)(r10 - 8), r${s})`;
        return [`*(u64 *)(r10 - 8) = r${d}`, this.#random.below(2) === 0 ? `lock *(u64 *)(r10 - 8) += r${s}` : fetch];
      }
    }
  }

  #statements(live: readonly number[], most: number): string[] {
    return Array.from({ length: this.#random.below(most) }, () => this.#statement(live)).flat();
  }

  #func(index: number, count: number): string[] {
    const kept = [6, 7, 8, 9].filter(() => this.#random.below(2) === 1);
    const out = [`f${index}:`, ...kept.map(reg => `r${reg} = ${this.#immediate()}`), 'r0 = 7'];
    out.push(...this.#statements([0, ...kept, ...(index === 0 ? [] : [1, 2, 3, 4, 5])], 12));
    for (let callee = index + 1; callee < count; callee++) {
      if (Math.floor((callee - 1) / 3) !== index) continue;
      for (const reg of [1, 2, 3, 4, 5]) out.push(`r${reg} = ${this.#immediate()}`);
      out.push(`call f${callee}`);
      if (kept.length > 0) out.push(`r${kept[0]} += r0`);
      if (this.#random.below(3) === 0) out.push('call bpf_get_prandom_u32');
      out.push(...this.#statements([0, ...kept], 5));
    }
    return [...out, 'w0 &= 255', 'exit'];
  }

  program(): string {
    const count = 2 + this.#random.below(11);
    return Array.from({ length: count }, (_, index) => this.#func(index, count))
      .flat()
      .join('\n');
  }
}

/** Programs of 2 to 12 functions for a kernel's JIT: socket filters the verifier accepts. One seed, one program. */
export function functionProgram(seed: number): JitProgram {
  return { name: `functions-${seed}`, text: new Writer(seed).program() };
}
