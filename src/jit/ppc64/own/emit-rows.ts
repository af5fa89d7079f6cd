import { ir } from '../../rows/index.ts';
import { eieio, specBarrier, sync, trap } from '../encode.ts';
import { NO_REG, RETURN } from './allocate.ts';
import {
  emitAluK,
  emitAluX,
  emitByteSwap,
  emitCastUser,
  emitConstant,
  emitMask,
  emitMove,
  emitPerCpu,
  emitSignExtend,
} from './alu-rows.ts';
import { emitCall, emitFunctionAddress } from './call-rows.ts';
import type { Emission } from './emission.ts';
import { emitJump, emitJumpK, emitJumpX } from './jump-rows.ts';
import {
  emitAtomic,
  emitCompareExchange,
  emitLoad,
  emitLoadAcquire,
  emitLoadReversed,
  emitStore,
  emitStoreConstant,
  emitStoreRelease,
} from './memory-rows.ts';
import { emitTailCall } from './tail-call.ts';

type Emit = (e: Emission, i: number) => void;

const EMIT: readonly Emit[] = (() => {
  const table: Emit[] = [];
  table[ir.NOP] = () => {};
  table[ir.MOV] = emitMove;
  table[ir.CONST] = emitConstant;
  table[ir.FUNC] = emitFunctionAddress;
  table[ir.MASK] = emitMask;
  table[ir.SEXT] = emitSignExtend;
  table[ir.BSWAP] = emitByteSwap;
  table[ir.ALU_K] = emitAluK;
  table[ir.ALU_X] = emitAluX;
  table[ir.LOAD] = emitLoad;
  table[ir.LOAD_REV] = emitLoadReversed;
  table[ir.STORE] = emitStore;
  table[ir.STORE_K] = emitStoreConstant;
  table[ir.ATOMIC] = emitAtomic;
  table[ir.CMPXCHG] = emitCompareExchange;
  table[ir.LOAD_ACQ] = emitLoadAcquire;
  table[ir.STORE_REL] = emitStoreRelease;
  table[ir.JA] = emitJump;
  table[ir.JCC_K] = emitJumpK;
  table[ir.JCC_X] = emitJumpX;
  table[ir.CALL_HELPER] = emitCall;
  table[ir.CALL_KFUNC] = emitCall;
  table[ir.CALL_SUB] = emitCall;
  table[ir.TAIL] = emitTailCall;
  table[ir.LEAVE] = emitLeave;
  table[ir.PERCPU] = emitPerCpu;
  table[ir.CAST_USER] = emitCastUser;
  table[ir.BARRIER] = emitBarrier;
  return table;
})();

/** POWER9 has a store barrier for this; POWER8 waits for everything. */
function emitBarrier(e: Emission): void {
  if (e.unit.power9) e.w(eieio() | (1 << 25));
  else {
    e.w(sync());
    e.w(specBarrier());
  }
}

function emitLeave(e: Emission, i: number): void {
  e.move(RETURN, e.rows.a[i]);
  const last = i === e.unit.lastLeave;
  if (!last && e.epilogue.length > 1) {
    e.branch(e.leaveLabel);
    return;
  }
  if (last) e.bind(e.leaveLabel);
  for (const word of e.epilogue) e.w(word);
}

/** Whether a row's last instruction makes its result, and may compare it with 0 on the way. */
const isRecordable = (kind: number, sub: number, d: number): boolean =>
  kind === ir.MOV ||
  kind === ir.MASK ||
  kind === ir.SEXT ||
  // The result moved out of the way of arguments.
  (kind >= ir.CALL_HELPER && kind <= ir.CALL_SUB && d !== RETURN && d !== NO_REG) ||
  // Modulo instructions have no record bit.
  ((kind === ir.ALU_K || kind === ir.ALU_X) && sub !== ir.MOD && sub !== ir.SMOD);

/** Writes every row. Labels of slots stand where their code begins. */
export function emitRows(e: Emission): void {
  const { n, kind, sub, d, aux, flags } = e.rows;
  let open = true;
  for (let i = 0; i < n; i++) {
    e.bind(i);
    if ((flags[i] & ir.TARGET) !== 0) e.leader();
    const k = kind[i];
    if (k === ir.NOP) continue;
    e.slot = i;
    const before = e.buffer.length;
    EMIT[k](e, i);
    open = k !== ir.JA && k !== ir.LEAVE;
    // Constants say themselves what their register holds now.
    if (k !== ir.CONST && d[i] !== NO_REG) e.changed(d[i]);
    if (isRecordable(k, sub[i], d[i]) && e.buffer.length > before) e.recordable(d[i], k === ir.MASK && aux[i] === 0);
  }
  // Only code nobody verified gets here.
  if (open) e.w(trap());
}
