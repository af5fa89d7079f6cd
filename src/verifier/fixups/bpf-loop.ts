import { BPF_DW, BPF_HELPER_CALL, BPF_PSEUDO_CALL, BPF_REG_FP, CALL, type Insn, makeInsn } from '../../isa/index.ts';
import { BPF_FLAGS, bpf_func_id, ERRNO } from '../../uapi/index.ts';
import { aluImm, aluReg, jump, jumpImm, jumpReg, loadMem, OP, storeMem } from './insns.ts';
import type { Patch } from './patch.ts';
import type { FixupProgram } from './program.ts';

/** Three registers are spilled. */
const SPILL_BYTES = 24;
const [LIMIT, COUNT, CTX] = [6, 7, 8];
/** Which of the instructions calls back. */
const CALL_AT = 12;

const isBpfLoopCall = (insn: Insn): boolean =>
  insn.code === CALL && insn.src === BPF_HELPER_CALL && insn.imm === bpf_func_id.BPF_FUNC_loop;

/**
 * `bpf_loop` as a loop, where all paths come with one known callback and no flags. Functions in which it is done use more
 * stack.
 *
 * Source: `kernel/bpf/verifier.c: optimize_bpf_loop`.
 */
export function optimizeBpfLoop(program: FixupProgram): void {
  const { insns, aux, subprogs } = program;
  const patches = new Map<number, Patch>();
  for (const subprog of subprogs) {
    const depth = subprog.stackDepthBytes;
    const extra = SPILL_BYTES + (((depth + 7) & ~7) - depth);
    for (let idx = subprog.start; idx < subprog.end; idx++) {
      if (!isBpfLoopCall(insns[idx]) || !aux[idx].detail.loopFitForInline) continue;
      const callback = subprogs[aux[idx].detail.loopCallbackSubprogno].start;
      patches.set(idx, { insns: inlineBpfLoop(-(depth + extra)), call: { at: CALL_AT, target: callback } });
      subprog.stackDepthBytes = depth + extra;
    }
  }
  program.apply(patches);
}

/** Source: `inline_bpf_loop`. */
function inlineBpfLoop(stackBase: number): Insn[] {
  const slots = [LIMIT, COUNT, CTX].map((reg, i) => ({ reg, off: stackBase + i * 8 }));
  return [
    jumpImm(true, OP.jle, 1, BPF_FLAGS.BPF_MAX_LOOPS, 2),
    aluImm(false, OP.mov, 0, -ERRNO.E2BIG),
    jump(16),
    ...slots.map(({ reg, off }) => storeMem(BPF_DW, BPF_REG_FP, reg, off)),
    aluReg(true, OP.mov, LIMIT, 1),
    aluImm(false, OP.mov, COUNT, 0),
    aluReg(true, OP.mov, CTX, 3),
    jumpReg(true, OP.jge, COUNT, LIMIT, 5),
    aluReg(true, OP.mov, 1, COUNT),
    aluReg(true, OP.mov, 2, CTX),
    makeInsn(CALL, 0, BPF_PSEUDO_CALL, 0, 0),
    aluImm(true, OP.add, COUNT, 1),
    jumpImm(true, OP.jeq, 0, 0, -6),
    aluReg(true, OP.mov, 0, COUNT),
    ...slots.map(({ reg, off }) => loadMem(BPF_DW, reg, BPF_REG_FP, off)),
  ];
}
