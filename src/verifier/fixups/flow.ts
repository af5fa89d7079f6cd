import type { Insn } from '../../isa/index.ts';
import { EXIT, isWide } from '../../isa/index.ts';
import { fallsThrough, RELATIVE, relativeOf, relativeTarget } from './relative.ts';

/** Where control goes from an instruction inside its function: up to two slots, -1 for none. */
export interface Flow {
  /** Slot behind it, reached by falling through; where a call comes back to. */
  readonly next: Int32Array;
  /** Slot a jump goes to. */
  readonly jump: Int32Array;
  /** First slot of the function a local call enters. */
  readonly callee: Int32Array;
  /** 1 for slots that hold the second half of a `ld_imm64`. */
  readonly second: Uint8Array;
}

/** The edges of a program whose functions `findFunctions` accepted. */
export function flowOf(insns: readonly Insn[]): Flow {
  const count = insns.length;
  const next = new Int32Array(count).fill(-1);
  const jump = new Int32Array(count).fill(-1);
  const callee = new Int32Array(count).fill(-1);
  const second = new Uint8Array(count);
  for (let idx = 0; idx < count; idx++) {
    const insn = insns[idx];
    const relative = relativeOf(insn);
    if (relative === RELATIVE.call) callee[idx] = relativeTarget(insn, idx, relative);
    else if (relative === RELATIVE.jumpOff || relative === RELATIVE.jumpImm) {
      jump[idx] = relativeTarget(insn, idx, relative);
    }
    const behind = idx + (isWide(insn) ? 2 : 1);
    if (fallsThrough(insn.code) && behind < count) next[idx] = behind;
    if (isWide(insn)) second[++idx] = 1;
  }
  return { next, jump, callee, second };
}

/** Slots of the `exit`s of each function. */
export function exitsOf(insns: readonly Insn[], flow: Flow, funcOf: Int32Array, funcCount: number): number[][] {
  const exits: number[][] = Array.from({ length: funcCount }, () => []);
  for (let idx = 0; idx < insns.length; idx++) {
    if (insns[idx].code === EXIT && flow.second[idx] === 0) exits[funcOf[idx]].push(idx);
  }
  return exits;
}

/** A stack of slots to visit that holds each at most once. */
export class SlotStack {
  readonly #slots: Int32Array;
  readonly #held: Uint8Array;
  #size = 0;

  constructor(count: number) {
    this.#slots = new Int32Array(count);
    this.#held = new Uint8Array(count);
  }
  push(slot: number): void {
    if (this.#held[slot] !== 0) return;
    this.#held[slot] = 1;
    this.#slots[this.#size++] = slot;
  }
  /** -1 when it is empty. */
  pop(): number {
    if (this.#size === 0) return -1;
    const slot = this.#slots[--this.#size];
    this.#held[slot] = 0;
    return slot;
  }
}
