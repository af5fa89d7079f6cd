import {
  BPF_CMPXCHG,
  BPF_FETCH,
  BPF_MEMSX,
  BPF_PROBE_MEM,
  BPF_PROBE_MEM32SX,
  BPF_PROBE_MEMSX,
  BPF_XCHG,
} from '../../../isa/index.ts';
import { hi32, lo32 } from '../../../util/index.ts';
import {
  add,
  addUxtw,
  and,
  bCond,
  casal,
  cb,
  cmp,
  dmbIsh,
  eor,
  LOAD,
  LOAD_SIGNED,
  LS,
  ldadd,
  ldar,
  ldclr,
  ldeor,
  ldset,
  ldxr,
  lsrImm,
  memUxtw,
  movz,
  mvn,
  NE,
  orr,
  SP,
  STORE,
  stlr,
  stlxr,
  swp,
  tb,
  W,
  X,
  ZR,
} from '../encode.ts';
import { accessAt } from '../words.ts';
import type { Emission } from './emission.ts';
import { BASE, COUNT, FRAME, T0, T1, T2, T3 } from './registers.ts';
import { isArena } from './scan.ts';

/** log2 of the bytes of an access, by the size bits of `code`. */
const LOG2 = [2, 1, 0, 3];
const sizeOf = (code: number): number => LOG2[(code >> 3) & 3];

const PROBES: readonly number[] = [BPF_PROBE_MEM, BPF_PROBE_MEMSX];
const SIGNED: readonly number[] = [BPF_MEMSX, BPF_PROBE_MEMSX, BPF_PROBE_MEM32SX];

/** One access: the offset in units of the size, in nine bits, or in T3. A base of FRAME is the stack pointer. */
export function access(e: Emission, size: number, opc: number, rt: number, base: number, off: number): void {
  const rn = base === FRAME ? SP : base;
  const from = base === FRAME ? off + e.frame.sizeBytes : off;
  accessAt(e, size, opc, rt, rn, from, T3);
}

/** The access just written may fault: control goes on behind it. */
function mayFault(e: Emission): void {
  e.extable.push({ insnOff: e.here - 4, fixupOff: e.here });
}

export function emitLoad(e: Emission, i: number): void {
  const { insns, a } = e.scan;
  const { code, off } = insns[i];
  const mode = code & 0xe0;
  const size = sizeOf(code);
  const rd = e.target(i);
  const base = e.register(a[i]);
  const opc = SIGNED.includes(mode) && size < 3 ? LOAD_SIGNED : LOAD;
  if (isArena(code)) arenaLoad(e, size, opc, rd, a[i], off);
  else if (PROBES.includes(mode)) probe(e, size, opc, rd, base, off);
  else access(e, size, opc, rd, base, off);
  e.sets(rd, opc === LOAD && size < 3);
}

/** Base of the arena plus the low half of a register, in T0. */
function arenaAddress(e: Emission, bpf: number): void {
  e.w(addUxtw(T0, e.unit.map[BASE], e.operand(bpf, T2)));
}

function arenaLoad(e: Emission, size: number, opc: number, rd: number, bpf: number, off: number): void {
  const rn = e.operand(bpf, T2);
  if (off === 0 && rn !== rd) {
    e.w(movz(W, rd, 0));
    e.w(memUxtw(size, opc, rd, e.unit.map[BASE], rn));
  } else {
    arenaAddress(e, bpf);
    e.w(movz(W, rd, 0));
    access(e, size, opc, rd, T0, off);
  }
  mayFault(e);
}

/**
 * A load that gives 0 where it may not go or faults: the result is 0 before it, so a fault goes on behind it.
 *
 * ```
 *   mov    d,#0
 *   tbz    a,#63,behind      kernel addresses are negative
 *   ldr    d,[a,#off]        fault → behind
 * ```
 */
function probe(e: Emission, size: number, opc: number, rd: number, given: number, off: number): void {
  const { userLimit, space } = e.unit.env;
  let base = given;
  let rest = off;
  if (base === FRAME) {
    e.w(movz(W, rd, 0));
    access(e, size, opc, rd, FRAME, off);
    mayFault(e);
    return;
  }
  const bySign = userLimit === space.layout.userLimit && space.layout.linearMap.start >= 1n << 63n;
  if (base === rd || (!bySign && off !== 0)) {
    // With a test of the sign it is the base that is tested.
    e.addConstant(X, T0, base, bySign ? 0 : off);
    base = T0;
    if (!bySign) rest = 0;
  }
  e.w(movz(W, rd, 0));
  let skip: number;
  if (bySign) {
    skip = e.here;
    e.w(tb(0, base, 63, 0));
  } else {
    const [hi, lo] = [hi32(userLimit), lo32(userLimit)];
    const bits = 64 - (hi !== 0 ? Math.clz32(hi) : 32 + Math.clz32(lo));
    if (bits < 64 && userLimit === (1n << BigInt(bits)) - 1n) {
      e.w(lsrImm(X, T1, base, bits));
      skip = e.here;
      e.w(cb(X, 0, T1, 0));
    } else {
      e.constant(T1, hi, lo);
      e.w(cmp(X, base, T1));
      e.flags();
      skip = e.here;
      e.w(bCond(LS, 0));
    }
  }
  access(e, size, opc, rd, base, rest);
  mayFault(e);
  const words = (e.here - skip) >> 2;
  e.buffer.patchU32(skip, e.buffer.peekU32(skip) | (words << 5));
}

export function emitStore(e: Emission, i: number): void {
  const { insns, b } = e.scan;
  store(e, i, sizeOf(insns[i].code), e.operand(b[i], T2));
}

export function emitStoreConstant(e: Emission, i: number): void {
  const { code, imm } = e.scan.insns[i];
  const size = sizeOf(code);
  const low = size === 0 ? imm & 0xff : size === 1 ? imm & 0xffff : imm;
  if (low !== 0) e.number(size === 3 ? X : W, T1, low);
  store(e, i, size, low === 0 ? ZR : T1);
}

function store(e: Emission, i: number, size: number, value: number): void {
  const { insns, a } = e.scan;
  const { code, off } = insns[i];
  if (!isArena(code)) {
    access(e, size, STORE, value, e.register(a[i]), off);
    return;
  }
  const base = e.operand(a[i], COUNT);
  if (off === 0) e.w(memUxtw(size, STORE, value, e.unit.map[BASE], base));
  else {
    e.w(addUxtw(T0, e.unit.map[BASE], base));
    access(e, size, STORE, value, T0, off);
  }
  mayFault(e);
}

/** A register that holds the address of an access whose instruction takes no offset. */
function addressOf(e: Emission, i: number): number {
  const { insns, a } = e.scan;
  const { code, off } = insns[i];
  const base = e.register(a[i]);
  if (isArena(code)) {
    e.w(addUxtw(T0, e.unit.map[BASE], e.operand(a[i], COUNT)));
    if (off !== 0) e.addConstant(X, T0, T0, off);
    return T0;
  }
  if (base === FRAME) e.addConstant(X, T0, SP, e.frame.sizeBytes + off);
  else if (off !== 0) e.addConstant(X, T0, base, off);
  else return base;
  return T0;
}

const faults = (e: Emission, i: number): boolean => isArena(e.scan.insns[i].code);

export function emitLoadAcquire(e: Emission, i: number): void {
  const size = sizeOf(e.scan.insns[i].code);
  const rd = e.target(i);
  const address = addressOf(e, i);
  if (faults(e, i)) e.w(movz(W, rd, 0));
  e.w(ldar(size, rd, address));
  if (faults(e, i)) mayFault(e);
  e.sets(rd, size < 3);
}

export function emitStoreRelease(e: Emission, i: number): void {
  const { insns, b } = e.scan;
  const value = e.operand(b[i], T2);
  e.w(stlr(sizeOf(insns[i].code), value, addressOf(e, i)));
  if (faults(e, i)) mayFault(e);
}

const OPERATIONS: Readonly<Record<number, (sf: number, rd: number, rn: number, rm: number) => number>> = {
  0: (sf, rd, rn, rm) => add(sf, rd, rn, rm),
  64: orr,
  80: and,
  160: eor,
};
const LSE: Readonly<Record<number, (size: number, ordered: number, rs: number, rt: number, rn: number) => number>> = {
  0: ldadd,
  64: ldset,
  80: ldclr,
  160: ldeor,
};

export function emitAtomic(e: Emission, i: number): void {
  const { insns, b } = e.scan;
  const { code, imm } = insns[i];
  const size = sizeOf(code);
  const value = e.operand(b[i], T2);
  const address = addressOf(e, i);
  if (imm === BPF_CMPXCHG) compareExchange(e, i, size, value, address);
  else if (e.unit.lse) emitLse(e, i, size, value, address);
  else exchangeLoop(e, i, size, value, address);
}

function emitLse(e: Emission, i: number, size: number, value: number, address: number): void {
  const { imm } = e.scan.insns[i];
  const fetch = (imm & BPF_FETCH) !== 0;
  const op = imm & ~BPF_FETCH;
  let operand = value;
  if (op === 0x50) {
    // There is a clear, and no and.
    e.w(mvn(size === 3 ? X : W, T1, value));
    operand = T1;
  }
  const rd = fetch ? e.target(i) : ZR;
  if (imm === BPF_XCHG) e.w(swp(size, 1, operand, rd, address));
  else e.w(LSE[op](size, fetch ? 1 : 0, operand, rd, address));
  if (faults(e, i)) mayFault(e);
  if (fetch) e.sets(rd, size < 3);
}

/**
 * Armv8.0: load, change, and store if nobody stored in between.
 *
 * ```
 *   1: ldxr   old,[address]       fault → behind
 *      add    new,old,value
 *      stlxr  w9,new,[address]
 *      cbnz   w9,1b
 *      dmb    ish                 if the old value is wanted
 *      mov    d,old
 * ```
 */
function exchangeLoop(e: Emission, i: number, size: number, value: number, address: number): void {
  const { imm } = e.scan.insns[i];
  const fetch = (imm & BPF_FETCH) !== 0;
  const loop = e.here;
  e.w(ldxr(size, T1, address));
  let stored = value;
  if (imm !== BPF_XCHG) {
    stored = T3;
    e.w(OPERATIONS[imm & ~BPF_FETCH](size === 3 ? X : W, T3, T1, value));
  }
  e.w(stlxr(size, COUNT, stored, address));
  e.w(cb(W, 1, COUNT, loop - e.here));
  if (fetch) {
    e.w(dmbIsh());
    const rd = e.target(i);
    e.move(rd, T1);
    e.sets(rd, size < 3);
  }
  if (faults(e, i)) e.extable.push({ insnOff: loop, fixupOff: e.here });
}

function compareExchange(e: Emission, i: number, size: number, value: number, address: number): void {
  const expected = e.register(0);
  if (e.unit.lse) {
    e.w(casal(size, expected, value, address));
    if (faults(e, i)) mayFault(e);
  } else {
    const loop = e.here;
    e.w(ldxr(size, T1, address));
    e.w(cmp(size === 3 ? X : W, T1, expected));
    e.w(bCond(NE, 16));
    e.w(stlxr(size, COUNT, value, address));
    e.w(cb(W, 1, COUNT, loop - e.here));
    e.w(dmbIsh());
    e.move(expected, T1);
    e.flags();
    if (faults(e, i)) e.extable.push({ insnOff: loop, fixupOff: e.here });
  }
  e.sets(expected, size < 3);
}
