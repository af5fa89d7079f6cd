import { BPF_JMP32 } from '../../../isa/index.ts';
import { JSET } from '../../rows/ir.ts';
import { CONDITIONS, compareWithConstant, compareWords, directBranch } from '../compare.ts';
import { bCond, W, X } from '../encode.ts';
import type { Emission } from './emission.ts';
import { T2, T3 } from './registers.ts';
import { NO } from './scan.ts';

export function emitJump(e: Emission, i: number): void {
  const to = e.scan.to[i];
  if (to !== i + 1) e.branch(to);
}

export function emitBranch(e: Emission, i: number): void {
  const { insns, a, b, to } = e.scan;
  const { code, imm } = insns[i];
  const op = code >> 4;
  const sf = (code & 7) === BPF_JMP32 ? W : X;
  if (to[i] === i + 1) return;
  const rn = e.operand(a[i], T2);
  if (b[i] !== NO) {
    const rm = e.operand(b[i], T3);
    const kind = (sf === X ? 1 : 0) | (op === JSET ? 2 : 0) | 4;
    if (!e.compares(kind, rn, rm) || rn === T2 || rm === T3) e.w(compareWords(sf, op === JSET, rn, rm));
    e.branchIf(bCond(CONDITIONS[op], 0), to[i]);
    return;
  }
  const word = directBranch(sf, op, rn, imm);
  if (word !== undefined) e.branchIf(word, to[i]);
  else {
    compareWith(e, sf, op === JSET, rn, imm);
    e.branchIf(bCond(CONDITIONS[op], 0), to[i]);
  }
}

/** Flags of a comparison with a constant, or of the bits both have; unless they are there already. */
function compareWith(e: Emission, sf: number, bits: boolean, rn: number, imm: number): void {
  const kind = (sf === X ? 1 : 0) | (bits ? 2 : 0);
  if (e.comparesNumber(kind, rn, imm) && rn !== T2) return;
  compareWithConstant(e, sf, bits, rn, imm);
}
