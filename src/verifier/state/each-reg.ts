import { MAX_BPF_REG } from '../../isa/index.ts';
import type { FuncState } from './func-state.ts';
import type { RegState } from './reg.ts';
import { STACK_SPILL } from './stack.ts';
import type { VerifierState } from './verifier-state.ts';

/** Slots that hold a spilled register, as a mask for {@link forEachRegInVstate}. */
export const MASK_SPILL = 1 << STACK_SPILL;

/**
 * Visits every register of every frame, outermost frame first, and after a frame's registers the slots of its stack
 * whose highest byte is of a kind in `mask` (bit `1 << STACK_…`). What is visited may be changed.
 *
 * Source: `include/linux/bpf_verifier.h: bpf_for_each_reg_in_vstate_mask`.
 */
export function forEachRegInVstate(
  state: VerifierState,
  visit: (frame: FuncState, reg: RegState) => void,
  mask = MASK_SPILL,
): void {
  for (let f = 0; f <= state.curframe; f++) {
    const frame = state.frames[f];
    const { regs } = frame;
    for (let i = 0; i < MAX_BPF_REG; i++) visit(frame, regs[i]);
    for (let i = 0; i < frame.stack.length; i++) {
      const slot = frame.stack[i];
      if (((1 << (slot.slotTypes >>> 28)) & mask) !== 0) visit(frame, slot);
    }
  }
}
