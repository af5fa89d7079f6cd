import { type LinearTarget, linearRows } from '../../linear/index.ts';
import { CONST, NONE } from '../../rows/ir.ts';
import { withDistance } from '../compare.ts';
import { bl } from '../encode.ts';
import { emitConstant, emitFunctionAddress, emitMove, emitOperation, emitSignExtension, emitSwap } from './alu-rows.ts';
import {
  emitChoice,
  emitCondition,
  emitFault,
  emitFunctionCall,
  emitJump,
  emitLeave,
  emitOutside,
  emitPacketLoad,
  emitTailCall,
} from './control-rows.ts';
import { Arm64Emission } from './emission.ts';
import { clearLocal, clearWords, enter, extend, setBudget } from './frame.ts';
import { SHORT_ROWS, shorten } from './lengths.ts';
import { emitMask } from './mask.ts';
import { emitAtomic, emitLoad, emitStore } from './memory-rows.ts';
import { REGISTERS } from './registers.ts';

/** What movz and movk have in bits 5 to 20. */
const halfword = (word: number): number => (word >>> 5) & 0xffff;

/** arm64, of any level: what one thread does needs none of the later ones' atomics. */
export const ARM64_LINEAR: LinearTarget<Arm64Emission> = {
  registers: REGISTERS,
  alignBytes: 32,
  // No instruction.
  fill: 0,
  mostBytes: 2 ** 27 - 1024,
  shortRows: SHORT_ROWS,
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
  emission: parts => new Arm64Emission(parts),
  patch(code, kind, off, distance) {
    const word = withDistance(code.peekU32(off), kind, distance);
    if (word !== undefined) code.patchU32(off, word);
    return word !== undefined;
  },
  shorten,
  patchCall: (view, off, distance) => view.setInt32(off, bl(distance), true),
  patchGate(view, off, add) {
    const [low, high] = [view.getInt32(off, true), view.getInt32(off + 4, true)];
    const number = halfword(low) + (halfword(high) << 16) + add;
    view.setInt32(off, low + ((number & 0xffff) - halfword(low)) * 32, true);
    view.setInt32(off + 4, high + ((number >>> 16) - halfword(high)) * 32, true);
  },
  block(e, joins) {
    if (joins) e.forget();
  },
  done(e, i) {
    const { d, kind, imm } = e.rows;
    if (d[i] === NONE) return;
    e.changes(d[i]);
    if (kind[i] === CONST) e.becomes(d[i], imm[i]);
  },
  enter,
  clearLocal,
  setBudget,
  extend,
  clearWords,
  jump: emitJump,
  condition: emitCondition,
  choice: emitChoice,
  outside: emitOutside,
  tail: emitTailCall,
  packet: emitPacketLoad,
  leave: emitLeave,
  fault: emitFault,
};
