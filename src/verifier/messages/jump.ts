import { plain, row } from './row.ts';

/** What conditional jumps say. Source: `check_cond_jmp_op`. */
export const JUMP_MESSAGES = {
  jumpOpcode: row('EINVAL', (opcode: number) => `invalid BPF_JMP/JMP32 opcode ${opcode.toString(16)}`),
  mayGotoForm: row('EINVAL', (off: number, imm: number) => `invalid may_goto off ${off} imm ${imm}`),
  condReserved: plain('EINVAL', 'BPF_JMP/JMP32 uses reserved fields'),
  ptrComparison: row('EACCES', (regno: number) => `R${regno} pointer comparison prohibited`),
} as const;
