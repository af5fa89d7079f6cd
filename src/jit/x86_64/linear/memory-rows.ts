import { ERRNO } from '../../../uapi/index.ts';
import {
  CMPXCHG,
  ADD as IR_ADD,
  AND as IR_AND,
  OR as IR_OR,
  XOR as IR_XOR,
  NONE,
  PART,
  SIGNED,
  STORE_K,
  XCHG,
} from '../../rows/ir.ts';
import { JitError } from '../../types.ts';
import {
  ADD,
  AND,
  BYTE_REG,
  mov,
  movImm,
  movsx8,
  movsx16,
  movsxd,
  movzx8,
  movzx16,
  OR,
  rm,
  W,
  XOR,
} from '../encode.ts';
import { RAX, RSP } from '../registers.ts';
import { LOAD_OP, STORE_OP, type X86Emission } from './emission.ts';
import { HOME, SCRATCH } from './registers.ts';

/** Flags and opcode of an access, by log2 of its size. */
type Form = readonly [flags: number, op: number];
const LOADS: readonly Form[] = [
  [0, 0x0fb6],
  [0, 0x0fb7],
  [0, 0x8b],
  [W, 0x8b],
];
const SIGNED_LOADS: readonly Form[] = [
  [W, 0x0fbe],
  [W, 0x0fbf],
  [W, 0x63],
  [W, 0x8b],
];
const SIGNED_WORDS: readonly Form[] = [
  [0, 0x0fbe],
  [0, 0x0fbf],
  [0, 0x8b],
  [0, 0x8b],
];
const STORES: readonly Form[] = [
  [BYTE_REG, 0x88],
  [0, 0x66000089],
  [0, 0x89],
  [W, 0x89],
];
const STORES_IMM: readonly Form[] = [
  [0, 0xc6],
  [0, 0x660000c7],
  [0, 0xc7],
  [W, 0xc7],
];

/** A local stands for the place; narrow ones are kept zero-extended. */
function emitLocalLoad(e: X86Emission, i: number): void {
  const { c, rows } = e;
  const size = rows.sub[i] & 3;
  const d = HOME[rows.d[i]];
  const { register, offBytes } = e.locals[rows.off[i]];
  const wide = e.isWide(i);
  const signed = (rows.sub[i] & SIGNED) !== 0;
  if ((rows.flags[i] & PART) !== 0 && !signed) {
    if (register < 0) rm(c, LOADS[size][0], LOADS[size][1], d, RSP, offBytes);
    else if (size === 0) movzx8(c, d, register);
    else if (size === 1) movzx16(c, d, register);
    else mov(c, 0, d, register);
  } else if (register < 0) {
    const [flags, op] = signed && size < 3 ? (wide ? SIGNED_LOADS : SIGNED_WORDS)[size] : [wide ? W : 0, LOAD_OP];
    rm(c, flags, op, d, RSP, offBytes);
  } else if (!signed || size === 3) mov(c, wide && size === 3 ? W : 0, d, register);
  else if (size === 0) movsx8(c, wide ? W : 0, d, register);
  else if (size === 1) movsx16(c, wide ? W : 0, d, register);
  else if (wide) movsxd(c, d, register);
  else mov(c, 0, d, register);
}

/** LOAD and LOAD_ACQ: every load acquires. */
export function emitLoad(e: X86Emission, i: number): void {
  const { rows } = e;
  if (rows.a[i] === NONE) {
    emitLocalLoad(e, i);
    return;
  }
  const size = rows.sub[i] & 3;
  const wide = e.isWide(i);
  const forms = (rows.sub[i] & SIGNED) !== 0 ? (wide ? SIGNED_LOADS : SIGNED_WORDS) : LOADS;
  const [flags, op] = forms[size === 3 && !wide ? 2 : size];
  e.access(flags, op, HOME[rows.d[i]], e.address(i));
}

function emitLocalStore(e: X86Emission, i: number): void {
  const { c, rows } = e;
  const size = rows.sub[i] & 3;
  const { register, offBytes } = e.locals[rows.off[i]];
  const immediate = rows.kind[i] === STORE_K;
  const imm = size === 0 ? rows.imm[i] & 0xff : size === 1 ? rows.imm[i] & 0xffff : rows.imm[i];
  if (register >= 0) {
    if (immediate) movImm(c, register, size === 3 ? imm >> 31 : 0, imm);
    else {
      const b = e.use(rows.b[i]);
      if (size === 0) movzx8(c, register, b);
      else if (size === 1) movzx16(c, register, b);
      else mov(c, size === 3 ? W : 0, register, b);
    }
    return;
  }
  // Eight bytes are written whatever the size: what is read is zero-extended.
  if (immediate && (size === 3 || imm >= 0)) {
    rm(c, W, 0xc7, 0, RSP, offBytes);
    c.u32(imm);
    return;
  }
  let from = SCRATCH;
  if (immediate) movImm(c, SCRATCH, 0, imm);
  else {
    const b = e.use(rows.b[i]);
    if (size === 0) movzx8(c, SCRATCH, b);
    else if (size === 1) movzx16(c, SCRATCH, b);
    else if (size === 2 && !e.isZero(rows.b[i])) mov(c, 0, SCRATCH, b);
    else from = b;
  }
  rm(c, W, STORE_OP, from, RSP, offBytes);
}

/** STORE, STORE_K and STORE_REL: every store releases. */
export function emitStore(e: X86Emission, i: number): void {
  const { c, rows } = e;
  if (rows.a[i] === NONE) {
    emitLocalStore(e, i);
    return;
  }
  const size = rows.sub[i] & 3;
  if (rows.kind[i] === STORE_K) {
    const [flags, op] = STORES_IMM[size];
    e.access(flags, op, 0, e.address(i));
    if (size === 0) c.u8(rows.imm[i] & 0xff);
    else if (size === 1) c.u16(rows.imm[i] & 0xffff);
    else c.u32(rows.imm[i]);
    return;
  }
  const at = e.address(i);
  const [flags, op] = STORES[size];
  e.access(flags, op, e.use(rows.b[i]), at);
}

const XADD = 0x0fc1;
const CMPXCHG_OP = 0x0fb1;
const OPERATIONS: Readonly<Record<number, number>> = { [IR_ADD]: ADD, [IR_OR]: OR, [IR_AND]: AND, [IR_XOR]: XOR };

/** ATOMIC and CMPXCHG: one instruction each where one thread runs a machine, which is all that no interrupt parts. */
export function emitAtomic(e: X86Emission, i: number): void {
  const { c, rows } = e;
  const w = (rows.sub[i] & 3) === 3 ? W : 0;
  const at = e.address(i);
  const b = e.use(rows.b[i]);
  const d = rows.d[i] === NONE ? NONE : HOME[rows.d[i]];
  if (rows.kind[i] === CMPXCHG) {
    if (d !== RAX && d !== NONE) throw new JitError(ERRNO.ENOTSUPP, 'a comparison and exchange of another register');
    e.access(w, CMPXCHG_OP, b, at);
    if (w === 0) mov(c, 0, RAX, RAX);
    return;
  }
  const operation = rows.imm[i];
  if (operation === XCHG) {
    if (d !== NONE) e.access(w, LOAD_OP, SCRATCH, at);
    e.access(w, STORE_OP, b, at);
    if (d !== NONE) mov(c, w, d, SCRATCH);
    return;
  }
  if (OPERATIONS[operation] === undefined) throw new JitError(ERRNO.ENOTSUPP, 'an atomic operation nobody knows');
  if (d === NONE) e.access(w, (OPERATIONS[operation] << 3) | 1, b, at);
  else if (operation === IR_ADD && d === b) e.access(w, XADD, b, at);
  else {
    // b is in no scratch register but for R10's value, which nothing adds up to.
    e.access(w, LOAD_OP, SCRATCH, at);
    e.access(w, (OPERATIONS[operation] << 3) | 1, b, at);
    mov(c, w, d, SCRATCH);
  }
}
