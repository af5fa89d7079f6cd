import {
  BPF_ALU,
  BPF_ALU64,
  BPF_ATOMIC,
  BPF_CMPXCHG,
  BPF_END,
  BPF_FETCH,
  BPF_IMM,
  BPF_JMP,
  BPF_JMP32,
  BPF_LD,
  BPF_LDX,
  BPF_MOV,
  BPF_NEG,
  BPF_ST,
  BPF_STX,
  BPF_X,
  type Insn,
  MODE_MASK,
  OP_MASK,
} from '../../isa/index.ts';

const CLASS = 7;
const JMP_CALL = 0x80;
const JMP_EXIT = 0x90;

/** What an instruction is, as far as the history of values goes. */
export type InsnRole =
  | 'mov'
  | 'alu'
  | 'load'
  | 'load-imm'
  | 'load-abs'
  | 'store'
  | 'atomic'
  | 'branch'
  | 'call'
  | 'exit'
  | 'other';

export function roleOf({ code }: Insn): InsnRole {
  switch (code & CLASS) {
    case BPF_ALU:
    case BPF_ALU64:
      return (code & OP_MASK) === BPF_MOV ? 'mov' : 'alu';
    case BPF_LDX:
      return 'load';
    case BPF_LD:
      return (code & MODE_MASK) === BPF_IMM ? 'load-imm' : 'load-abs';
    case BPF_ST:
      return 'store';
    case BPF_STX:
      return (code & MODE_MASK) === BPF_ATOMIC ? 'atomic' : 'store';
    case BPF_JMP:
    case BPF_JMP32: {
      const op = code & OP_MASK;
      if (op === JMP_CALL) return 'call';
      if (op === JMP_EXIT) return 'exit';
      return op === 0 ? 'other' : 'branch';
    }
    default:
      return 'other';
  }
}

/** The second operand is a register. */
export const hasRegOperand = ({ code }: Insn): boolean => {
  const cls = code & CLASS;
  if (cls === BPF_STX) return true;
  if (cls !== BPF_ALU && cls !== BPF_ALU64 && cls !== BPF_JMP && cls !== BPF_JMP32) return false;
  const op = code & OP_MASK;
  if ((cls === BPF_ALU || cls === BPF_ALU64) && (op === BPF_NEG || op === BPF_END)) return false;
  return (code & BPF_X) !== 0;
};

/** Bytes a load or store moves. */
export const accessBytes = ({ code }: Insn): number => [4, 2, 1, 8][(code & 0x18) >> 3];

/** Whether a register is written, and by its own operands: results of calls and of loads count too. */
export function writesReg(insn: Insn, regno: number): boolean {
  switch (roleOf(insn)) {
    case 'mov':
    case 'alu':
    case 'load':
    case 'load-imm':
      return insn.dst === regno;
    case 'load-abs':
      return regno === 0 || (regno >= 1 && regno <= 5);
    case 'call':
      return regno <= 5;
    case 'atomic':
      if (insn.imm === BPF_CMPXCHG) return regno === 0;
      return (insn.imm & BPF_FETCH) !== 0 && insn.src === regno;
    default:
      return false;
  }
}

/** Registers a branch compares. */
export const comparedRegs = (insn: Insn): readonly number[] =>
  hasRegOperand(insn) ? [insn.dst, insn.src] : [insn.dst];
