import { type Insn, ProgramBuilder, R0, R1, R3, R6, R7, R8, R9, R10 } from '../../src/isa/index.ts';
import type { Random } from './random.ts';

/** Bytes the programs work on. */
export const TAIL_DATA_BYTES = 64;
/** Elements of the prog array; indices go beyond them. */
export const TAIL_SLOTS = 6;
const TAIL_CALL = 12;

/** What a place where the programs run has for them. */
export interface TailPlace {
  /** R7 = address of the data, of R6, the context. */
  data(b: ProgramBuilder): void;
  /** R2 = the prog array. */
  map(b: ProgramBuilder): void;
}

/** Programs, and which of them the prog array's elements are. */
export interface TailSet {
  readonly programs: readonly (readonly Insn[])[];
  readonly slots: readonly (number | undefined)[];
}

class Writer {
  readonly #b = new ProgramBuilder();
  readonly #r: Random;
  readonly #place: TailPlace;
  readonly #functions: number;
  #labels = 0;

  constructor(r: Random, place: TailPlace) {
    this.#r = r;
    this.#place = place;
    this.#functions = r.pick([0, 0, 1, 2]);
  }

  #mix(): void {
    const r = this.#r;
    const at = 8 * r.below(TAIL_DATA_BYTES / 8);
    this.#b.load('dw', R0, R7, at).alu64('mul', R0, r.between(3, 99)).alu64('add', R0, R8);
    this.#b.alu64('xor', R9, R0).store('dw', R7, at, R0);
  }

  #index(): void {
    const r = this.#r;
    const kind = r.below(4);
    if (kind === 0) this.#b.load('b', R3, R7, r.below(TAIL_DATA_BYTES)).alu64('and', R3, 7);
    // The upper half of an index does not matter.
    else if (kind === 1) this.#b.wide('lddw', R3, r.below(TAIL_SLOTS + 1), r.i32());
    else this.#b.mov(R3, r.chance(10) ? r.edgeI32() : r.below(TAIL_SLOTS));
  }

  #tail(): void {
    const b = this.#b;
    b.mov(R1, R6).mov(R0, this.#r.i32());
    if (this.#r.chance(50)) {
      this.#place.map(b);
      this.#index();
    } else {
      this.#index();
      this.#place.map(b);
    }
    b.helper(TAIL_CALL).alu64('add', R8, R0);
  }

  /** @param from the first function it may call */
  #function(from: number): void {
    const r = this.#r;
    const b = this.#b;
    const words = r.pick([0, 0, 1, 3, 12]);
    b.mov(R6, R1);
    this.#place.data(b);
    b.mov(R8, r.i32()).mov(R9, r.i32());
    for (let word = 1; word <= words; word++) b.store('dw', R10, -8 * word, r.chance(50) ? R8 : R9);
    for (let steps = r.between(1, 5); steps > 0; steps--) {
      const behind = `l${this.#labels++}`;
      if (r.chance(20)) b.load('b', R0, R7, r.below(TAIL_DATA_BYTES)).jumpIf('jset', R0, r.between(1, 255), behind);
      const kind = r.below(10);
      if (kind < 3) this.#mix();
      else if (kind < 5 && words > 0) {
        const at = -8 * r.between(1, words);
        b.load('dw', R0, R10, at).alu64('add', R8, R0).store('dw', R10, at, R9);
      } else if (kind < 7 && from < this.#functions) {
        b.mov(R1, R6)
          .call(`f${r.between(from, this.#functions - 1)}`)
          .alu64('xor', R8, R0);
      } else this.#tail();
      b.label(behind);
    }
    if (r.chance(70)) this.#tail();
    for (let word = 1; word <= words; word++) b.load('dw', R0, R10, -8 * word).alu64('add', R9, R0);
    b.mov(R0, R8).alu64('xor', R0, R9).store('dw', R7, 0, R0).exit();
  }

  write(): Insn[] {
    this.#function(0);
    for (let n = 0; n < this.#functions; n++) {
      this.#b.label(`f${n}`);
      this.#function(n + 1);
    }
    return this.#b.build();
  }
}

/**
 * Programs that tail-call each other from everywhere, themselves included, with frames and kept registers of all kinds: what each
 * leaves in R0 and the data depends on every way gone. They end, as there are 33 tail calls and no loops.
 */
export function tailPrograms(r: Random, place: TailPlace): TailSet {
  const programs = Array.from({ length: r.between(1, 5) }, () => new Writer(r, place).write());
  return { programs, slots: tailSlots(r, programs.length) };
}

/** Other elements for as many programs. */
export const tailSlots = (r: Random, programs: number): (number | undefined)[] =>
  Array.from({ length: TAIL_SLOTS }, () => (r.chance(80) ? r.below(programs) : undefined));
