import { type Insn, type InsnDef, type JumpOp, MAX_TAIL_CALL_CNT } from '../../isa/index.ts';
import { ERRNO } from '../../uapi/index.ts';
import { JitError } from '../types.ts';
import { type Emission, type Emit, reg, reg32, restoreSp, setReg } from './emission.ts';
import * as w from './opcodes.ts';
import { MAY_GOTO, OLD, WORD } from './registers.ts';

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

const BPF_FUNC_TAIL_CALL = 12;

function args(e: Emission): void {
  for (let n = 1; n <= 5; n++) reg(e, n);
}

/** `bpf_tail_call(ctx, map, index)`: on success the target takes this frame's place, otherwise the program goes on. */
function emitTailCall(e: Emission): void {
  const { code, imports, globals } = e;
  code.globalGet(globals.tailCalls);
  code.i32(MAX_TAIL_CALL_CNT);
  code.op(w.I32_LT_U);
  code.open(w.IF);
  reg32(e, 2);
  reg32(e, 3);
  code.call(imports.tail);
  code.tee(WORD);
  code.i32(0);
  code.op(w.I32_GE_S);
  code.open(w.IF);
  code.globalGet(globals.tailCalls);
  code.i32(1);
  code.op(w.I32_ADD);
  code.globalSet(globals.tailCalls);
  restoreSp(e);
  reg(e, 1);
  for (let n = 2; n <= 5; n++) code.i64(0, 0);
  code.get(WORD);
  code.returnCallIndirect(imports.funcType);
  code.op(w.END);
  code.op(w.END);
}

const CALLS: Readonly<Record<string, Emit>> = {
  call_helper: (e, insn) => {
    if (insn.imm === BPF_FUNC_TAIL_CALL) {
      emitTailCall(e);
      return;
    }
    e.code.i32(insn.imm);
    args(e);
    e.code.call(e.imports.helper);
    setReg(e, 0);
  },
  call_kfunc: (e, insn) => {
    e.code.i32(insn.imm);
    e.code.i32(insn.off);
    args(e);
    e.code.call(e.imports.kfunc);
    setReg(e, 0);
  },
  call_local: (e, insn, _def, slot) => {
    args(e);
    e.code.call(e.firstFunc + e.program.functionAt[slot + 1 + insn.imm]);
    setReg(e, 0);
  },
};

export const emitCall: Emit = (e, insn, def, slot) => CALLS[def.name](e, insn, def, slot);

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
  code.tee(OLD);
  code.i64(0, 0);
  code.op(w.I64_LT_S);
  code.open(w.IF);
  restoreSp(e);
  code.i64(0, 0);
  code.op(w.RETURN);
  code.op(w.END);
  code.get(OLD);
  setReg(e, 0);
};

/** Instructions with no translation yet. */
export const emitUnsupported: Emit = (_e, insn, def, slot) => {
  const opcode = insn.code.toString(16).padStart(2, '0');
  throw new JitError(ERRNO.ENOTSUPP, `eBPF filter opcode ${opcode} (@${slot}) unsupported: ${def.name}`);
};
