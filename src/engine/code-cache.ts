import type { Insn } from '../isa/index.ts';

/** How many instructions a hash is of, and how many programs may have the same. */
const HASHED_INSNS = 64;
const MOST_ALIKE = 8;

interface Entry<Code> {
  readonly key: string;
  readonly insns: readonly Insn[];
  readonly code: Code;
}

/** Code of programs, by their instructions and what else it depends on; the least recently used goes first. */
export class CodeCache<Code> {
  readonly #entries = new Map<number, Entry<Code>[]>();
  readonly #mostSlots: number;
  #slots = 0;
  /** Look-ups that found code, and those that had to make some. */
  hits = 0;
  misses = 0;

  /** @param mostSlots instructions the programs in it may have together */
  constructor(mostSlots = 1 << 20) {
    this.#mostSlots = mostSlots;
  }

  /** The code of a program, made by `make` if there is none; what `make` throws is thrown and leaves nothing. */
  get(insns: readonly Insn[], key: string, make: () => Code): Code {
    const hash = hashOf(insns, key);
    const bucket = this.#entries.get(hash) ?? [];
    const found = bucket.find(entry => entry.key === key && sameInsns(entry.insns, insns));
    if (found === undefined) {
      this.misses++;
      bucket.push({ key, insns: [...insns], code: make() });
      this.#slots += insns.length;
      if (bucket.length > MOST_ALIKE) this.#slots -= bucket.shift()?.insns.length ?? 0;
    } else this.hits++;
    // Taken out and put back last: the first is the one not used for longest.
    this.#entries.delete(hash);
    this.#entries.set(hash, bucket);
    this.#trim(hash);
    return (found ?? bucket[bucket.length - 1]).code;
  }

  #trim(kept: number): void {
    for (const [hash, bucket] of this.#entries) {
      if (this.#slots <= this.#mostSlots) return;
      if (hash === kept) continue;
      this.#entries.delete(hash);
      for (const { insns } of bucket) this.#slots -= insns.length;
    }
  }
}

/** Of some of the instructions: what is to be found is compared as a whole, and this runs before every first run. */
function hashOf(insns: readonly Insn[], key: string): number {
  let hash = 0x811c9dc5 ^ insns.length;
  const mix = (value: number): void => {
    hash = Math.imul(hash ^ value, 0x01000193);
    hash ^= hash >>> 15;
  };
  const step = Math.ceil(insns.length / HASHED_INSNS);
  for (let slot = 0; slot < insns.length; slot += step) {
    const { code, dst, src, off, imm } = insns[slot];
    mix(code | (dst << 8) | (src << 12) | (off << 16));
    mix(imm);
  }
  for (let i = 0; i < key.length; i++) mix(key.charCodeAt(i));
  return hash;
}

function sameInsns(a: readonly Insn[], b: readonly Insn[]): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) {
    const x = a[i];
    const y = b[i];
    if (x.code !== y.code || x.dst !== y.dst || x.src !== y.src || x.off !== y.off || x.imm !== y.imm) return false;
  }
  return true;
}
