import { ADD, AND, CMPXCHG, LOAD_ACQ, NONE, OR, PART, SIGNED, STORE_K, STORE_REL, XCHG, XOR } from '../rows/ir.ts';
import {
  ATOMIC_ADD,
  ATOMIC_AND,
  ATOMIC_CMPXCHG,
  ATOMIC_LOW_FORM,
  ATOMIC_OR,
  ATOMIC_XCHG,
  ATOMIC_XOR,
  DROP,
  I32_AND,
  I32_EQ,
  I32_EXTEND8_S,
  I32_EXTEND16_S,
  I32_LOAD,
  I32_LOAD8_S,
  I32_LOAD8_U,
  I32_LOAD16_S,
  I32_LOAD16_U,
  I32_STORE,
  I32_STORE8,
  I32_STORE16,
  I32_WRAP_I64,
  I64_ADD,
  I64_AND,
  I64_ATOMIC_LOAD,
  I64_ATOMIC_LOAD8_U,
  I64_ATOMIC_LOAD16_U,
  I64_ATOMIC_LOAD32_U,
  I64_ATOMIC_STORE,
  I64_ATOMIC_STORE8,
  I64_ATOMIC_STORE16,
  I64_ATOMIC_STORE32,
  I64_EQ,
  I64_EXTEND_I32_S,
  I64_EXTEND_I32_U,
  I64_LOAD,
  I64_LOAD8_S,
  I64_LOAD8_U,
  I64_LOAD16_S,
  I64_LOAD16_U,
  I64_LOAD32_S,
  I64_LOAD32_U,
  I64_OR,
  I64_STORE,
  I64_STORE8,
  I64_STORE16,
  I64_STORE32,
  I64_XOR,
  SELECT,
} from './opcodes.ts';
import type { RowEmission } from './row-emission.ts';

// By log2 of the size; sign-extending loads follow.
const WIDE_LOAD = [I64_LOAD8_U, I64_LOAD16_U, I64_LOAD32_U, I64_LOAD];
const WIDE_LOAD_SIGNED = [I64_LOAD8_S, I64_LOAD16_S, I64_LOAD32_S, I64_LOAD];
const LOW_LOAD = [I32_LOAD8_U, I32_LOAD16_U, I32_LOAD, I32_LOAD];
const LOW_LOAD_SIGNED = [I32_LOAD8_S, I32_LOAD16_S, I32_LOAD, I32_LOAD];
const WIDE_STORE = [I64_STORE8, I64_STORE16, I64_STORE32, I64_STORE];
const LOW_STORE = [I32_STORE8, I32_STORE16, I32_STORE, I64_STORE];
// Of memory that threads share.
const LOAD_ACQUIRE = [I64_ATOMIC_LOAD8_U, I64_ATOMIC_LOAD16_U, I64_ATOMIC_LOAD32_U, I64_ATOMIC_LOAD];
const STORE_RELEASE = [I64_ATOMIC_STORE8, I64_ATOMIC_STORE16, I64_ATOMIC_STORE32, I64_ATOMIC_STORE];

/** A local stands for the place; narrow ones are kept zero-extended. */
function emitLocalLoad(e: RowEmission, i: number): void {
  const { code, rows, locals } = e;
  const size = rows.sub[i] & 3;
  const number = rows.off[i];
  code.get(locals.slots[number]);
  if (size === 3) {
    e.set(i);
    return;
  }
  const part = (rows.flags[i] & PART) !== 0;
  if (part && locals.slotIsWide[number] === 1) code.op(I32_WRAP_I64);
  if ((rows.sub[i] & SIGNED) === 0) {
    if (part && size < 2) {
      code.i32(size === 0 ? 0xff : 0xffff);
      code.op(I32_AND);
    }
    e.set32(i);
    return;
  }
  if (size < 2) code.op(size === 0 ? I32_EXTEND8_S : I32_EXTEND16_S);
  if (!e.isWide(i)) {
    e.set32(i);
    return;
  }
  code.op(I64_EXTEND_I32_S);
  e.set(i);
}

/** LOAD; LOAD_ACQ is one where nobody else writes the memory. */
export function emitLoad(e: RowEmission, i: number): void {
  const { code, rows } = e;
  if (rows.a[i] === NONE) {
    emitLocalLoad(e, i);
    return;
  }
  const off = e.address(i);
  const size = rows.sub[i] & 3;
  if (rows.kind[i] === LOAD_ACQ && e.how.shared) {
    code.atomic(LOAD_ACQUIRE[size], size, off);
    e.set(i);
    return;
  }
  const signed = (rows.sub[i] & SIGNED) !== 0;
  if (e.isWide(i)) {
    code.access((signed ? WIDE_LOAD_SIGNED : WIDE_LOAD)[size], off);
    e.set(i);
  } else {
    code.access((signed ? LOW_LOAD_SIGNED : LOW_LOAD)[size], off);
    e.set32(i);
  }
}

function emitLocalStore(e: RowEmission, i: number): void {
  const { code, rows, locals } = e;
  const size = rows.sub[i] & 3;
  const immediate = rows.kind[i] === STORE_K;
  const mask = size === 0 ? 0xff : 0xffff;
  if (size === 3) {
    if (immediate) code.i64(rows.imm[i] >> 31, rows.imm[i]);
    else e.get(rows.b[i]);
  } else if (immediate) code.i32(size === 2 ? rows.imm[i] : rows.imm[i] & mask);
  else {
    e.get32(rows.b[i]);
    if (size < 2) {
      code.i32(mask);
      code.op(I32_AND);
    }
  }
  const number = rows.off[i];
  // What is above the low bytes is not read before it is set.
  if (size < 3 && locals.slotIsWide[number] === 1) code.op(I64_EXTEND_I32_U);
  code.set(locals.slots[number]);
}

/** STORE, STORE_K and STORE_REL. */
export function emitStore(e: RowEmission, i: number): void {
  const { code, rows } = e;
  if (rows.a[i] === NONE) {
    emitLocalStore(e, i);
    return;
  }
  const off = e.address(i);
  const size = rows.sub[i] & 3;
  const b = rows.b[i];
  if (rows.kind[i] === STORE_REL && e.how.shared) {
    e.get(b);
    code.atomic(STORE_RELEASE[size], size, off);
  } else if (rows.kind[i] === STORE_K) {
    if (size === 3) code.i64(rows.imm[i] >> 31, rows.imm[i]);
    else code.i32(rows.imm[i]);
    code.access(LOW_STORE[size], off);
  } else if (size < 3 && (e.narrow & (1 << b)) !== 0) {
    e.get32(b);
    code.access(LOW_STORE[size], off);
  } else {
    e.get(b);
    code.access(WIDE_STORE[size], off);
  }
}

/** What makes the new value of the old one and the operand, both on the stack. */
const MODIFY: Readonly<Record<number, number>> = {
  [ADD]: I64_ADD,
  [OR]: I64_OR,
  [AND]: I64_AND,
  [XOR]: I64_XOR,
};
const SHARED: Readonly<Record<number, number>> = {
  [ADD]: ATOMIC_ADD,
  [OR]: ATOMIC_OR,
  [AND]: ATOMIC_AND,
  [XOR]: ATOMIC_XOR,
  [XCHG]: ATOMIC_XCHG,
};

/** One operation of the machine's: other threads work on the same bytes. The operand's low half counts. */
function emitShared(e: RowEmission, i: number): void {
  const { code, rows } = e;
  const size = rows.sub[i] & 3;
  const compares = rows.kind[i] === CMPXCHG;
  const off = e.address(i);
  if (compares) {
    // The value found is zero-extended before it is compared.
    if (size === 3) e.get(0);
    else {
      e.get32(0);
      code.op(I64_EXTEND_I32_U);
    }
  }
  e.get(rows.b[i]);
  code.atomic((compares ? ATOMIC_CMPXCHG : SHARED[rows.imm[i]]) + (size === 3 ? 0 : ATOMIC_LOW_FORM), size, off);
  if (rows.d[i] === NONE) code.op(DROP);
  else e.set(i);
}

/** The operand, or the old value where R0 differs from it; both on the stack become one. */
function compareAndSelect(e: RowEmission, wide: boolean): void {
  const { code, locals } = e;
  if (wide) {
    e.get(0);
    code.get(locals.old);
    code.op(I64_EQ);
  } else {
    e.get32(0);
    code.get(locals.old);
    code.op(I32_WRAP_I64);
    code.op(I32_EQ);
  }
  code.op(SELECT);
}

/** ATOMIC and CMPXCHG: read, compute, write, where one thread runs a machine. */
export function emitAtomic(e: RowEmission, i: number): void {
  if (e.how.shared) {
    emitShared(e, i);
    return;
  }
  const { code, rows, locals } = e;
  const size = rows.sub[i] & 3;
  const b = rows.b[i];
  const off = e.address(i);
  code.tee(locals.addr);
  code.access(WIDE_LOAD[size], off);
  code.set(locals.old);
  code.get(locals.addr);
  if (rows.kind[i] === CMPXCHG) {
    e.get(b);
    code.get(locals.old);
    compareAndSelect(e, size === 3);
  } else if (rows.imm[i] === XCHG) e.get(b);
  else {
    code.get(locals.old);
    e.get(b);
    code.op(MODIFY[rows.imm[i]]);
  }
  code.access(WIDE_STORE[size], off);
  if (rows.d[i] === NONE) return;
  code.get(locals.old);
  e.set(i);
}
