import { BPF_ALU64, BPF_REG_AX, BPF_X, type Insn } from '../../isa/index.ts';
import { aluImm, aluReg, jump, jumpImm, OP } from './insns.ts';
import type { Patch } from './patch.ts';

const DIV = 0x30;

/**
 * Takes the cases out of a division that CPUs trap on or disagree about: division by 0 gives 0, remainder by 0 leaves the dividend
 * (its low half, zero-extended, in 32 bits), and signed division by -1 is a negation, which wraps the least number to itself.
 *
 * ```
 *   unsigned by register             signed by register (src + 1 in AX tells 0 and -1 from the rest at once)
 *     if src != 0 goto 1f              ax = src;  ax += 1
 *     w(dst) ^= w(dst)                 if ax > 1 goto 2f
 *     goto 2f                          if ax == 0 goto 1f
 *  1: dst /= src                       dst = 0
 *  2:                               1: dst = -dst
 *                                      goto 3f
 *                                   2: dst s/= src
 *                                   3:
 * ```
 *
 * Source: `kernel/bpf/verifier.c: do_misc_fixups`. Differs from Linux: divisors that are a constant 0 are rewritten too; Linux's
 * verifier refuses them (`div by zero`).
 */
export function fixDivMod(insn: Insn): Patch | undefined {
  const isWide = (insn.code & 7) === BPF_ALU64;
  const isDiv = (insn.code & 0xf0) === DIV;
  const isSigned = insn.off === 1;
  if ((insn.code & BPF_X) === 0) return byConstant(insn, isWide, isDiv, isSigned);
  const { dst, src } = insn;
  if (isSigned) return { insns: isDiv ? signedDiv(insn, isWide) : signedMod(insn, isWide) };
  if (isDiv) {
    const zero = aluReg(false, OP.xor, dst, dst);
    return { insns: [jumpImm(isWide, OP.jne, src, 0, 2), zero, jump(1), insn] };
  }
  return isWide
    ? { insns: [jumpImm(true, OP.jeq, src, 0, 1), insn] }
    : { insns: [jumpImm(false, OP.jeq, src, 0, 2), insn, jump(1), aluReg(false, OP.mov, dst, dst)] };
}

function byConstant(insn: Insn, isWide: boolean, isDiv: boolean, isSigned: boolean): Patch | undefined {
  const { dst, imm } = insn;
  const zero = aluImm(false, OP.mov, dst, 0);
  if (imm === 0) return { insns: [isDiv ? zero : aluReg(isWide, OP.mov, dst, dst)] };
  if (!isSigned || imm !== -1) return undefined;
  return { insns: [isDiv ? aluImm(isWide, OP.neg, dst, 0) : zero] };
}

function plusOne(insn: Insn, isWide: boolean): Insn[] {
  return [aluReg(true, OP.mov, BPF_REG_AX, insn.src), aluImm(isWide, OP.add, BPF_REG_AX, 1)];
}

function signedDiv(insn: Insn, isWide: boolean): Insn[] {
  return [
    ...plusOne(insn, isWide),
    jumpImm(isWide, OP.jgt, BPF_REG_AX, 1, 4),
    jumpImm(isWide, OP.jeq, BPF_REG_AX, 0, 1),
    aluImm(isWide, OP.mov, insn.dst, 0),
    aluImm(isWide, OP.neg, insn.dst, 0),
    jump(1),
    insn,
  ];
}

function signedMod(insn: Insn, isWide: boolean): Insn[] {
  const { dst } = insn;
  const common = [
    ...plusOne(insn, isWide),
    jumpImm(isWide, OP.jgt, BPF_REG_AX, 1, 3),
    jumpImm(isWide, OP.jeq, BPF_REG_AX, 1, isWide ? 3 : 4),
    aluImm(false, OP.mov, dst, 0),
    jump(1),
    insn,
  ];
  return isWide ? common : [...common, jump(1), aluReg(false, OP.mov, dst, dst)];
}
