import {
  BPF_ATOMIC,
  BPF_CMPXCHG,
  BPF_DW,
  BPF_FETCH,
  BPF_PROBE_ATOMIC,
  BPF_STX,
  BPF_W,
  BPF_XCHG,
  type Insn,
} from '../../../isa/index.ts';
import { ERRNO } from '../../../uapi/index.ts';
import { JitError } from '../../types.ts';
import {
  add,
  and,
  casal,
  cb,
  dmbIsh,
  eor,
  ldadd,
  ldclr,
  ldeor,
  ldset,
  ldxr,
  mvn,
  orr,
  stlxr,
  swp,
  W,
  X,
  ZR,
} from '../encode.ts';
import { move } from './alu.ts';
import { constant32 } from './constant.ts';
import type { Emission, LoweringRow } from './emission.ts';
import { ARENA, AX, REGISTERS, RESULT, T1, T2, T3 } from './registers.ts';

/** The same without order. */
const stxr = (size: number, rs: number, rt: number, rn: number): number => stlxr(size, rs, rt, rn) & ~0x8000;

const BPF_AND = 0x50;

/** imm without BPF_FETCH → Armv8.1 instruction, and what a loop does instead. */
const OPERATIONS = new Map([
  [0x00, { lse: ldadd, word: add }],
  [0x40, { lse: ldset, word: orr }],
  [BPF_AND, { lse: ldclr, word: and }],
  [0xa0, { lse: ldeor, word: eor }],
]);

const unknown = (imm: number): JitError =>
  new JitError(ERRNO.EINVAL, `unknown atomic op code ${(imm & 0xff).toString(16).padStart(2, '0')}`);

/** With the instructions of Armv8.1; what need not be fetched is not ordered either. */
function one(e: Emission, insn: Insn, reg: number, size: number): void {
  const { imm } = insn;
  const source = REGISTERS[insn.src];
  if (imm === BPF_XCHG) {
    e.emit(swp(size, 1, source, source, reg));
    return;
  }
  if (imm === BPF_CMPXCHG) {
    e.emit(casal(size, RESULT, source, reg));
    return;
  }
  const operation = OPERATIONS.get(imm & ~BPF_FETCH);
  if (operation === undefined) throw unknown(imm);
  const fetch = imm & BPF_FETCH;
  let by: number = source;
  if ((imm & ~BPF_FETCH) === BPF_AND) {
    // There is one that clears bits, none that keeps them.
    by = T2;
    e.emit(mvn(size === 3 ? X : W, T2, source));
  }
  e.emit(operation.lse(size, fetch, by, fetch === 0 ? ZR : source, reg));
}

/** With exclusive accesses, again while somebody was faster. */
function loop(e: Emission, insn: Insn, reg: number, size: number): void {
  const { imm } = insn;
  const sf = size === 3 ? X : W;
  const source = REGISTERS[insn.src];
  const again = (words: number): void => e.emit(cb(W, 1, T3, words * 4));
  if (imm === BPF_XCHG) {
    e.emit(move(sf, T2, source));
    e.emit(ldxr(size, source, reg));
    e.emit(stlxr(size, T3, T2, reg));
    again(-2);
  } else if (imm === BPF_CMPXCHG) {
    e.emit(move(sf, T2, RESULT));
    e.emit(ldxr(size, RESULT, reg));
    e.emit(eor(sf, T3, RESULT, T2));
    e.emit(cb(sf, 1, T3, 16));
    e.emit(stlxr(size, T3, source, reg));
    again(-4);
  } else {
    const operation = OPERATIONS.get(imm & ~BPF_FETCH);
    if (operation === undefined) throw unknown(imm);
    if ((imm & BPF_FETCH) === 0) {
      e.emit(ldxr(size, T2, reg));
      e.emit(operation.word(sf, T2, T2, source));
      e.emit(stxr(size, T3, T2, reg));
      again(-3);
      return;
    }
    e.emit(move(sf, AX, source));
    e.emit(ldxr(size, source, reg));
    e.emit(operation.word(sf, T2, source, AX));
    e.emit(stlxr(size, T3, T2, reg));
    again(-3);
  }
  e.emit(dmbIsh());
}

function lowerAtomic(e: Emission, insn: Insn): void {
  const arena = (insn.code & 0xe0) === BPF_PROBE_ATOMIC;
  const size = (insn.code & 0x18) === BPF_DW ? 3 : 2;
  let reg: number = REGISTERS[insn.dst];
  if (arena && !e.unit.lse) throw unknown(insn.code);
  if (insn.off !== 0) {
    constant32(e, X, T1, insn.off);
    e.emit(add(X, T1, T1, reg));
    reg = T1;
  }
  if (arena) {
    e.emit(add(X, T1, reg, ARENA));
    reg = T1;
  }
  if (e.unit.lse) one(e, insn, reg, size);
  else loop(e, insn, reg, size);
  if (arena) e.mayFault(undefined);
}

export const ATOMIC_ROWS: readonly LoweringRow[] = [BPF_W, BPF_DW].flatMap((size): LoweringRow[] => [
  [BPF_STX | BPF_ATOMIC | size, lowerAtomic],
  [BPF_STX | BPF_PROBE_ATOMIC | size, lowerAtomic],
]);
