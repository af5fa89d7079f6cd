import { MAX_BPF_STACK } from '../../isa/index.ts';
import { ANY, FRAME, join, pointer, type Value } from './value.ts';

const SLOTS = MAX_BPF_STACK / 8;

/** Registers 0..9 and the 8-byte slots of the function's own frame; slots nobody knows about are undefined. */
export class FrameState {
  readonly regs: Value[];
  #slots: (Value | undefined)[] | undefined;
  // Copies share slots until one of them writes.
  #shared = false;

  private constructor(regs: Value[], slots: (Value | undefined)[] | undefined) {
    this.regs = regs;
    this.#slots = slots;
    this.#shared = slots !== undefined;
  }

  /** At a function's entry: main's R1 is a context, everything else may point into callers' frames. */
  static entry(isMain: boolean): FrameState {
    const regs = new Array<Value>(11).fill(ANY);
    if (!isMain) for (let arg = 1; arg <= 5; arg++) regs[arg] = pointer(arg, 0, 'any');
    regs[10] = FRAME;
    return new FrameState(regs, undefined);
  }

  copy(): FrameState {
    this.#shared = this.#slots !== undefined;
    return new FrameState([...this.regs], this.#slots);
  }

  /** The slot at an offset from R10; undefined where nothing is known. */
  slotAt(off: number): Value | undefined {
    return this.#slots?.[-off / 8 - 1];
  }

  /** Everything any slot may hold. */
  anySlot(): Value {
    let all = ANY;
    for (const slot of this.#slots ?? []) if (slot !== undefined) all = join(all, slot);
    return all;
  }

  setSlot(off: number, value: Value | undefined): void {
    const index = -off / 8 - 1;
    if (value === undefined && this.#slots === undefined) return;
    const slots = this.#own();
    slots[index] = value;
  }

  /** Someone wrote anywhere: numbers are unknown from here on, pointers may still be there. */
  clobberSlots(written?: Value): void {
    if (this.#slots === undefined && written?.lows === undefined) return;
    const slots = this.#own();
    const extra = written === undefined ? ANY : join(ANY, written);
    for (let i = 0; i < SLOTS; i++) {
      const value = join(slots[i] ?? ANY, extra);
      slots[i] = value.lows === undefined && value.funcs === undefined ? undefined : value;
    }
  }

  #own(): (Value | undefined)[] {
    if (this.#slots === undefined) this.#slots = new Array(SLOTS).fill(undefined);
    else if (this.#shared) this.#slots = [...this.#slots];
    this.#shared = false;
    return this.#slots;
  }

  /** Takes in another state that arrives at the same place; whether that changed anything. */
  absorb(other: FrameState, widen: boolean): boolean {
    let changed = false;
    for (let reg = 0; reg < 10; reg++) {
      const joined = join(this.regs[reg], other.regs[reg], widen);
      if (joined === this.regs[reg]) continue;
      this.regs[reg] = joined;
      changed = true;
    }
    if (this.#slots === other.#slots) return changed;
    for (let i = 0; i < SLOTS; i++) {
      const mine = this.#slots?.[i];
      const theirs = other.#slots?.[i];
      if (mine === theirs) continue;
      const joined = join(mine ?? ANY, theirs ?? ANY, widen);
      const kept =
        joined.lows === undefined && joined.funcs === undefined && joined.scalar === 'any' ? undefined : joined;
      if (kept === mine) continue;
      this.#own()[i] = kept;
      changed = true;
    }
    return changed;
  }
}
