import { ir } from '../../rows/index.ts';
import { brc } from '../encode.ts';
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
import { emitCall, emitFunctionAddress, emitTailCall } from './call-rows.ts';
import type { Emission } from './emission.ts';
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

type Emit = (e: Emission, i: number) => void;

const EMIT: readonly Emit[] = (() => {
  const table: Emit[] = [];
  // Loads and stores are in order as far as speculation is told: Linux emits nothing for NOSPEC here either.
  table[ir.BARRIER] = () => {};
  table[ir.MOV] = emitMove;
  table[ir.CONST] = emitConstant;
  table[ir.FUNC] = emitFunctionAddress;
  table[ir.MASK] = emitMask;
  table[ir.SEXT] = emitSignExtend;
  table[ir.BSWAP] = emitByteSwap;
  table[ir.ALU_K] = emitAluK;
  table[ir.ALU_X] = emitAluX;
  table[ir.LOAD] = emitLoad;
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
  return table;
})();

function emitLeave(e: Emission, i: number): void {
  const last = i === e.unit.lastLeave;
  const from = e.rows.a[i];
  if (from !== NO_REG) e.move(RETURN, from);
  if (!last && e.sharesLeave) {
    e.branch(15, e.leaveLabel);
    return;
  }
  if (last) e.bind(e.leaveLabel);
  for (const insn of e.epilogue) e.w(insn);
}

/** Writes every row. */
export function emitRows(e: Emission): void {
  const { n, kind, flags } = e.rows;
  let open = true;
  for (let i = 0; i < n; i++) {
    e.bind(i);
    if ((flags[i] & ir.LEADER) !== 0) e.leader();
    const k = kind[i];
    if (k === ir.NOP) continue;
    e.slot = i;
    EMIT[k](e, i);
    open = k !== ir.JA && k !== ir.LEAVE;
  }
  // A trap as the kernel has it; only code nobody verified gets here.
  if (open) e.w(brc(15, 1));
}
