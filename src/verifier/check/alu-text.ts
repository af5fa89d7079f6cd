/** Operators as messages write them, by the code's high four bits. Source: `kernel/bpf/disasm.c: bpf_alu_string`. */
export const ALU_TEXT = [
  '+=',
  '-=',
  '*=',
  '/=',
  '|=',
  '&=',
  '<<=',
  '>>=',
  'neg',
  '%=',
  '^=',
  '=',
  's>>=',
  'endian',
] as const;
