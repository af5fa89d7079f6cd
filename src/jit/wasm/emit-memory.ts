import type { AtomicOp } from '../../isa/index.ts';
import { address, type Emission, type Emit, keptAddress, reg, reg32, setReg } from './emission.ts';
import * as w from './opcodes.ts';
import { ADDR, OLD } from './registers.ts';

const LOAD: Readonly<Record<number, number>> = {
  1: w.I64_LOAD8_U,
  2: w.I64_LOAD16_U,
  4: w.I64_LOAD32_U,
  8: w.I64_LOAD,
};
const LOAD_SIGNED: Readonly<Record<number, number>> = { 1: w.I64_LOAD8_S, 2: w.I64_LOAD16_S, 4: w.I64_LOAD32_S };
const STORE: Readonly<Record<number, number>> = {
  1: w.I64_STORE8,
  2: w.I64_STORE16,
  4: w.I64_STORE32,
  8: w.I64_STORE,
};

/** Loads, load-acquire among them: nobody else writes a memory that is not shared. */
export const emitLoad: Emit = (e, insn, def) => {
  const off = address(e, insn.src, insn.off);
  e.code.access((def.kind === 'ldxs' ? LOAD_SIGNED : LOAD)[def.sizeBytes], off);
  setReg(e, insn.dst);
};

export const emitStore: Emit = (e, insn, def) => {
  const off = address(e, insn.dst, insn.off);
  if (def.source === 'imm') e.code.i64(insn.imm >> 31, insn.imm);
  else reg(e, insn.src);
  e.code.access(STORE[def.sizeBytes], off);
};

/** What makes the new value of the old one and the operand, both on the stack. */
const MODIFY: Readonly<Record<Exclude<AtomicOp, 'xchg' | 'cmpxchg'>, number>> = {
  add: w.I64_ADD,
  or: w.I64_OR,
  and: w.I64_AND,
  xor: w.I64_XOR,
};

/** The operand, or the old value where R0 differs from it; both on the stack become one. */
function compareAndSelect(e: Emission, wide: boolean): void {
  const { code } = e;
  if (wide) {
    reg(e, 0);
    code.get(OLD);
    code.op(w.I64_EQ);
  } else {
    reg32(e, 0);
    code.get(OLD);
    code.op(w.I32_WRAP_I64);
    code.op(w.I32_EQ);
  }
  code.op(w.SELECT);
}

/** Read, compute, write: one thread runs a machine. */
export const emitAtomic: Emit = (e, insn, def) => {
  const { code } = e;
  const size = def.bits === 64 ? 8 : 4;
  const op = def.op as AtomicOp;
  const off = keptAddress(e, insn.dst, insn.off);
  code.get(ADDR);
  code.access(LOAD[size], off);
  code.set(OLD);
  code.get(ADDR);
  if (op === 'xchg') reg(e, insn.src);
  else if (op === 'cmpxchg') {
    reg(e, insn.src);
    code.get(OLD);
    compareAndSelect(e, size === 8);
  } else {
    code.get(OLD);
    reg(e, insn.src);
    code.op(MODIFY[op]);
  }
  code.access(STORE[size], off);
  if (!def.fetch) return;
  code.get(OLD);
  setReg(e, op === 'cmpxchg' ? 0 : insn.src);
};
