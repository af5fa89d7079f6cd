import { and, andi, EQ, GE, GEU, LT, LTU, NE, slli, ZERO } from '../encode.ts';
import { type Emission, isS12, SX, ZX } from './emission.ts';
import * as ir from './ir.ts';

/** `f3` of a condition, and whether its operands change places. */
const CONDITIONS: Readonly<Record<number, readonly [number, boolean]>> = {
  [ir.JEQ]: [EQ, false],
  [ir.JNE]: [NE, false],
  [ir.JGT]: [LTU, true],
  [ir.JGE]: [GEU, false],
  [ir.JLT]: [LTU, false],
  [ir.JLE]: [GEU, true],
  [ir.JSGT]: [LT, true],
  [ir.JSGE]: [GE, false],
  [ir.JSLT]: [LT, false],
  [ir.JSLE]: [GE, true],
};
const isSigned = (op: number): boolean => op === ir.JSGT || op === ir.JSGE || op === ir.JSLT || op === ir.JSLE;

export function emitJump(e: Emission, i: number): void {
  const to = e.rows.aux[i];
  if (falls(e, i, to)) return;
  e.jump(to);
}

/** Whether nothing lies between a row and where it goes. */
function falls(e: Emission, i: number, to: number): boolean {
  const { kind } = e.rows;
  let next = i + 1;
  while (next < to && kind[next] === ir.NOP) next++;
  return next === to;
}

function branchOn(e: Emission, i: number, op: number, a: number, b: number): void {
  const [f3, swapped] = CONDITIONS[op];
  e.branchIf(f3, swapped ? b : a, swapped ? a : b, e.rows.aux[i]);
}

/** A register with the low half of `register` sign-extended: itself where nobody minds, or `scratch`. */
function signed(e: Emission, register: number, loose: boolean, scratch: number): number {
  if ((e.facts(register) & SX) !== 0) return register;
  if (!loose) {
    e.signExtend(scratch, register);
    return scratch;
  }
  e.signExtend(register, register);
  e.result(register, SX);
  return register;
}

/** Comparisons of unsigned numbers with 0 and 1 that are equalities, and of signed ones whose neighbour is 0. */
function simpler(op: number, imm: number): readonly [number, number] {
  if ((op === ir.JLT && imm === 1) || (op === ir.JLE && imm === 0)) return [ir.JEQ, 0];
  if ((op === ir.JGE && imm === 1) || (op === ir.JGT && imm === 0)) return [ir.JNE, 0];
  if (op === ir.JSGT && imm === -1) return [ir.JSGE, 0];
  if (op === ir.JSLE && imm === -1) return [ir.JSLT, 0];
  if (op === ir.JSGE && imm === 1) return [ir.JSGT, 0];
  if (op === ir.JSLT && imm === 1) return [ir.JSLE, 0];
  return [op, imm];
}

export function emitJumpK(e: Emission, i: number): void {
  const { sub, imm, flags, aux } = e.rows;
  if (falls(e, i, aux[i])) return;
  const { t1, t2 } = e.unit.allocation;
  const word = (flags[i] & ir.W) !== 0;
  const register = e.operand(e.rows.a[i], t1);
  if (sub[i] === ir.JSET) {
    testWithNumber(e, i, register, word);
    return;
  }
  const [op, number] = simpler(sub[i], imm[i]);
  const facts = e.facts(register);
  const asIs = !word || ((facts & ZX) !== 0 && number >= 0 && !isSigned(op));
  const a = asIs ? register : signed(e, register, (flags[i] & ir.LOOSE_A) !== 0 && register !== t1, t1);
  branchOn(e, i, op, a, e.constant(number, t2));
}

function testWithNumber(e: Emission, i: number, register: number, word: boolean): void {
  const { imm, aux } = e.rows;
  const { t1, t2 } = e.unit.allocation;
  const mask = imm[i];
  const single = (mask & (mask - 1)) === 0 && mask !== 0 && (mask > 0 || word);
  if (mask === 0) return;
  if (single && !isS12(mask)) {
    // The bit to where the sign is.
    e.w(slli(t1, register, Math.clz32(mask) + 32));
    e.branchIf(LT, t1, ZERO, aux[i]);
    return;
  }
  if (isS12(mask)) e.w(andi(t1, register, mask));
  else {
    e.load(t2, mask >> 31, mask);
    e.w(and(t1, register, t2));
  }
  if (word && mask < 0 && (e.facts(register) & (SX | ZX)) === 0) e.signExtend(t1, t1);
  e.branchIf(NE, t1, ZERO, aux[i]);
}

export function emitJumpX(e: Emission, i: number): void {
  const { sub, flags, aux } = e.rows;
  if (falls(e, i, aux[i])) return;
  const { t1, t2 } = e.unit.allocation;
  const word = (flags[i] & ir.W) !== 0;
  let a = e.operand(e.rows.a[i], t1);
  let b = e.operand(e.rows.b[i], t2);
  const op = sub[i];
  const [fa, fb] = [e.facts(a), e.facts(b)];
  if (op === ir.JSET) {
    const known = ((fa | fb) & ZX) !== 0 || (fa & fb & SX) !== 0;
    e.w(and(t1, a, b));
    if (word && !known) e.signExtend(t1, t1);
    e.branchIf(NE, t1, ZERO, aux[i]);
    return;
  }
  if (word && ((fa & fb & ZX) === 0 || isSigned(op))) {
    a = signed(e, a, (flags[i] & ir.LOOSE_A) !== 0 && a !== t1, t1);
    b = signed(e, b, (flags[i] & ir.LOOSE_B) !== 0 && b !== t2, t2);
  }
  branchOn(e, i, op, a, b);
}
