import { type Insn, isPseudoCall, isPseudoFunc, LD_IMM64, TAIL_CALL } from '../../src/isa/index.ts';
import { type KernelImage, kernelImage } from '../../src/kernels/index.ts';
import type { Subprog, XlatedProgram } from '../../src/verifier/index.ts';

/**
 * A program in xlated form without any verifier: for tests of what comes behind it. Functions begin at call targets;
 * every stack is `stackDepthBytes` deep.
 */
export function xlatedOf(
  insns: readonly Insn[],
  init: Partial<XlatedProgram> & { readonly stackDepthBytes?: number; readonly starts?: readonly number[] } = {},
): XlatedProgram {
  const starts = new Set(init.starts ?? [0]);
  if (init.starts === undefined) {
    insns.forEach((insn, slot) => {
      if (isPseudoCall(insn) || isPseudoFunc(insn)) starts.add(slot + insn.imm + 1);
    });
  }
  const sorted = [...starts].sort((a, b) => a - b);
  const kernel: KernelImage = init.kernel ?? kernelImage('6.12-ppc64el');
  const subprogs: Subprog[] = sorted.map((start, index) => {
    const end = sorted[index + 1] ?? insns.length;
    return {
      start,
      end,
      name: '',
      stackDepthBytes: init.stackDepthBytes ?? 0,
      hasTailCall: insns.slice(start, end).some(insn => insn.code === TAIL_CALL),
      tailCallReachable: insns.slice(start, end).some(insn => insn.code === TAIL_CALL),
      isCallback: insns.some(
        (insn, slot) => insn.code === LD_IMM64 && isPseudoFunc(insn) && slot + insn.imm + 1 === start,
      ),
      isExceptionCallback: false,
    };
  });
  return {
    verified: false,
    name: 'test',
    type: 1,
    gplCompatible: true,
    insns,
    subprogs,
    hiddenSubprogCount: 0,
    kernel,
    maps: [],
    kfuncs: [],
    helpers: new Map(),
    internalCalls: new Map(),
    btf: undefined,
    funcInfo: [],
    lineInfo: [],
    verifierZext: false,
    arena: undefined,
    original: insns,
    ...init,
  } as unknown as XlatedProgram;
}
