import { MAX_TAIL_CALL_CNT } from '../../../isa/index.ts';
import { type Gate, NATIVE_BLOCK, NATIVE_ENTRIES, type NativeTailCalls } from '../../linear/index.ts';
import {
  W as IR_W,
  JCC_X,
  JEQ,
  JGE,
  JGT,
  JLE,
  JLT,
  JNE,
  JSET,
  JSGE,
  JSGT,
  JSLE,
  JSLT,
  MAY_GOTO,
  NONE,
} from '../../rows/ir.ts';
import { RUN_STATE } from '../../wasm/abi.ts';
import type { CallShape } from '../../wasm/index.ts';
import {
  ADD,
  AND,
  alu,
  aluImm,
  CC,
  CMP,
  callReg,
  cmp,
  JCC8,
  JCC32,
  JMP8,
  JMP32,
  jmpReg,
  lea,
  mov,
  movImm,
  movImm64,
  pop,
  push,
  ret,
  rm,
  SUB,
  test,
  testImm,
  testImm8,
  W,
} from '../encode.ts';
import { RAX, RCX, RDI, RDX, RSP } from '../registers.ts';
import { LOAD_OP, STORE_OP, type X86Emission } from './emission.ts';
import { ADDRESS, HOME, MEMORY, SCRATCH } from './registers.ts';

/** mov eax, imm32 */
const MOV_EAX = 0xb8;
/** Kinds of fixups: a distance of eight bits, one of 32, and one of 32 that may become one of eight. */
export const FIX_8 = 1;
export const FIX_32 = 4;
export const FIX_ANY = 5;

/** A jump to a label: eight bits, or 32 that may become eight. */
export function jump(e: X86Emission, label: number): void {
  const { c } = e;
  if (e.short) {
    c.u8(JMP8);
    c.fixup(label, FIX_8);
    c.u8(0);
  } else {
    c.u8(JMP32);
    c.fixup(label, FIX_ANY);
    c.u32(0);
  }
}

function jumpIf(e: X86Emission, condition: number, label: number): void {
  const { c } = e;
  if (e.short) {
    c.u8(JCC8 | condition);
    c.fixup(label, FIX_8);
    c.u8(0);
  } else {
    c.u8(JCC32 >> 8);
    c.u8((JCC32 & 0xff) | condition);
    c.fixup(label, FIX_ANY);
    c.u32(0);
  }
}

const CONDITIONS: Readonly<Record<number, number>> = {
  [JEQ]: CC.e,
  [JNE]: CC.ne,
  [JGT]: CC.a,
  [JGE]: CC.ae,
  [JLT]: CC.b,
  [JLE]: CC.be,
  [JSGT]: CC.g,
  [JSGE]: CC.ge,
  [JSLT]: CC.l,
  [JSLE]: CC.le,
  [JSET]: CC.ne,
};

export function emitCondition(e: X86Emission, i: number, label: number, opposite: boolean): void {
  const { c, rows } = e;
  let condition: number = CC.s;
  if (rows.kind[i] === MAY_GOTO) {
    // Taken when nothing is left, and one less each time.
    rm(c, 0, 0x83, SUB, RSP, e.frame.mayGotoOff);
    c.u8(1);
  } else condition = emitComparison(e, i);
  jumpIf(e, condition ^ (opposite ? 1 : 0), label);
}

/** Sets the flags; the condition under which the jump is taken. */
export function emitComparison(e: X86Emission, i: number): number {
  const { c, rows } = e;
  const sub = rows.sub[i];
  const a = e.use(rows.a[i]);
  if (rows.kind[i] === JCC_X) {
    const w = (rows.flags[i] & IR_W) !== 0 ? 0 : W;
    const b = e.use(rows.b[i], ADDRESS);
    (sub === JSET ? test : cmp)(c, w, a, b);
  } else {
    const imm = rows.imm[i];
    const w = (rows.flags[i] & IR_W) !== 0 || (sub === JSET && imm >= 0) ? 0 : W;
    if (sub === JSET) {
      if (imm >>> 0 <= 0xff) testImm8(c, a, imm);
      else testImm(c, w, a, imm);
    } else if (imm === 0) test(c, w, a, a);
    else aluImm(c, w, CMP, a, imm);
  }
  return CONDITIONS[sub];
}

/** Calls a gate: eax is its number, edx the slot; behind it eax is what it returned and rdx where the block of calls is. */
function callGate(e: X86Emission, gate: Gate, slot: number): void {
  const { c, program } = e;
  c.u8(MOV_EAX);
  e.gateOffs.push(c.length);
  c.u32(program.gate(gate));
  movImm(c, RDX, 0, slot);
  movImm64(c, ADDRESS, program.gateHi, program.gateLo);
  callReg(c, ADDRESS);
}

/** R1.. go where functions outside find them. */
function storeArgs(e: X86Emission, count: number): void {
  for (let n = 1; n <= count; n++) e.state(W, STORE_OP, e.use(n), RUN_STATE.regs + 8 * n);
}

/** A helper or kernel function. */
export function emitOutside(e: X86Emission, i: number, gate: Gate, shape: CallShape): void {
  storeArgs(e, shape.args);
  callGate(e, gate, e.slots[i]);
  if (shape.returns && e.rows.d[i] !== NONE) e.state(W, LOAD_OP, HOME[e.rows.d[i]], RUN_STATE.regs);
}

export function emitFunctionCall(e: X86Emission, i: number): void {
  const { c } = e;
  c.u8(0xe8);
  e.calls.push({ offBytes: c.length, callee: e.rows.aux[i] });
  c.u32(0);
  const d = e.rows.d[i];
  if (d !== NONE && HOME[d] !== RAX) mov(c, W, HOME[d], RAX);
}

/** Ends the run: the gate throws. */
export function emitFault(e: X86Emission, kind: number, slot: number): void {
  const { c } = e;
  movImm(c, RAX, 0, kind);
  e.state(0, STORE_OP, RAX, RUN_STATE.regs + 8);
  callGate(e, { kind: 'fault' }, slot);
  c.u8(0xcc);
}

/** Gives back what the function was lent, so that rsp is where it was at the entry. */
function emitTeardown(e: X86Emission): void {
  const { c, frame } = e;
  if (frame.movesSp) addToSp(e, frame.frameBytes);
  if (frame.localBytes > 0) aluImm(c, W, ADD, RSP, frame.localBytes);
  for (let n = frame.saved.length - 1; n >= 0; n--) pop(c, frame.saved[n]);
}

/** Moves where the next frame of the linear memory ends. */
export function addToSp(e: X86Emission, bytes: number): void {
  const { c, program } = e;
  const small = bytes >= -128 && bytes < 128;
  rm(c, 0, small ? 0x83 : 0x81, ADD, MEMORY, program.stateAddr + RUN_STATE.sp);
  if (small) c.u8(bytes & 0xff);
  else c.u32(bytes);
}

export function emitLeave(e: X86Emission): void {
  emitTeardown(e);
  ret(e.c);
}

/** cmp reg, [m] */
const CMP_OP = 0x3b;

/**
 * `bpf_tail_call(ctx, map, index)`: on success the target takes this frame's place, otherwise the program goes on, its R0 what
 * it was. Native code of this machine that was reached before is found in memory; otherwise the gate counts, finds the target,
 * and runs it if that is no native code.
 *
 * ```
 *   eax 0: go on   1: jump to the target   2: it has run; its result is in the state
 * ```
 */
export function emitTailCall(e: X86Emission, i: number): void {
  const { c } = e;
  const behind = c.label();
  const result = c.label();
  const outside = c.label();
  // No more of them, as everywhere: nothing leaves the code for that.
  rm(c, 0, 0x83, CMP, MEMORY, e.program.stateAddr + RUN_STATE.tailCalls);
  c.u8(MAX_TAIL_CALL_CNT);
  far(e, JCC32 | CC.ae, behind);
  if (e.program.tailCalls !== undefined) emitDirect(e, e.program.tailCalls, outside, behind);
  c.bind(outside);
  storeArgs(e, 3);
  push(c, RAX);
  callGate(e, { kind: 'tail' }, e.slots[i]);
  mov(c, 0, RCX, RAX);
  pop(c, RAX);
  aluImm(c, 0, CMP, RCX, 1);
  far(e, JCC32 | CC.b, behind);
  far(e, JCC32 | CC.a, result);
  rm(c, W, LOAD_OP, ADDRESS, RDX, NATIVE_BLOCK.tailTarget);
  e.state(W, LOAD_OP, RDI, RUN_STATE.regs + 8);
  emitTeardown(e);
  jmpReg(c, ADDRESS);
  c.bind(result);
  e.state(W, LOAD_OP, RAX, RUN_STATE.regs);
  emitLeave(e);
  c.bind(behind);
}

/** A tail call that asks nobody. R0 to R3 stay what they are where it jumps to a label; R4 is free. */
function emitDirect(e: X86Emission, tail: NativeTailCalls, outside: number, behind: number): void {
  const { c } = e;
  const { maxEntries, elements, entry } = tail.layout;
  const index = RCX;
  // Map and index are 32 bits of their registers.
  mov(c, 0, ADDRESS, HOME[2]);
  mov(c, 0, index, HOME[3]);
  rm(c, 0, CMP_OP, index, MEMORY, maxEntries, ADDRESS);
  far(e, JCC32 | CC.ae, behind);
  lea(c, 0, ADDRESS, ADDRESS, elements, index, 3);
  rm(c, 0, LOAD_OP, ADDRESS, MEMORY, 0, ADDRESS);
  test(c, 0, ADDRESS, ADDRESS);
  far(e, JCC32 | CC.e, behind);
  rm(c, 0, LOAD_OP, index, MEMORY, entry, ADDRESS);
  aluImm(c, 0, AND, index, NATIVE_ENTRIES.mask);
  alu(c, W, ADD, ADDRESS, MEMORY);
  movImm64(c, SCRATCH, tail.entriesHi, tail.entriesLo);
  rm(c, W, CMP_OP, ADDRESS, SCRATCH, NATIVE_ENTRIES.handle, index);
  far(e, JCC32 | CC.ne, outside);
  rm(c, 0, 0x83, ADD, MEMORY, e.program.stateAddr + RUN_STATE.tailCalls);
  c.u8(1);
  rm(c, W, LOAD_OP, ADDRESS, SCRATCH, NATIVE_ENTRIES.code, index);
  emitTeardown(e);
  jmpReg(c, ADDRESS);
}

/** A jump of 32 bits to a label of a row's own. */
function far(e: X86Emission, op: number, label: number): void {
  const { c } = e;
  c.u8(op >> 8);
  c.u8(op & 0xff);
  c.fixup(label, FIX_32);
  c.u32(0);
}

/** `ld_abs` and `ld_ind`: outside of the packet the function ends with 0. */
export function emitPacketLoad(e: X86Emission, i: number): void {
  const { c, rows } = e;
  const inside = c.label();
  movImm(c, SCRATCH, 0, rows.imm[i]);
  if (rows.b[i] !== NONE) alu(c, 0, ADD, SCRATCH, HOME[rows.b[i]]);
  e.state(0, STORE_OP, SCRATCH, RUN_STATE.regs + 8);
  movImm(c, RAX, 0, rows.sub[i]);
  e.state(0, STORE_OP, RAX, RUN_STATE.regs + 16);
  callGate(e, { kind: 'packet' }, e.slots[i]);
  test(c, 0, RAX, RAX);
  far(e, JCC32 | CC.ne, inside);
  movImm(c, RAX, 0, 0);
  emitLeave(e);
  c.bind(inside);
  e.state(W, LOAD_OP, HOME[rows.d[i]], RUN_STATE.regs);
}
