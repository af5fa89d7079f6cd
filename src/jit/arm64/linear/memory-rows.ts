import { ERRNO } from '../../../uapi/index.ts';
import { ADD, AND, CMPXCHG, NONE, OR, PART, SIGNED, STORE_K, XCHG, XOR } from '../../rows/ir.ts';
import { JitError } from '../../types.ts';
import {
  bCond,
  cmp,
  LOAD,
  LOAD_SIGNED,
  LOAD_SIGNED_W,
  memScaled,
  mov,
  NE,
  STORE,
  sxt,
  ubfm,
  W,
  X,
  ZR,
} from '../encode.ts';
import { operate } from '../operations.ts';
import { T0, T1 } from '../words.ts';
import type { Arm64Emission } from './emission.ts';
import { ADDRESS } from './registers.ts';

/** Of a load: what it makes of fewer bytes than its register has. */
const loadOf = (e: Arm64Emission, i: number, size: number): number => {
  if ((e.rows.sub[i] & SIGNED) === 0 || size === 3) return LOAD;
  if (e.isWide(i)) return LOAD_SIGNED;
  return size === 2 ? LOAD : LOAD_SIGNED_W;
};

/** A local stands for the place; narrow ones are kept zero-extended. */
function emitLocalLoad(e: Arm64Emission, i: number): void {
  const { rows } = e;
  const size = rows.sub[i] & 3;
  const d = e.home(rows.d[i]);
  const { register, offBytes } = e.locals[rows.off[i]];
  const wide = e.isWide(i);
  const opc = loadOf(e, i, size);
  if ((rows.flags[i] & PART) !== 0 && (rows.sub[i] & SIGNED) === 0) {
    if (register < 0) e.local(size, LOAD, d, offBytes);
    else zeroExtend(e, size, d, register);
  } else if (register < 0) {
    // Eight bytes are there whatever the size.
    if (opc === LOAD) e.local(wide ? 3 : 2, LOAD, d, offBytes);
    else e.local(size, opc, d, offBytes);
  } else if (opc !== LOAD) e.w(sxt(wide ? X : W, d, register, 8 << size));
  else e.w(mov(wide && size === 3 ? X : W, d, register));
}

/** LOAD and LOAD_ACQ: one thread runs a machine. */
export function emitLoad(e: Arm64Emission, i: number): void {
  const { rows } = e;
  if (rows.a[i] === NONE) {
    emitLocalLoad(e, i);
    return;
  }
  const size = rows.sub[i] & 3;
  e.access(i, size === 3 && !e.isWide(i) ? 2 : size, loadOf(e, i, size), e.home(rows.d[i]));
}

/** rd = a register's low bytes. */
function zeroExtend(e: Arm64Emission, size: number, rd: number, rn: number): void {
  if (size < 2) e.w(ubfm(W, rd, rn, 0, size === 0 ? 7 : 15));
  else e.w(mov(size === 2 ? W : X, rd, rn));
}

function emitLocalStore(e: Arm64Emission, i: number): void {
  const { rows } = e;
  const size = rows.sub[i] & 3;
  const { register, offBytes } = e.locals[rows.off[i]];
  if (rows.kind[i] === STORE_K) {
    const imm = size === 0 ? rows.imm[i] & 0xff : size === 1 ? rows.imm[i] & 0xffff : rows.imm[i];
    const zero = imm === 0 && register < 0;
    if (!zero) e.constant(register < 0 ? T0 : register, size === 3 ? imm >> 31 : 0, imm);
    if (register < 0) e.local(3, STORE, zero ? ZR : T0, offBytes);
    return;
  }
  const b = e.use(rows.b[i]);
  if (register >= 0) zeroExtend(e, size, register, b);
  else if (size === 3 || (size === 2 && e.isZero(rows.b[i]))) e.local(3, STORE, b, offBytes);
  else {
    zeroExtend(e, size, T0, b);
    e.local(3, STORE, T0, offBytes);
  }
}

/** STORE, STORE_K and STORE_REL. */
export function emitStore(e: Arm64Emission, i: number): void {
  const { rows } = e;
  if (rows.a[i] === NONE) {
    emitLocalStore(e, i);
    return;
  }
  const size = rows.sub[i] & 3;
  let value = T0;
  if (rows.kind[i] !== STORE_K) value = e.use(rows.b[i]);
  else {
    const imm = size === 0 ? rows.imm[i] & 0xff : size === 1 ? rows.imm[i] & 0xffff : rows.imm[i];
    if (imm === 0) value = ZR;
    else e.constant(T0, size === 3 ? imm >> 31 : 0, imm);
  }
  e.access(i, size, STORE, value);
}

const OPERATIONS: readonly number[] = [ADD, OR, AND, XOR];

/** ATOMIC and CMPXCHG: one thread runs a machine, so nothing comes between. */
export function emitAtomic(e: Arm64Emission, i: number): void {
  const { rows } = e;
  const size = rows.sub[i] & 3;
  const sf = size === 3 ? X : W;
  const d = rows.d[i] === NONE ? NONE : e.home(rows.d[i]);
  const operation = rows.imm[i];
  const exchanges = rows.kind[i] === CMPXCHG || operation === XCHG;
  if (!exchanges && !OPERATIONS.includes(operation)) {
    throw new JitError(ERRNO.ENOTSUPP, 'an atomic operation nobody knows');
  }
  const b = e.use(rows.b[i]);
  e.address(i);
  const load = memScaled(size, LOAD, T0, ADDRESS, 0);
  const store = (rt: number): number => memScaled(size, STORE, rt, ADDRESS, 0);
  if (rows.kind[i] === CMPXCHG) {
    e.w(load);
    e.w(cmp(sf, T0, e.home(0)));
    e.w(bCond(NE, 8));
    e.w(store(b));
  } else if (exchanges) {
    if (d !== NONE) e.w(load);
    e.w(store(b));
  } else {
    e.w(load);
    operate(e, sf, operation, T1, T0, b, false);
    e.w(store(T1));
  }
  if (d !== NONE) e.w(mov(sf, d, T0));
}
