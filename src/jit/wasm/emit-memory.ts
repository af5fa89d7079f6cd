import type { AtomicOp } from '../../isa/index.ts';
import { address, type Emission, type Emit, keptAddress, reg, reg32, setReg } from './emission.ts';
import * as w from './opcodes.ts';
import { ADDR, OLD } from './registers.ts';

/** Opcodes by size in bytes. */
type BySize = Readonly<Record<number, number>>;

const LOAD: BySize = { 1: w.I64_LOAD8_U, 2: w.I64_LOAD16_U, 4: w.I64_LOAD32_U, 8: w.I64_LOAD };
const LOAD_SIGNED: BySize = { 1: w.I64_LOAD8_S, 2: w.I64_LOAD16_S, 4: w.I64_LOAD32_S };
const STORE: BySize = { 1: w.I64_STORE8, 2: w.I64_STORE16, 4: w.I64_STORE32, 8: w.I64_STORE };
const LOG2: BySize = { 1: 0, 2: 1, 4: 2, 8: 3 };

// Of memory that threads share.
const LOAD_ACQUIRE: BySize = {
  1: w.I64_ATOMIC_LOAD8_U,
  2: w.I64_ATOMIC_LOAD16_U,
  4: w.I64_ATOMIC_LOAD32_U,
  8: w.I64_ATOMIC_LOAD,
};
const STORE_RELEASE: BySize = {
  1: w.I64_ATOMIC_STORE8,
  2: w.I64_ATOMIC_STORE16,
  4: w.I64_ATOMIC_STORE32,
  8: w.I64_ATOMIC_STORE,
};

/** Loads; load-acquire is one where nobody else writes the memory. */
export const emitLoad: Emit = (e, insn, def, slot) => {
  const size = def.sizeBytes;
  const off = address(e, insn.src, insn.off, { sizeBytes: size, write: false, slot });
  if (def.kind === 'load_acq' && e.how.shared) e.code.atomic(LOAD_ACQUIRE[size], LOG2[size], off);
  else e.code.access((def.kind === 'ldxs' ? LOAD_SIGNED : LOAD)[size], off);
  setReg(e, insn.dst);
};

export const emitStore: Emit = (e, insn, def, slot) => {
  const size = def.sizeBytes;
  const off = address(e, insn.dst, insn.off, { sizeBytes: size, write: true, slot });
  if (def.source === 'imm') e.code.i64(insn.imm >> 31, insn.imm);
  else reg(e, insn.src);
  if (def.kind === 'store_rel' && e.how.shared) e.code.atomic(STORE_RELEASE[size], LOG2[size], off);
  else e.code.access(STORE[size], off);
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

const SHARED: Readonly<Record<AtomicOp, number>> = {
  add: w.ATOMIC_ADD,
  or: w.ATOMIC_OR,
  and: w.ATOMIC_AND,
  xor: w.ATOMIC_XOR,
  xchg: w.ATOMIC_XCHG,
  cmpxchg: w.ATOMIC_CMPXCHG,
};

/** One operation of the machine's: other threads work on the same bytes. The operand's low half counts. */
const emitShared: Emit = (e, insn, def, slot) => {
  const { code } = e;
  const wide = def.bits === 64;
  const op = def.op as AtomicOp;
  const sizeBytes = wide ? 8 : 4;
  const off = address(e, insn.dst, insn.off, { sizeBytes, write: true, slot });
  if (op === 'cmpxchg') {
    reg(e, 0);
    if (!wide) {
      // The value found is zero-extended before it is compared.
      code.op(w.I32_WRAP_I64);
      code.op(w.I64_EXTEND_I32_U);
    }
  }
  reg(e, insn.src);
  code.atomic(SHARED[op] + (wide ? 0 : w.ATOMIC_LOW_FORM), LOG2[sizeBytes], off);
  if (def.fetch) setReg(e, op === 'cmpxchg' ? 0 : insn.src);
  else code.op(w.DROP);
};

/** Read, compute, write, where one thread runs a machine. */
export const emitAtomic: Emit = (e, insn, def, slot) => {
  if (e.how.shared) {
    emitShared(e, insn, def, slot);
    return;
  }
  const { code } = e;
  const size = def.bits === 64 ? 8 : 4;
  const op = def.op as AtomicOp;
  const off = keptAddress(e, insn.dst, insn.off, { sizeBytes: size, write: true, slot });
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
