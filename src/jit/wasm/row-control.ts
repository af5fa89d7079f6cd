import { MAX_TAIL_CALL_CNT } from '../../isa/index.ts';
import { InternalError } from '../../util/index.ts';
import { JCC_X, JEQ, JGE, JGT, JLE, JLT, JNE, JSET, JSGE, JSGT, JSLE, JSLT, MAY_GOTO, NONE, W } from '../rows/ir.ts';
import { type CallShape, kfuncImport, RUN_STATE, WASM_FAULTS, type WasmFault } from './abi.ts';
import {
  DROP,
  ELSE,
  END,
  I32,
  I32_ADD,
  I32_AND,
  I32_EQ,
  I32_EQZ,
  I32_GE_S,
  I32_GE_U,
  I32_GT_S,
  I32_GT_U,
  I32_LE_S,
  I32_LE_U,
  I32_LOAD,
  I32_LT_S,
  I32_LT_U,
  I32_NE,
  I32_SHL,
  I32_SUB,
  I64_AND,
  I64_EQ,
  I64_EQZ,
  I64_GE_S,
  I64_GE_U,
  I64_GT_S,
  I64_GT_U,
  I64_LE_S,
  I64_LE_U,
  I64_LT_S,
  I64_LT_U,
  I64_NE,
  IF,
  RETURN,
  UNREACHABLE,
} from './opcodes.ts';
import { HIGH_SHIFT, type RowEmission } from './row-emission.ts';

/** 64-bit and 32-bit comparisons by `sub`; jset is one of its own. */
const WIDE_COMPARE = new Uint8Array(16);
const NARROW_COMPARE = new Uint8Array(16);
for (const [sub, wide, narrow] of [
  [JEQ, I64_EQ, I32_EQ],
  [JNE, I64_NE, I32_NE],
  [JGT, I64_GT_U, I32_GT_U],
  [JGE, I64_GE_U, I32_GE_U],
  [JLT, I64_LT_U, I32_LT_U],
  [JLE, I64_LE_U, I32_LE_U],
  [JSGT, I64_GT_S, I32_GT_S],
  [JSGE, I64_GE_S, I32_GE_S],
  [JSLT, I64_LT_S, I32_LT_S],
  [JSLE, I64_LE_S, I32_LE_S],
] as const) {
  WIDE_COMPARE[sub] = wide;
  NARROW_COMPARE[sub] = narrow;
}

/** Leaves on the stack whether a row's jump is taken. */
export function emitCondition(e: RowEmission, i: number): void {
  const { code, rows } = e;
  if (rows.kind[i] === MAY_GOTO) {
    // Taken when nothing is left, and one less each time.
    code.get(e.locals.mayGoto);
    code.i32(1);
    code.op(I32_SUB);
    code.tee(e.locals.mayGoto);
    code.i32(0);
    code.op(I32_LT_S);
    return;
  }
  const sub = rows.sub[i];
  const imm = rows.imm[i];
  const register = rows.kind[i] === JCC_X;
  // A test of low bits alone needs no more of its operand.
  const wide = (rows.flags[i] & W) === 0 && (sub !== JSET || register || imm < 0);
  if (wide) e.get(rows.a[i]);
  else e.get32(rows.a[i]);
  if (!register && imm === 0 && (sub === JEQ || sub === JNE)) {
    if (sub === JEQ) code.op(wide ? I64_EQZ : I32_EQZ);
    else if (wide) {
      code.i64(0, 0);
      code.op(I64_NE);
    }
    return;
  }
  if (register) {
    if (wide) e.get(rows.b[i]);
    else e.get32(rows.b[i]);
  } else if (wide) code.i64(imm >> 31, imm);
  else code.i32(imm);
  if (sub !== JSET) {
    code.op((wide ? WIDE_COMPARE : NARROW_COMPARE)[sub]);
    return;
  }
  code.op(wide ? I64_AND : I32_AND);
  if (!wide) return;
  code.i64(0, 0);
  code.op(I64_NE);
}

/** Ends the run: the import throws. */
export function emitFault(e: RowEmission, kind: WasmFault, slot: number): void {
  e.code.i32(WASM_FAULTS.indexOf(kind));
  e.code.i32(slot);
  e.code.call(e.imports.fault);
  e.code.op(UNREACHABLE);
}

/** Gives the frame back: callers find `sp` as they left it. */
function restoreSp(e: RowEmission): void {
  const { code } = e;
  if (!e.movesSp) return;
  e.state.put32(RUN_STATE.sp, () => {
    code.get(e.locals.frame);
    code.i32(e.frameBytes);
    code.op(I32_ADD);
  });
}

export function emitLeave(e: RowEmission): void {
  restoreSp(e);
  if (e.isEntry) e.get32(0);
  else e.get(0);
  e.code.op(RETURN);
}

/** R1.. go where functions outside find them. */
function storeArgs(e: RowEmission, count: number): void {
  for (let n = 1; n <= count; n++) e.state.put64(RUN_STATE.regs + 8 * n, () => e.get(n));
}

function emitOutside(e: RowEmission, i: number, func: number | undefined, shape: CallShape): void {
  if (func === undefined) throw new InternalError(`slot ${e.slots[i]} calls what was not imported`);
  storeArgs(e, shape.args);
  e.code.i32(e.slots[i]);
  e.code.call(func);
  if (!shape.returns || e.rows.d[i] === NONE) return;
  e.state.get64(RUN_STATE.regs);
  e.set(i);
}

export function emitHelperCall(e: RowEmission, i: number): void {
  const id = e.rows.imm[i];
  emitOutside(e, i, e.imports.helpers.get(id), e.how.helperShape(id));
}

export function emitKfuncCall(e: RowEmission, i: number): void {
  const id = e.rows.imm[i];
  const fdIdx = e.rows.aux[i];
  emitOutside(e, i, e.imports.kfuncs.get(kfuncImport(id, fdIdx)), e.how.kfuncShape(id, fdIdx));
}

/** A function of the program: what it reads of its arguments. */
export function emitFunctionCall(e: RowEmission, i: number): void {
  const callee = e.signatures[e.rows.aux[i]];
  if (callee === undefined) throw new InternalError(`slot ${e.slots[i]} calls a function that was left out`);
  for (let n = 1; n <= 5; n++) {
    const halves = callee.halves >>> n;
    if ((halves & (1 << HIGH_SHIFT)) !== 0) e.get(n);
    else if ((halves & 1) !== 0) e.get32(n);
  }
  e.code.call(callee.func);
  if (e.rows.d[i] === NONE) e.code.op(DROP);
  else e.set(i);
}

/** Leaves the index of a program in the table on the stack, or a number below 1. */
function tailTarget(e: RowEmission, slot: number): void {
  const { code } = e;
  const layout = e.how.tailCalls;
  if (layout === undefined) {
    storeArgs(e, 3);
    code.i32(slot);
    code.call(e.imports.tail);
    return;
  }
  e.get32(3);
  e.get32(2);
  code.access(I32_LOAD, layout.maxEntries);
  code.op(I32_LT_U);
  code.open(IF, I32);
  e.get32(2);
  e.get32(3);
  code.i32(3);
  code.op(I32_SHL);
  code.op(I32_ADD);
  code.access(I32_LOAD, layout.elements);
  code.tee(e.locals.word);
  code.open(IF, I32);
  code.get(e.locals.word);
  code.access(I32_LOAD, layout.entry);
  code.op(ELSE);
  code.i32(0);
  code.op(END);
  code.op(ELSE);
  code.i32(0);
  code.op(END);
}

/** `bpf_tail_call(ctx, map, index)`: on success the target takes this frame's place, otherwise the program goes on. */
export function emitTailCall(e: RowEmission, i: number): void {
  const { code, state, locals } = e;
  tailTarget(e, e.slots[i]);
  code.set(locals.word);
  state.get32(RUN_STATE.tailCalls);
  code.i32(MAX_TAIL_CALL_CNT);
  code.op(I32_LT_U);
  code.get(locals.word);
  code.i32(0);
  code.op(I32_GT_S);
  code.op(I32_AND);
  code.open(IF);
  state.put32(RUN_STATE.tailCalls, () => {
    state.get32(RUN_STATE.tailCalls);
    code.i32(1);
    code.op(I32_ADD);
  });
  restoreSp(e);
  e.get(1);
  for (let n = 2; n <= 5; n++) code.i64(0, 0);
  code.get(locals.word);
  code.returnCallIndirect(e.imports.funcType);
  code.op(END);
}

/** `ld_abs` and `ld_ind`: outside of the packet the function ends with 0. */
export function emitPacketLoad(e: RowEmission, i: number): void {
  const { code, rows } = e;
  code.i32(rows.imm[i]);
  if (rows.b[i] !== NONE) {
    e.get32(rows.b[i]);
    code.op(I32_ADD);
  }
  code.i32(rows.sub[i]);
  code.call(e.imports.packet);
  code.op(I32_EQZ);
  code.open(IF);
  restoreSp(e);
  code.i64(0, 0);
  code.op(RETURN);
  code.op(END);
  e.state.get64(RUN_STATE.regs);
  e.set(i);
}
