import { MAX_TAIL_CALL_CNT } from '../../../isa/index.ts';
import { type Gate, isNarrow, NATIVE_BLOCK, NATIVE_ENTRIES, type NativeTailCalls } from '../../linear/index.ts';
import { CONST, W as IR_W, JCC_X, JSET, MAY_GOTO, MOV, NONE } from '../../rows/ir.ts';
import { RUN_STATE } from '../../wasm/abi.ts';
import type { CallShape } from '../../wasm/index.ts';
import {
  branchKind,
  CONDITIONS,
  compareWithConstant,
  compareWords,
  directBranch,
  FIX_19,
  FIX_26,
  oppositeBranch,
} from '../compare.ts';
import { bitmask } from '../constant.ts';
import {
  add,
  addImm,
  addUxtw,
  andImm,
  b,
  bCond,
  bl,
  blr,
  br,
  brk,
  cb,
  cmp,
  cmpImm,
  csel,
  HI,
  HS,
  LO,
  LOAD,
  ldr,
  memUxtw,
  mov,
  movk,
  movz,
  NE,
  ret,
  STORE,
  sub,
  subImm,
  tb,
  W,
  X,
  ZR,
} from '../encode.ts';
import { accessAt, addConstant, T0 } from '../words.ts';
import { operateOnNumber } from './alu-rows.ts';
import type { Arm64Emission } from './emission.ts';
import { FIX_FAR } from './lengths.ts';
import { ADDRESS, FRAME, GATE, GATE_SLOT, MEMORY, OPERAND } from './registers.ts';

/** Tail calls made so far. */
const COUNT = 11;

export function emitJump(e: Arm64Emission, label: number): void {
  e.c.fixup(label, FIX_26);
  e.w(b(0));
}

/** A conditional branch without its distance; around a `b` where the label may be out of reach. */
function branchIf(e: Arm64Emission, word: number, label: number): void {
  if (e.short) {
    e.c.fixup(label, branchKind(word));
    e.w(word);
    return;
  }
  e.w(oppositeBranch(word) | (2 << 5));
  e.c.fixup(label, FIX_FAR);
  e.w(b(0));
}

export function emitCondition(e: Arm64Emission, i: number, label: number, opposite: boolean): void {
  const { rows } = e;
  let word: number | undefined;
  if (rows.kind[i] === MAY_GOTO) {
    // Taken when nothing is left, and one less each time.
    e.local(2, LOAD, T0, e.frame.mayGotoOff);
    e.w(subImm(W, T0, T0, 1));
    e.local(2, STORE, T0, e.frame.mayGotoOff);
    word = tb(1, T0, 31, 0);
  } else if (rows.kind[i] !== JCC_X) word = directBranch(widthOf(e, i), rows.sub[i], e.use(rows.a[i]), rows.imm[i]);
  word ??= bCond(emitComparison(e, i), 0);
  branchIf(e, opposite ? oppositeBranch(word) : word, label);
}

function widthOf({ rows }: Arm64Emission, i: number): number {
  const low = (rows.flags[i] & IR_W) !== 0 || (rows.sub[i] === JSET && rows.kind[i] !== JCC_X && rows.imm[i] >= 0);
  return low ? W : X;
}

/** Sets the flags; the condition under which the jump is taken. */
function emitComparison(e: Arm64Emission, i: number): number {
  const { rows } = e;
  const sub = rows.sub[i];
  const sf = widthOf(e, i);
  const a = e.use(rows.a[i]);
  if (rows.kind[i] === JCC_X) e.w(compareWords(sf, sub === JSET, a, e.use(rows.b[i], ADDRESS)));
  else compareWithConstant(e, sf, sub === JSET, a, rows.imm[i]);
  return CONDITIONS[sub];
}

export function emitChoice(e: Arm64Emission, jump: number, row: number): void {
  const { rows } = e;
  const { kind, sub, imm, aux } = rows;
  const d = e.home(rows.d[row]);
  const wide = e.isWide(row);
  let from = T0;
  if (kind[row] === MOV) from = e.home(rows.a[row]);
  else if (kind[row] === CONST) {
    const hi = wide ? aux[row] : 0;
    if (hi === 0 && imm[row] === 0) from = ZR;
    else e.constant(T0, hi, imm[row]);
  } else operateOnNumber(e, sub[row], isNarrow(rows, row, e.known) ? W : X, T0, e.home(rows.a[row]), imm[row]);
  const condition = emitComparison(e, jump);
  e.w(csel(wide ? X : W, d, from, d, condition ^ 1));
  e.changes(rows.d[row]);
}

/** Calls a gate. R0 stays what it was; of the others that calls may change nothing does. */
function callGate(e: Arm64Emission, gate: Gate, slot: number): void {
  const { program } = e;
  const number = program.gate(gate);
  e.gateOffs.push(e.c.length);
  e.w(movz(W, GATE, number));
  e.w(movk(W, GATE, number >>> 16, 1));
  e.constant(GATE_SLOT, 0, slot);
  e.constant(T0, program.gateHi, program.gateLo);
  e.w(blr(T0));
  e.forget();
}

/** R1.. go where functions outside find them. */
function storeArgs(e: Arm64Emission, count: number): void {
  for (let n = 1; n <= count; n++) e.state(3, STORE, e.home(n), RUN_STATE.regs + 8 * n);
}

/** A helper or kernel function. */
export function emitOutside(e: Arm64Emission, i: number, gate: Gate, shape: CallShape): void {
  storeArgs(e, shape.args);
  callGate(e, gate, e.slots[i]);
  if (shape.returns && e.rows.d[i] !== NONE) e.state(3, LOAD, e.home(e.rows.d[i]), RUN_STATE.regs);
}

export function emitFunctionCall(e: Arm64Emission, i: number): void {
  e.calls.push({ offBytes: e.c.length, callee: e.rows.aux[i] });
  e.w(bl(0));
  e.forget();
  const d = e.rows.d[i];
  if (d !== NONE && d !== 0) e.w(mov(X, e.home(d), e.home(0)));
}

export function emitFault(e: Arm64Emission, kind: number, slot: number): void {
  e.constant(T0, 0, kind);
  e.state(2, STORE, T0, RUN_STATE.regs + 8);
  callGate(e, { kind: 'fault' }, slot);
  e.w(brk());
}

/** Gives back what the function was lent, so that sp is where it was at the entry. Uses ADDRESS. */
function emitTeardown(e: Arm64Emission): void {
  const { movesSp, frameBytes } = e.frame;
  if (movesSp) {
    // Where this frame ends.
    e.w(sub(W, ADDRESS, FRAME, MEMORY));
    e.w(addImm(W, ADDRESS, ADDRESS, frameBytes & 0xfff));
    if (frameBytes > 0xfff) e.w(addImm(W, ADDRESS, ADDRESS, frameBytes >> 12, 1));
    e.state(2, STORE, ADDRESS, RUN_STATE.sp);
  }
  e.restoreRegisters();
}

export function emitLeave(e: Arm64Emission): void {
  emitTeardown(e);
  e.w(ret());
}

function branch(e: Arm64Emission, word: number, label: number): void {
  e.c.fixup(label, FIX_19);
  e.w(word);
}

/**
 * `bpf_tail_call(ctx, map, index)`: on success the target takes this frame's place, otherwise the program goes on, its R0 what
 * it was. Native code of this machine that was reached before is found in memory; otherwise the gate counts, finds the target,
 * and runs it if that is no native code.
 *
 * ```
 *   0: go on   1: jump to the target   2: it has run; its result is in the state
 * ```
 */
export function emitTailCall(e: Arm64Emission, i: number): void {
  const { c } = e;
  const behind = c.label();
  const result = c.label();
  const outside = c.label();
  // No more of them, as everywhere: nothing leaves the code for that.
  e.state(2, LOAD, COUNT, RUN_STATE.tailCalls);
  e.w(cmpImm(W, COUNT, MAX_TAIL_CALL_CNT));
  branch(e, bCond(HS, 0), behind);
  if (e.program.tailCalls !== undefined) emitDirect(e, e.program.tailCalls, outside, behind);
  c.bind(outside);
  storeArgs(e, 3);
  callGate(e, { kind: 'tail' }, e.slots[i]);
  e.w(cmpImm(W, GATE, 1));
  branch(e, bCond(LO, 0), behind);
  branch(e, bCond(HI, 0), result);
  e.w(ldr(T0, GATE_SLOT, NATIVE_BLOCK.tailTarget));
  e.state(3, LOAD, e.home(1), RUN_STATE.regs + 8);
  emitTeardown(e);
  e.w(br(T0));
  c.bind(result);
  e.state(3, LOAD, e.home(0), RUN_STATE.regs);
  emitLeave(e);
  c.bind(behind);
  e.forget();
}

/** A tail call that asks nobody: what R1 to R3 are stays so where it jumps to a label. `COUNT` is the number of them so far. */
function emitDirect(e: Arm64Emission, tail: NativeTailCalls, outside: number, behind: number): void {
  const { maxEntries, elements, entry } = tail.layout;
  const [map, index, handle, at] = [e.home(2), e.home(3), GATE, GATE_SLOT];
  // Map and index are 32 bits of their registers.
  e.w(addUxtw(at, MEMORY, map));
  accessAt(e, 2, LOAD, T0, at, maxEntries, ADDRESS);
  e.w(cmp(W, index, T0));
  branch(e, bCond(HS, 0), behind);
  e.w(add(W, at, map, index, 3));
  addConstant(e, W, at, at, elements);
  e.w(memUxtw(2, LOAD, handle, MEMORY, at));
  branch(e, cb(W, 0, handle, 0), behind);
  e.w(addUxtw(handle, MEMORY, handle));
  accessAt(e, 2, LOAD, at, handle, entry, ADDRESS);
  e.w(andImm(W, at, at, bitmask(W, 0, NATIVE_ENTRIES.mask)));
  e.constant(T0, tail.entriesHi, tail.entriesLo);
  e.w(add(X, at, T0, at));
  e.w(ldr(T0, at, NATIVE_ENTRIES.handle));
  e.w(cmp(X, T0, handle));
  branch(e, bCond(NE, 0), outside);
  e.w(addImm(W, COUNT, COUNT, 1));
  e.state(2, STORE, COUNT, RUN_STATE.tailCalls);
  e.w(ldr(T0, at, NATIVE_ENTRIES.code));
  emitTeardown(e);
  e.w(br(T0));
}

/** `ld_abs` and `ld_ind`: outside of the packet the function ends with 0. */
export function emitPacketLoad(e: Arm64Emission, i: number): void {
  const { c, rows } = e;
  const inside = c.label();
  e.constant(OPERAND, 0, rows.imm[i]);
  if (rows.b[i] !== NONE) e.w(add(W, OPERAND, OPERAND, e.home(rows.b[i])));
  e.state(2, STORE, OPERAND, RUN_STATE.regs + 8);
  e.constant(T0, 0, rows.sub[i]);
  e.state(2, STORE, T0, RUN_STATE.regs + 16);
  callGate(e, { kind: 'packet' }, e.slots[i]);
  branch(e, cb(W, 1, GATE, 0), inside);
  e.constant(e.home(0), 0, 0);
  emitLeave(e);
  c.bind(inside);
  e.state(3, LOAD, e.home(rows.d[i]), RUN_STATE.regs);
}
