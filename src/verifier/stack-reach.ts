import { MAX_BPF_STACK } from '../isa/index.ts';

/** Slots 0..31 and 32..63 of a frame by bit; slot n is `[R10 - 8 (n + 1), R10 - 8 n)`. */
export type ReachedSlots = readonly [lo: number, hi: number];

const SLOT_LOG2 = 3;
const SLOTS = MAX_BPF_STACK >> SLOT_LOG2;

/**
 * Which slots of each subprogram's frame may be touched other than by a load, store or atomic operation whose base register is
 * R10: through other registers that point to the stack, wherever in the program, and by what is called with such a pointer.
 * Compilers may keep the other slots wherever they like, as every access to one names it.
 *
 * Why a verification knows that:
 *
 * 1. R10 never changes: an access with that base goes to a constant place of the running function's own frame. Every other
 *    instruction that touches memory has a base register the verifier knows the type of, and touches the stack only if that
 *    is PTR_TO_STACK. Every callee touches what its contract lets it, through arguments of that type.
 * 2. All of those go through `check_stack_access_within_bounds` with the lowest and the highest byte they may touch: loads,
 *    stores, atomic operations, memory and sizes given to helpers, kernel functions and global functions, and the making of a
 *    dynptr or an iterator (whose later uses are at the constant place where it was made). What is recorded is that very
 *    range, for the function whose frame the pointer points into: whichever function of the chain of calls has the pointer, it
 *    is given on as it is, to static functions and callbacks, and spilled and filled as it is.
 * 3. So what is recorded covers a run for the reason that the check does. A path that is pruned goes on as one that was
 *    explored: pointers to the stack that are read again have to be equal there, frame and all; numbers that were added to
 *    a pointer or given as a size are precise, so that the explored state's range holds the pruned one's; both frames are of the same
 *    functions, called from the same places. Loops of iterators, `may_goto` and callbacks end where a state lies within
 *    one that came before. Were there a run whose access lies outside of what was recorded, its access would lie outside of what
 *    was checked against the frame's end as well. The figure is as good as the verdict, not better.
 * 4. Global functions are walked on their own. Their arguments are no pointers to the stack but memory of a known size, which
 *    each caller was checked for, and which is recorded, where it calls.
 * 5. Loads of bytes nobody wrote, at places that vary, are recorded as any load.
 *
 * What it does not cover are addresses that went through a number: programs with rights may store a pointer into a map, give it
 * as an argument that is anything, or load a spilled one as bytes. Numbers are no bases, so this needs a callee that
 * reads or writes where a number says (`HelperDef.followsNumbers`, kernel functions); nobody may rely on the record of a program
 * that calls one, nor of one whose functions may be left by a tail call into a program that does so.
 *
 * Dead code, which no run comes to, has nothing recorded.
 */
export class StackReach {
  /** Two words a subprogram. */
  readonly #words: Int32Array;

  constructor(subprogCount: number) {
    this.#words = new Int32Array(2 * subprogCount);
  }

  /** Bytes from `from` up to, not including, `end` of a frame of `subprogno`, from R10; empty if `end` is not above. */
  mark(subprogno: number, from: number, end: number): void {
    const last = Math.min((-from - 1) >> SLOT_LOG2, SLOTS - 1);
    for (let slot = Math.max(-end >> SLOT_LOG2, 0); slot <= last; slot++) {
      this.#words[2 * subprogno + (slot >> 5)] |= 1 << (slot & 31);
    }
  }

  /** By subprogram. */
  list(): readonly ReachedSlots[] {
    const words = this.#words;
    return Array.from({ length: words.length >> 1 }, (_, i) => [words[2 * i], words[2 * i + 1]] as const);
  }
}
