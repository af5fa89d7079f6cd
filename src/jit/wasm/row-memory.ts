import { ir } from '../rows/index.ts';
import * as w from './opcodes.ts';
import type { RowEmission } from './row-emission.ts';

// By log2 of the size; sign-extending loads follow.
const WIDE_LOAD = [w.I64_LOAD8_U, w.I64_LOAD16_U, w.I64_LOAD32_U, w.I64_LOAD];
const WIDE_LOAD_SIGNED = [w.I64_LOAD8_S, w.I64_LOAD16_S, w.I64_LOAD32_S, w.I64_LOAD];
const LOW_LOAD = [w.I32_LOAD8_U, w.I32_LOAD16_U, w.I32_LOAD, w.I32_LOAD];
const LOW_LOAD_SIGNED = [w.I32_LOAD8_S, w.I32_LOAD16_S, w.I32_LOAD, w.I32_LOAD];
const WIDE_STORE = [w.I64_STORE8, w.I64_STORE16, w.I64_STORE32, w.I64_STORE];
const LOW_STORE = [w.I32_STORE8, w.I32_STORE16, w.I32_STORE, w.I64_STORE];
// Of memory that threads share.
const LOAD_ACQUIRE = [w.I64_ATOMIC_LOAD8_U, w.I64_ATOMIC_LOAD16_U, w.I64_ATOMIC_LOAD32_U, w.I64_ATOMIC_LOAD];
const STORE_RELEASE = [w.I64_ATOMIC_STORE8, w.I64_ATOMIC_STORE16, w.I64_ATOMIC_STORE32, w.I64_ATOMIC_STORE];

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
  if ((rows.sub[i] & ir.SIGNED) === 0) {
    e.set32(i);
    return;
  }
  if (size < 2) code.op(size === 0 ? w.I32_EXTEND8_S : w.I32_EXTEND16_S);
  if (!e.isWide(i)) {
    e.set32(i);
    return;
  }
  code.op(w.I64_EXTEND_I32_S);
  e.set(i);
}

/** LOAD; LOAD_ACQ is one where nobody else writes the memory. */
export function emitLoad(e: RowEmission, i: number): void {
  const { code, rows } = e;
  if (rows.a[i] === ir.NONE) {
    emitLocalLoad(e, i);
    return;
  }
  const off = e.address(i);
  const size = rows.sub[i] & 3;
  if (rows.kind[i] === ir.LOAD_ACQ && e.how.shared) {
    code.atomic(LOAD_ACQUIRE[size], size, off);
    e.set(i);
    return;
  }
  const signed = (rows.sub[i] & ir.SIGNED) !== 0;
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
  const immediate = rows.kind[i] === ir.STORE_K;
  const mask = size === 0 ? 0xff : 0xffff;
  if (size === 3) {
    if (immediate) code.i64(rows.imm[i] >> 31, rows.imm[i]);
    else e.get(rows.b[i]);
  } else if (immediate) code.i32(size === 2 ? rows.imm[i] : rows.imm[i] & mask);
  else {
    e.get32(rows.b[i]);
    if (size < 2) {
      code.i32(mask);
      code.op(w.I32_AND);
    }
  }
  code.set(locals.slots[rows.off[i]]);
}

/** STORE, STORE_K and STORE_REL. */
export function emitStore(e: RowEmission, i: number): void {
  const { code, rows } = e;
  if (rows.a[i] === ir.NONE) {
    emitLocalStore(e, i);
    return;
  }
  const off = e.address(i);
  const size = rows.sub[i] & 3;
  const b = rows.b[i];
  if (rows.kind[i] === ir.STORE_REL && e.how.shared) {
    e.get(b);
    code.atomic(STORE_RELEASE[size], size, off);
  } else if (rows.kind[i] === ir.STORE_K) {
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
  [ir.ADD]: w.I64_ADD,
  [ir.OR]: w.I64_OR,
  [ir.AND]: w.I64_AND,
  [ir.XOR]: w.I64_XOR,
};
const SHARED: Readonly<Record<number, number>> = {
  [ir.ADD]: w.ATOMIC_ADD,
  [ir.OR]: w.ATOMIC_OR,
  [ir.AND]: w.ATOMIC_AND,
  [ir.XOR]: w.ATOMIC_XOR,
  [ir.XCHG]: w.ATOMIC_XCHG,
};

/** One operation of the machine's: other threads work on the same bytes. The operand's low half counts. */
function emitShared(e: RowEmission, i: number): void {
  const { code, rows } = e;
  const size = rows.sub[i] & 3;
  const compares = rows.kind[i] === ir.CMPXCHG;
  const off = e.address(i);
  if (compares) {
    // The value found is zero-extended before it is compared.
    if (size === 3) e.get(0);
    else {
      e.get32(0);
      code.op(w.I64_EXTEND_I32_U);
    }
  }
  e.get(rows.b[i]);
  code.atomic((compares ? w.ATOMIC_CMPXCHG : SHARED[rows.imm[i]]) + (size === 3 ? 0 : w.ATOMIC_LOW_FORM), size, off);
  if (rows.d[i] === ir.NONE) code.op(w.DROP);
  else e.set(i);
}

/** The operand, or the old value where R0 differs from it; both on the stack become one. */
function compareAndSelect(e: RowEmission, wide: boolean): void {
  const { code, locals } = e;
  if (wide) {
    e.get(0);
    code.get(locals.old);
    code.op(w.I64_EQ);
  } else {
    e.get32(0);
    code.get(locals.old);
    code.op(w.I32_WRAP_I64);
    code.op(w.I32_EQ);
  }
  code.op(w.SELECT);
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
  if (rows.kind[i] === ir.CMPXCHG) {
    e.get(b);
    code.get(locals.old);
    compareAndSelect(e, size === 3);
  } else if (rows.imm[i] === ir.XCHG) e.get(b);
  else {
    code.get(locals.old);
    e.get(b);
    code.op(MODIFY[rows.imm[i]]);
  }
  code.access(WIDE_STORE[size], off);
  if (rows.d[i] === ir.NONE) return;
  code.get(locals.old);
  e.set(i);
}
