import { BPF_CALL, BPF_EXIT, BPF_JA, BPF_JMP, BPF_JMP32, type Insn, JA, makeInsn } from '../../isa/index.ts';
import { jump } from './insns.ts';
import type { FixupProgram } from './program.ts';

/** A jump to itself: what dead code becomes where it stays. */
const TRAP: Insn = makeInsn(JA, 0, 0, -1, 0);

/** Spills and fills around a call become nothing. Source: `remove_fastcall_spills_fills`. */
export function removeFastcallSpills(program: FixupProgram): void {
  const { insns, aux } = program;
  for (let idx = 0; idx < insns.length; idx++) {
    for (let j = 1; j <= aux[idx].fastcallSpillsNum; j++) {
      insns[idx - j] = jump(0);
      insns[idx + j] = jump(0);
    }
  }
}

/** Source: `insn_is_cond_jump`. */
function insnIsCondJump(code: number): boolean {
  const op = code & 0xf0;
  if ((code & 7) === BPF_JMP32) return op !== BPF_JA;
  return (code & 7) === BPF_JMP && op !== BPF_JA && op !== BPF_EXIT && op !== BPF_CALL;
}

/** Branches that only ever go one way become jumps, or nothing. Source: `opt_hard_wire_dead_code_branches`. */
export function hardWireDeadBranches({ insns, aux }: FixupProgram): void {
  for (let idx = 0; idx < insns.length; idx++) {
    const { code, off } = insns[idx];
    if (!insnIsCondJump(code)) continue;
    if (aux[idx + 1].seen === 0) insns[idx] = jump(off);
    else if (aux[idx + 1 + off].seen === 0) insns[idx] = jump(0);
  }
}

/** Source: `opt_remove_dead_code`. */
export function removeDeadCode(program: FixupProgram): void {
  const { aux } = program;
  const gone = new Uint8Array(aux.length);
  for (let i = 0; i < gone.length; i++) if (aux[i].seen === 0) gone[i] = 1;
  program.remove(gone);
}

/** Source: `opt_remove_nops`. */
export function removeNops(program: FixupProgram): void {
  const { insns } = program;
  const gone = new Uint8Array(insns.length);
  for (let i = 0; i < gone.length; i++) {
    const { code, dst, src, off, imm } = insns[i];
    if (code === JA && (dst | src | off | imm) === 0) gone[i] = 1;
  }
  program.remove(gone);
}

/** Without CAP_BPF dead code stays, but goes nowhere. Source: `sanitize_dead_code`. */
export function sanitizeDeadCode({ insns, aux }: FixupProgram): void {
  for (let idx = 0; idx < insns.length; idx++) {
    if (aux[idx].seen !== 0) continue;
    insns[idx] = TRAP;
    aux[idx].zextDst = false;
  }
}
