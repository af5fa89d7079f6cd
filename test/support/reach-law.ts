import type { InterpStep } from '../../src/engine/index.ts';
import { functionStarts } from '../../src/engine/wasm/survey.ts';
import { BPF_LDX, BPF_REG_FP, BPF_ST, BPF_STX, CALL, type Insn, MAX_BPF_STACK } from '../../src/isa/index.ts';
import type { LinearMemory } from '../../src/mem/index.ts';
import type { ReachedSlots } from '../../src/verifier/index.ts';

interface Frame {
  readonly top: number;
  readonly func: number;
}

const SIZES: Readonly<Record<number, number>> = { 0: 4, 8: 2, 16: 1, 24: 8 };

/**
 * What a run does to slots of frames that the verifier says are only touched through R10: no access with another base, and what
 * helpers are given leaves them alone.
 */
export class ReachLaw {
  readonly #insns: readonly Insn[];
  readonly #starts: readonly number[];
  readonly #reach: readonly ReachedSlots[];
  readonly #mem: LinearMemory;
  readonly #frames: Frame[] = [];
  /** Frames as a helper found them. */
  #before: readonly (Frame & { readonly bytes: Uint8Array })[] = [];

  constructor(insns: readonly Insn[], reach: readonly ReachedSlots[], mem: LinearMemory) {
    this.#insns = insns;
    this.#starts = functionStarts(insns);
    this.#reach = reach;
    this.#mem = mem;
  }

  #reached(func: number, slot: number): boolean {
    return ((this.#reach[func][slot >> 5] >>> (slot & 31)) & 1) === 1;
  }

  /** What is wrong before the instruction of a step runs. */
  problem({ insnIdx, regs, depth }: InterpStep): string | undefined {
    const found = this.#helperWrote();
    if (found !== undefined) return found;
    const frames = this.#frames;
    frames.length = Math.min(frames.length, depth);
    let func = this.#starts.length - 1;
    while (this.#starts[func] > insnIdx) func--;
    frames[depth - 1] = { top: regs[2 * BPF_REG_FP], func };
    const insn = this.#insns[insnIdx];
    if (insn.code === CALL && insn.src === 0) {
      this.#before = frames.map(frame => ({
        ...frame,
        bytes: this.#mem.read(frame.top - MAX_BPF_STACK, MAX_BPF_STACK),
      }));
      return undefined;
    }
    const kind = insn.code & 7;
    if (kind !== BPF_LDX && kind !== BPF_ST && kind !== BPF_STX) return undefined;
    const base = kind === BPF_LDX ? insn.src : insn.dst;
    if (base === BPF_REG_FP) return undefined;
    const at = regs[2 * base] + insn.off;
    return this.#touches(at, SIZES[insn.code & 0x18]) ? `unrecorded access at ${insnIdx}` : undefined;
  }

  /** Whether bytes are in a slot of some frame that nobody should come to. */
  #touches(at: number, sizeBytes: number): boolean {
    for (const { top, func } of this.#frames) {
      for (let byte = at; byte < at + sizeBytes; byte++) {
        if (byte < top && byte >= top - MAX_BPF_STACK && !this.#reached(func, (top - 1 - byte) >> 3)) return true;
      }
    }
    return false;
  }

  #helperWrote(): string | undefined {
    const before = this.#before;
    this.#before = [];
    for (const { top, func, bytes } of before) {
      const now = this.#mem.read(top - MAX_BPF_STACK, MAX_BPF_STACK);
      for (let n = 0; n < MAX_BPF_STACK; n++) {
        if (now[n] !== bytes[n] && !this.#reached(func, (MAX_BPF_STACK - 1 - n) >> 3)) {
          return `a helper changed the byte ${n - MAX_BPF_STACK} of a frame of function ${func}`;
        }
      }
    }
    return undefined;
  }
}
