import { BPF_ALU64, BPF_X, type Insn } from '../../isa/index.ts';
import { ANY, add, constant, isNonneg, NONNEG, subtract, type Value } from './value.ts';

const OP = {
  add: 0x00,
  sub: 0x10,
  mul: 0x20,
  div: 0x30,
  or: 0x40,
  and: 0x50,
  lsh: 0x60,
  rsh: 0x70,
  neg: 0x80,
  mod: 0x90,
  xor: 0xa0,
  mov: 0xb0,
  arsh: 0xc0,
  end: 0xd0,
} as const;

/** What an arithmetic instruction puts into its destination. */
export function aluResult(insn: Insn, dst: Value, srcReg: Value): Value {
  const src = (insn.code & BPF_X) !== 0 ? srcReg : constant(insn.imm);
  const op = insn.code & 0xf0;
  if ((insn.code & 0x07) === BPF_ALU64) return alu64(op, insn, dst, src);
  return alu32(op, insn, dst, src);
}

// The upper half of a 32-bit result is zero, so it is never negative; only a few constants are worth following.
function alu32(op: number, insn: Insn, dst: Value, src: Value): Value {
  if (op === OP.end) return insn.imm === 64 ? ANY : NONNEG;
  if (op === OP.mov && insn.off === 0 && typeof src.scalar === 'number') return constant(src.scalar >>> 0);
  if (op === OP.add && typeof dst.scalar === 'number' && typeof src.scalar === 'number') {
    return constant((dst.scalar + src.scalar) >>> 0);
  }
  return NONNEG;
}

function alu64(op: number, insn: Insn, dst: Value, src: Value): Value {
  const nonneg = isNonneg(dst) && isNonneg(src);
  switch (op) {
    case OP.mov:
      return insn.off === 0 ? src : ANY;
    case OP.add:
      return add(dst, src);
    case OP.sub:
      return subtract(dst, src);
    case OP.and:
      return isNonneg(dst) || isNonneg(src) ? NONNEG : ANY;
    case OP.or:
    case OP.xor:
    case OP.mul:
      return nonneg ? NONNEG : ANY;
    case OP.lsh:
      return isNonneg(dst) ? NONNEG : ANY;
    case OP.arsh:
      return isNonneg(dst) ? NONNEG : ANY;
    case OP.rsh:
      return isNonneg(dst) || ((insn.code & BPF_X) === 0 && insn.imm > 0) ? NONNEG : ANY;
    case OP.div:
      return nonneg || (insn.off === 0 && (insn.code & BPF_X) === 0 && insn.imm > 1) ? NONNEG : ANY;
    case OP.mod:
      return nonneg || (insn.off === 0 && (insn.code & BPF_X) === 0 && insn.imm > 0) ? NONNEG : ANY;
    case OP.end:
      return insn.imm === 64 ? ANY : NONNEG;
    default:
      return ANY;
  }
}
