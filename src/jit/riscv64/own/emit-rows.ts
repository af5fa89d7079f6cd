import { ebreak, jalr, RA, ZERO } from '../encode.ts';
import { RESULT } from './allocate.ts';
import {
  emitAluK,
  emitAluX,
  emitByteSwap,
  emitCastUser,
  emitConstant,
  emitMove,
  emitPerCpu,
  emitSignExtend,
  emitZeroExtend,
} from './alu-rows.ts';
import { emitCall, emitFunctionAddress } from './call-rows.ts';
import type { Emission } from './emission.ts';
import * as ir from './ir.ts';
import { emitJump, emitJumpK, emitJumpX } from './jump-rows.ts';
import {
  emitAtomic,
  emitCompareExchange,
  emitLoad,
  emitLoadAcquire,
  emitStore,
  emitStoreConstant,
  emitStoreRelease,
} from './memory-rows.ts';
import { emitTeardown } from './prologue.ts';
import { emitTailCall } from './tail-call.ts';

type Emit = (e: Emission, i: number) => void;

/** By kind. */
const EMIT: readonly Emit[] = [
  () => {},
  emitMove,
  emitConstant,
  emitFunctionAddress,
  emitZeroExtend,
  emitSignExtend,
  emitByteSwap,
  emitAluK,
  emitAluX,
  emitLoad,
  emitStore,
  emitStoreConstant,
  emitAtomic,
  emitCompareExchange,
  emitLoadAcquire,
  emitStoreRelease,
  emitJump,
  emitJumpK,
  emitJumpX,
  emitCall,
  emitCall,
  emitCall,
  emitTailCall,
  emitLeave,
  emitPerCpu,
  emitCastUser,
];

/** The last one has the epilogue; the others jump there unless there is no frame. */
function emitLeave(e: Emission, i: number): void {
  const { lastLeave, frame } = e.unit;
  e.move(RESULT, e.rows.a[i]);
  if (i === lastLeave) e.bind(e.leaveLabel);
  else if (frame.sizeBytes > 0) {
    e.jump(e.leaveLabel);
    return;
  }
  emitTeardown(e);
  e.w(jalr(ZERO, 0, RA));
}

/** Writes every row. */
export function emitRows(e: Emission): void {
  const { n, kind, flags } = e.rows;
  let open = true;
  for (let i = 0; i < n; i++) {
    e.bind(i);
    if ((flags[i] & ir.LEADER) !== 0) e.forget();
    const k = kind[i];
    if (k === ir.NOP) continue;
    e.slot = i;
    EMIT[k](e, i);
    open = k !== ir.JA && k !== ir.LEAVE;
  }
  // Only code nobody verified gets here.
  if (open) e.w(ebreak());
}
