import type { LinearTarget } from '../../linear/index.ts';
import {
  ALU_K,
  ALU_X,
  ATOMIC,
  BSWAP,
  CALL_SUB,
  CAST_USER,
  CMPXCHG,
  CONST,
  FUNC,
  LOAD,
  LOAD_ACQ,
  MASK,
  MOV,
  SEXT,
  STORE,
  STORE_K,
  STORE_REL,
} from '../../rows/ir.ts';
import {
  emitConstant,
  emitFunctionAddress,
  emitMask,
  emitMove,
  emitOperation,
  emitSignExtension,
  emitSwap,
} from './alu-rows.ts';
import { alignLoop, emitChoice } from './choice.ts';
import {
  emitCondition,
  emitFault,
  emitFunctionCall,
  emitLeave,
  emitOutside,
  emitPacketLoad,
  emitTailCall,
  jump,
} from './control-rows.ts';
import { X86Emission } from './emission.ts';
import { clearLocal, clearWords, enter, extend, setBudget } from './frame.ts';
import { emitAtomic, emitLoad, emitStore } from './memory-rows.ts';
import { REGISTERS } from './registers.ts';

/** int3 */
const TRAP = 0xcc;
const nothing = (): void => {};

/** x86-64, with BMI2 where the CPU is said to have more. */
export const X86_LINEAR: LinearTarget<X86Emission> = {
  registers: REGISTERS,
  alignBytes: 32,
  fill: TRAP,
  mostBytes: 2 ** 30,
  shortBytes: 120,
  rows: {
    [MOV]: emitMove,
    [CAST_USER]: emitMove,
    [CONST]: emitConstant,
    [FUNC]: emitFunctionAddress,
    [MASK]: emitMask,
    [SEXT]: emitSignExtension,
    [BSWAP]: emitSwap,
    [ALU_K]: emitOperation,
    [ALU_X]: emitOperation,
    [LOAD]: emitLoad,
    [LOAD_ACQ]: emitLoad,
    [STORE]: emitStore,
    [STORE_K]: emitStore,
    [STORE_REL]: emitStore,
    [ATOMIC]: emitAtomic,
    [CMPXCHG]: emitAtomic,
    [CALL_SUB]: emitFunctionCall,
  },
  emission: parts => new X86Emission(parts),
  patch(code, size, off, distance) {
    if (size === 4) code.patchU32(off, distance - 4);
    else code.patchU8(off, distance - 1);
    return size === 4 || (distance >= -127 && distance <= 128);
  },
  patchCall: (view, off, distance) => view.setInt32(off, distance - 4, true),
  patchGate: (view, off, add) => view.setInt32(off, view.getInt32(off, true) + add, true),
  block(e, _, isLoop, most) {
    if (isLoop) alignLoop(e, most);
  },
  done: nothing,
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
