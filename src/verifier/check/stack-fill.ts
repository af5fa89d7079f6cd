import { PTR_TO_STACK } from '../../helpers/index.ts';
import { isConst } from '../domain/index.ts';
import type { VerifierEnv } from '../env.ts';
import type { FuncState } from '../state/func-state.ts';
import { STACK_MISC, slotTypesAll } from '../state/stack.ts';
import { destroyIfDynptrStackSlot } from './dynptr.ts';
import { ACCESS_DIRECT, BPF_WRITE, func } from './pointer-kinds.ts';
import { checkStackAccessWithinBounds } from './stack-access.ts';
import { checkFastcallStackContract, scrubSpecialSlot } from './stack-write.ts';

const ALL_MISC = slotTypesAll(STACK_MISC);

/**
 * What as many stores of unknown bytes at fixed offsets, the lowest first, come to for somebody who may see pointers and
 * whose CPU does not guess.
 */
function fillWithUnknown(env: VerifierEnv, state: FuncState, off: number, size: number, insnIdx: number): void {
  checkFastcallStackContract(env, state, insnIdx, off);
  const highest = -off - 1;
  const lowest = highest - size + 1;
  for (let spi = highest >> 3; spi >= lowest >> 3; spi--) {
    const slot = state.stack[spi];
    const from = Math.max(lowest - (spi << 3), 0);
    const to = Math.min(highest - (spi << 3), 7);
    destroyIfDynptrStackSlot(env, state, spi);
    env.markStackSlotScratched(spi);
    scrubSpecialSlot(slot);
    // Four bits a byte; all 32 of them are no shift count.
    const mask = (to === 7 ? -1 : (1 << ((to + 1) << 2)) - 1) & (-1 << (from << 2));
    slot.slotTypes = (slot.slotTypes & ~mask) | (ALL_MISC & mask);
  }
}

/** A callee fills `size` bytes of the stack: a store of every byte. Whether that could be done at once; nothing happened if not. */
export function fillStack(env: VerifierEnv, regno: number, size: number, insnIdx: number): boolean {
  const reg = env.regs[regno];
  if (reg.type !== PTR_TO_STACK || !isConst(reg.scalar) || !env.allowPtrLeaks || !env.bypassSpecV4) return false;
  const off = (reg.off + reg.scalar.valueLo) | 0;
  checkStackAccessWithinBounds(env, regno, reg.off, size, ACCESS_DIRECT, BPF_WRITE);
  fillWithUnknown(env, func(env, reg), off, size, insnIdx);
  return true;
}
