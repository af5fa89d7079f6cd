import {
  BPF_ALU,
  BPF_ALU64,
  BPF_ATOMIC,
  BPF_CMPXCHG,
  BPF_FETCH,
  BPF_JMP,
  BPF_JMP32,
  BPF_LDX,
  BPF_LOAD_ACQ,
  BPF_PROBE_ATOMIC,
  BPF_ST,
  BPF_STORE_REL,
  BPF_STX,
  CALL,
  EXIT,
  type Insn,
  NOSPEC,
  TAIL_CALL,
} from '../../../isa/index.ts';

/** Nibbles of ALU codes that read no second operand, or not their first. */
export const OP_MOV = 0xb;
export const OP_NEG = 0x8;
export const OP_END = 0xd;

const ARGS = 0b111110;
const CLOBBERED = 0b111111;

/**
 * BPF registers an instruction reads, and in the upper half those it writes: a bit each, R10 and AX included. Calls are
 * taken to read all arguments, and what they leave undefined is written.
 */
export function effectOf(insn: Insn): number {
  const { code, imm } = insn;
  const dst = 1 << insn.dst;
  const src = 1 << insn.src;
  const register = (code & 8) !== 0;
  switch (code & 7) {
    case BPF_ALU:
    case BPF_ALU64: {
      const op = code >> 4;
      const written = dst << 16;
      if (op === OP_MOV) return written | (register ? src : 0);
      return written | dst | (register && op !== OP_NEG && op !== OP_END ? src : 0);
    }
    case BPF_LDX:
      return src | (dst << 16);
    case BPF_ST:
      return code === NOSPEC ? 0 : dst;
    case BPF_STX: {
      const mode = code & 0xe0;
      if (mode !== BPF_ATOMIC && mode !== BPF_PROBE_ATOMIC) return dst | src;
      if (imm === BPF_LOAD_ACQ) return src | (dst << 16);
      if (imm === BPF_STORE_REL) return dst | src;
      if (imm === BPF_CMPXCHG) return dst | src | 1 | (1 << 16);
      return dst | src | ((imm & BPF_FETCH) !== 0 ? src << 16 : 0);
    }
    case BPF_JMP:
    case BPF_JMP32:
      if (code === CALL) return ARGS | (CLOBBERED << 16);
      if (code === EXIT) return 1;
      if (code === TAIL_CALL) return 0b1110;
      return code >> 4 === 0 ? 0 : dst | (register ? src : 0);
    default:
      return dst << 16;
  }
}
