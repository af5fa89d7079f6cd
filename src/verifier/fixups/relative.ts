import {
  BPF_JMP,
  BPF_JMP32,
  BPF_PSEUDO_CALL,
  BPF_PSEUDO_FUNC,
  CALL,
  EXIT,
  GOTOL,
  type Insn,
  LD_IMM64,
  TAIL_CALL,
} from '../../isa/index.ts';

/** What in an instruction is relative to its place. */
export const RELATIVE = { none: 0, jumpOff: 1, jumpImm: 2, call: 3, func: 4 } as const;
export type Relative = (typeof RELATIVE)[keyof typeof RELATIVE];

const GOTOX = 0x0d;
const CALLX = 0x8d;
/** May not be an instruction's first slot with a target in `off`, though its class is that of jumps. */
const NOT_JUMPS: ReadonlySet<number> = new Set([GOTOL, GOTOX, CALL, CALLX, EXIT, TAIL_CALL]);

const BY_CODE: Uint8Array = Uint8Array.from({ length: 256 }, (_, code) => {
  if (code === GOTOL) return RELATIVE.jumpImm;
  const isJumpClass = (code & 7) === BPF_JMP || (code & 7) === BPF_JMP32;
  return isJumpClass && !NOT_JUMPS.has(code) ? RELATIVE.jumpOff : RELATIVE.none;
});

export function relativeOf(insn: Insn): Relative {
  if (insn.code === CALL) return insn.src === BPF_PSEUDO_CALL ? RELATIVE.call : RELATIVE.none;
  if (insn.code === LD_IMM64) return insn.src === BPF_PSEUDO_FUNC ? RELATIVE.func : RELATIVE.none;
  return BY_CODE[insn.code] as Relative;
}

/** The slot a relative instruction at `idx` names. */
export function relativeTarget(insn: Insn, idx: number, relative: Relative): number {
  return idx + 1 + (relative === RELATIVE.jumpOff ? insn.off : insn.imm);
}

/** Whether control may go to the slot behind this instruction. */
export function fallsThrough(code: number): boolean {
  return code !== EXIT && code !== 0x05 && code !== GOTOL && code !== GOTOX;
}
