import { BPF_REG_AX, type Insn } from '../../isa/index.ts';
import { BPF_FLAGS } from '../../uapi/index.ts';
import type { Fixup } from './context.ts';
import { aluImm, jumpImm, loadFrame, OP, storeFrame, storeFrameImm } from './insns.ts';

/** Stack a function with `may_goto` uses more: the counter. */
export const MAY_GOTO_STACK_BYTES = 8;

/**
 * `may_goto` as a count down in the function's frame, right below the stack it uses itself: at 0 it jumps.
 *
 * Source: `kernel/bpf/verifier.c: do_misc_fixups` of 6.12; later kernels count in other ways too.
 */
export const fixMayGoto: Fixup = (insn, idx, ctx) => {
  const off = -ctx.stackDepthAt(idx) - MAY_GOTO_STACK_BYTES;
  return {
    insns: [
      loadFrame(BPF_REG_AX, off),
      jumpImm(true, OP.jeq, BPF_REG_AX, 0, 0),
      aluImm(true, OP.sub, BPF_REG_AX, 1),
      storeFrame(off, BPF_REG_AX),
    ],
    exit: { at: 1, target: idx + 1 + insn.off },
  };
};

/** Sets the counter when the function is entered. @param stackDepthBytes counter included */
export function mayGotoPrologue(stackDepthBytes: number): readonly Insn[] {
  return [storeFrameImm(-stackDepthBytes, BPF_FLAGS.BPF_MAX_LOOPS)];
}
