import { type Insn, type InsnDef, type JumpOp, MAX_CALL_FRAMES, MAX_TAIL_CALL_CNT } from '../../isa/index.ts';
import { ERRNO } from '../../uapi/index.ts';
import { InternalError } from '../../util/index.ts';
import { JitError } from '../types.ts';
import { type CallShape, kfuncImport, RUN_STATE } from './abi.ts';
import { type Emission, type Emit, fault, reg, reg32, restoreSp, setReg } from './emission.ts';
import * as w from './opcodes.ts';
import { LEVEL, MAY_GOTO, WORD } from './registers.ts';

/** 64-bit and 32-bit comparisons; jset is one of its own. */
const COMPARE: Readonly<Record<Exclude<JumpOp, 'jset'>, readonly [wide: number, narrow: number]>> = {
  jeq: [w.I64_EQ, w.I32_EQ],
  jne: [w.I64_NE, w.I32_NE],
  jgt: [w.I64_GT_U, w.I32_GT_U],
  jge: [w.I64_GE_U, w.I32_GE_U],
  jlt: [w.I64_LT_U, w.I32_LT_U],
  jle: [w.I64_LE_U, w.I32_LE_U],
  jsgt: [w.I64_GT_S, w.I32_GT_S],
  jsge: [w.I64_GE_S, w.I32_GE_S],
  jslt: [w.I64_LT_S, w.I32_LT_S],
  jsle: [w.I64_LE_S, w.I32_LE_S],
};

/** Leaves on the stack whether a conditional jump is taken. */
export function emitCondition(e: Emission, insn: Insn, def: InsnDef): void {
  const { code } = e;
  if (def.kind === 'may_goto') {
    // Taken when nothing is left, and one less each time.
    code.get(MAY_GOTO);
    code.i32(1);
    code.op(w.I32_SUB);
    code.tee(MAY_GOTO);
    code.i32(0);
    code.op(w.I32_LT_S);
    return;
  }
  const wide = def.bits === 64;
  const get = wide ? reg : reg32;
  get(e, insn.dst);
  if (def.source === 'reg') get(e, insn.src);
  else if (insn.imm === 0 && (def.op === 'jeq' || def.op === 'jne')) {
    code.op(wide ? w.I64_EQZ : w.I32_EQZ);
    if (def.op === 'jne') code.op(w.I32_EQZ);
    return;
  } else if (wide) code.i64(insn.imm >> 31, insn.imm);
  else code.i32(insn.imm);
  const op = def.op as JumpOp;
  if (op !== 'jset') {
    code.op(COMPARE[op][wide ? 0 : 1]);
    return;
  }
  code.op(wide ? w.I64_AND : w.I32_AND);
  if (!wide) return;
  code.op(w.I64_EQZ);
  code.op(w.I32_EQZ);
}

/** `bpf_tail_call`, which is no call. */
export const BPF_FUNC_TAIL_CALL = 12;

function args(e: Emission): void {
  for (let n = 1; n <= 5; n++) reg(e, n);
}

/** R1.. go where functions outside find them. */
function storeArgs(e: Emission, count: number): void {
  for (let n = 1; n <= count; n++) e.state.put64(RUN_STATE.regs + 8 * n, () => reg(e, n));
}

/** Calls go 8 deep; those of a program that was tail-called from a function count anew. */
function checkLevel(e: Emission, slot: number): void {
  if (!e.how.unproven) return;
  e.code.get(LEVEL);
  e.code.i32(MAX_CALL_FRAMES);
  e.code.op(w.I32_GE_U);
  e.code.open(w.IF);
  fault(e, 'too-deep', slot);
  e.code.op(w.END);
}

/** A function called may have counted deeper: this one's level is as it was. */
function resumeLevel(e: Emission): void {
  if (e.how.unproven) e.state.put32(RUN_STATE.level, () => e.code.get(LEVEL));
}

/** Leaves the index of a program in the table on the stack, or a number below 1. */
function tailTarget(e: Emission, slot: number): void {
  const { code, imports } = e;
  const layout = e.how.tailCalls;
  if (layout === undefined) {
    storeArgs(e, 3);
    code.i32(slot);
    code.call(imports.tail);
    return;
  }
  reg32(e, 3);
  reg32(e, 2);
  code.access(w.I32_LOAD, layout.maxEntries);
  code.op(w.I32_LT_U);
  code.open(w.IF, w.I32);
  reg32(e, 2);
  reg32(e, 3);
  code.i32(3);
  code.op(w.I32_SHL);
  code.op(w.I32_ADD);
  code.access(w.I32_LOAD, layout.elements);
  code.tee(WORD);
  code.open(w.IF, w.I32);
  code.get(WORD);
  code.access(w.I32_LOAD, layout.entry);
  code.op(w.ELSE);
  code.i32(0);
  code.op(w.END);
  code.op(w.ELSE);
  code.i32(0);
  code.op(w.END);
}

/** `bpf_tail_call(ctx, map, index)`: on success the target takes this frame's place, otherwise the program goes on. */
function emitTailCall(e: Emission, slot: number): void {
  const { code, imports, state } = e;
  tailTarget(e, slot);
  code.set(WORD);
  state.get32(RUN_STATE.tailCalls);
  code.i32(MAX_TAIL_CALL_CNT);
  code.op(w.I32_LT_U);
  code.get(WORD);
  code.i32(0);
  code.op(w.I32_GT_S);
  code.op(w.I32_AND);
  code.open(w.IF);
  state.put32(RUN_STATE.tailCalls, () => {
    state.get32(RUN_STATE.tailCalls);
    code.i32(1);
    code.op(w.I32_ADD);
  });
  restoreSp(e);
  if (e.how.unproven) state.put32(RUN_STATE.level, () => code.i32(0));
  reg(e, 1);
  for (let n = 2; n <= 5; n++) code.i64(0, 0);
  code.get(WORD);
  code.returnCallIndirect(imports.funcType);
  code.op(w.END);
}

/** A function outside of WebAssembly. */
function emitOutside(e: Emission, func: number, shape: CallShape, slot: number): void {
  storeArgs(e, shape.args);
  e.code.i32(slot);
  e.code.call(func);
  if (!shape.returns) return;
  e.state.get64(RUN_STATE.regs);
  setReg(e, 0);
}

function imported(funcs: ReadonlyMap<number | string, number>, key: number | string): number {
  const index = funcs.get(key);
  if (index === undefined) throw new InternalError(`no import for ${key}`);
  return index;
}

const CALLS: Readonly<Record<string, Emit>> = {
  call_helper: (e, insn, _def, slot) => {
    if (insn.imm === BPF_FUNC_TAIL_CALL) emitTailCall(e, slot);
    else emitOutside(e, imported(e.imports.helpers, insn.imm), e.how.helperShape(insn.imm), slot);
  },
  call_kfunc: (e, insn, _def, slot) => {
    const { imm, off } = insn;
    emitOutside(e, imported(e.imports.kfuncs, kfuncImport(imm, off)), e.how.kfuncShape(imm, off), slot);
  },
  call_local: (e, insn, _def, slot) => {
    checkLevel(e, slot);
    args(e);
    e.code.call(e.firstFunc + e.program.functionAt[slot + 1 + insn.imm]);
    setReg(e, 0);
    resumeLevel(e);
  },
};

export const emitCall: Emit = (e, insn, def, slot) => CALLS[def.name](e, insn, def, slot);

/** Calls what a register says, a function of this or another program; or a helper, which is done when the import returns. */
export const emitCallx: Emit = (e, insn, _def, slot) => {
  const { code, imports, state } = e;
  checkLevel(e, slot);
  storeArgs(e, 5);
  state.put64(RUN_STATE.regs, () => reg(e, insn.dst));
  code.i32(slot);
  code.call(imports.callx);
  code.tee(WORD);
  code.i32(0);
  code.op(w.I32_LT_S);
  code.open(w.IF, w.I64);
  state.get64(RUN_STATE.regs);
  code.op(w.ELSE);
  args(e);
  code.get(WORD);
  code.callIndirect(imports.funcType);
  code.op(w.END);
  setReg(e, 0);
  resumeLevel(e);
};

export const emitExit: Emit = e => {
  restoreSp(e);
  reg(e, 0);
  e.code.op(w.RETURN);
};

/** `ld_abs` and `ld_ind`: outside of the packet the function ends with 0. */
export const emitPacketLoad: Emit = (e, insn, def) => {
  const { code } = e;
  code.i32(insn.imm);
  if (def.kind === 'ld_ind') {
    reg32(e, insn.src);
    code.op(w.I32_ADD);
  }
  code.i32(def.sizeBytes);
  code.call(e.imports.packet);
  code.op(w.I32_EQZ);
  code.open(w.IF);
  restoreSp(e);
  code.i64(0, 0);
  code.op(w.RETURN);
  code.op(w.END);
  e.state.get64(RUN_STATE.regs);
  setReg(e, 0);
};

/** Instructions with no translation yet. */
export const emitUnsupported: Emit = (_e, insn, def, slot) => {
  const opcode = insn.code.toString(16).padStart(2, '0');
  throw new JitError(ERRNO.ENOTSUPP, `eBPF filter opcode ${opcode} (@${slot}) unsupported: ${def.name}`);
};
