import { type LinearTarget, linearRows } from '../../linear/index.ts';
import {
  emitConstant,
  emitFunctionAddress,
  emitMask,
  emitMove,
  emitOperation,
  emitSignExtension,
  emitSwap,
} from './alu-rows.ts';
import { emitChoice } from './choice.ts';
import {
  emitCondition,
  emitFault,
  emitFunctionCall,
  emitLeave,
  emitOutside,
  emitPacketLoad,
  emitTailCall,
  FIX_8,
  jump,
} from './control-rows.ts';
import { X86Emission } from './emission.ts';
import { clearLocal, clearWords, enter, extend, setBudget } from './frame.ts';
import { alignLoop, SHORT_BYTES, shorten } from './lengths.ts';
import { emitAtomic, emitLoad, emitStore } from './memory-rows.ts';
import { REGISTERS } from './registers.ts';

/** int3 */
const TRAP = 0xcc;

/** x86-64, with BMI2 where the CPU is said to have more. */
export const X86_LINEAR: LinearTarget<X86Emission> = {
  registers: REGISTERS,
  alignBytes: 32,
  fill: TRAP,
  mostBytes: 2 ** 30,
  shortRows: SHORT_BYTES,
  rows: linearRows({
    move: emitMove,
    constant: emitConstant,
    functionAddress: emitFunctionAddress,
    mask: emitMask,
    signExtension: emitSignExtension,
    swap: emitSwap,
    operation: emitOperation,
    load: emitLoad,
    store: emitStore,
    atomic: emitAtomic,
    functionCall: emitFunctionCall,
  }),
  emission: parts => new X86Emission(parts),
  patch(code, size, off, distance) {
    if (size !== FIX_8) {
      code.patchU32(off, distance - 4);
      return true;
    }
    code.patchU8(off, distance - 1);
    return distance >= -127 && distance <= 128;
  },
  shorten,
  patchCall: (view, off, distance) => view.setInt32(off, distance - 4, true),
  patchGate: (view, off, add) => view.setInt32(off, view.getInt32(off, true) + add, true),
  block(e, _, isLoop) {
    if (isLoop) alignLoop(e);
  },
  enter,
  clearLocal,
  setBudget,
  extend,
  clearWords,
  jump,
  condition: emitCondition,
  choice: emitChoice,
  outside: emitOutside,
  tail: emitTailCall,
  packet: emitPacketLoad,
  leave: emitLeave,
  fault: emitFault,
};
