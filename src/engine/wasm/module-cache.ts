import type { Insn } from '../../isa/index.ts';
import type { WasmOptions, WasmProgram } from '../../jit/index.ts';

/** A translated program, compiled. */
export interface CompiledProgram extends WasmProgram {
  readonly module: WebAssembly.Module;
}

/** Options of a translation that are plain data: what modules are told apart by, beside their instructions. */
export type CacheableOptions = Omit<WasmOptions, 'helperShape' | 'kfuncShape'> & {
  /** As `helper_ID` or `kfunc_ID_IDX`: arguments, and whether there is a result. */
  readonly shapes: Readonly<Record<string, readonly [args: number, returns: boolean]>>;
};

interface Entry {
  readonly key: string;
  readonly insns: readonly Insn[];
  readonly compiled: CompiledProgram;
}

/** Compiled programs by instructions and options, the least recently used going first. */
export class ModuleCache {
  readonly #entries = new Map<number, Entry[]>();
  readonly #mostSlots: number;
  #slots = 0;
  /** Look-ups that found a module, and those that had to make one. */
  hits = 0;
  misses = 0;

  /** @param mostSlots instructions the programs in it may have together */
  constructor(mostSlots = 1 << 20) {
    this.#mostSlots = mostSlots;
  }

  /** The module of a program, made by `make` if there is none. */
  get(insns: readonly Insn[], options: CacheableOptions, make: () => WasmProgram): CompiledProgram {
    const key = JSON.stringify(options);
    const hash = hashOf(insns, key);
    const bucket = this.#entries.get(hash) ?? [];
    const found = bucket.find(entry => entry.key === key && sameInsns(entry.insns, insns));
    // Taken out and put back last: the first is the one not used for longest.
    this.#entries.delete(hash);
    if (found !== undefined) {
      this.hits++;
      this.#entries.set(hash, bucket);
      return found.compiled;
    }
    this.misses++;
    const program = make();
    const compiled = { ...program, module: new WebAssembly.Module(program.bytes) };
    bucket.push({ key, insns: [...insns], compiled });
    this.#entries.set(hash, bucket);
    this.#slots += insns.length;
    this.#trim(hash);
    return compiled;
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

function hashOf(insns: readonly Insn[], key: string): number {
  let hash = 0x811c9dc5;
  const mix = (value: number): void => {
    hash = Math.imul(hash ^ value, 0x01000193);
    hash ^= hash >>> 15;
  };
  for (const { code, dst, src, off, imm } of insns) {
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
