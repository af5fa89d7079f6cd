import { RUN_STATE } from '../../jit/index.ts';
import type { LinearMemory } from '../../mem/index.ts';

/** The state of a run, as {@link RUN_STATE} lays it out, read and written from JavaScript. */
export class RunState {
  readonly #mem: LinearMemory;
  readonly #at: number;

  /** @param addr where it is in the memory */
  constructor(mem: LinearMemory, addr: number) {
    this.#mem = mem;
    this.#at = addr >> 2;
  }

  /** 32 bits, signed. */
  get(offBytes: number): number {
    return this.#mem.i32[this.#at + (offBytes >> 2)];
  }
  put(offBytes: number, value: number): void {
    this.#mem.i32[this.#at + (offBytes >> 2)] = value;
  }
  put64(offBytes: number, high: number, low: number): void {
    const at = this.#at + (offBytes >> 2);
    const { i32 } = this.#mem;
    i32[at] = low;
    i32[at + 1] = high;
  }

  /** Copies R1.. of a call to where helpers look for them. */
  takeArgs(count: number, regs: Int32Array): void {
    const { i32 } = this.#mem;
    const at = this.#at + (RUN_STATE.regs >> 2);
    for (let i = 2; i < 2 * count + 2; i++) regs[i] = i32[at + i];
  }
  /** Checked code goes to the `access` import with its next access: regions may have changed. */
  forgetRegions(): void {
    const { i32 } = this.#mem;
    const at = this.#at + (RUN_STATE.readStart >> 2);
    for (let i = 0; i < 8; i++) i32[at + i] = EMPTY[i];
  }
  /** The region that {@link forgetRegions} makes it forget. */
  rememberRegion(write: boolean, start: number, end: number): void {
    this.put64(write ? RUN_STATE.writeStart : RUN_STATE.readStart, 0, start);
    this.put64(write ? RUN_STATE.writeEnd : RUN_STATE.readEnd, 0, end);
  }
}

/** Start -1 and end 8, twice: no address is at or above the one and below the other. */
const EMPTY = [-1, -1, 8, 0, -1, -1, 8, 0];
