import { BPF_ADD, BPF_ALU64, BPF_REG_AX, BPF_SUB, BPF_X, type Insn } from '../../isa/index.ts';
import {
  BPF_ALU_IMMEDIATE,
  BPF_ALU_NEG_VALUE,
  BPF_ALU_NON_POINTER,
  BPF_ALU_SANITIZE,
  BPF_ALU_SANITIZE_SRC,
} from '../check/sanitize.ts';
import type { InsnAux } from '../insn-aux.ts';
import { aluImm, aluReg, OP } from './insns.ts';
import type { Patch } from './patch.ts';

const ADD = BPF_ALU64 | BPF_ADD | BPF_X;
const SUB = BPF_ALU64 | BPF_SUB | BPF_X;

/**
 * Pointer arithmetic whose offset is masked: where the CPU guesses a path on which the offset would leave the object, it
 * becomes 0.
 *
 * Source: `kernel/bpf/verifier.c: do_misc_fixups`.
 */
export function fixPointerAlu(insn: Insn, { detail: { aluState, aluLimit } }: InsnAux): Patch | undefined {
  if (insn.code !== ADD && insn.code !== SUB) return undefined;
  if (aluState === 0 || aluState === BPF_ALU_NON_POINTER) return undefined;
  const isNeg = (aluState & BPF_ALU_NEG_VALUE) !== 0;
  const isSrc = (aluState & BPF_ALU_SANITIZE) === BPF_ALU_SANITIZE_SRC;
  const isImm = (aluState & BPF_ALU_IMMEDIATE) !== 0;
  const { dst, src } = insn;
  const offReg = isSrc ? src : dst;
  const insns: Insn[] = [];
  if (isImm) insns.push(aluImm(false, OP.mov, BPF_REG_AX, aluLimit));
  else {
    if (isNeg) insns.push(aluImm(true, OP.mul, offReg, -1));
    insns.push(
      aluImm(false, OP.mov, BPF_REG_AX, aluLimit),
      aluReg(true, OP.sub, BPF_REG_AX, offReg),
      aluReg(true, OP.or, BPF_REG_AX, offReg),
      aluImm(true, OP.neg, BPF_REG_AX, 0),
      aluImm(true, OP.arsh, BPF_REG_AX, 63),
      aluReg(true, OP.and, BPF_REG_AX, offReg),
    );
  }
  if (!isSrc) insns.push(aluReg(true, OP.mov, dst, src));
  const code = isNeg ? (insn.code === ADD ? SUB : ADD) : insn.code;
  insns.push({ ...insn, code, src: BPF_REG_AX });
  if (isSrc && isNeg && !isImm) insns.push(aluImm(true, OP.mul, offReg, -1));
  return { insns };
}
