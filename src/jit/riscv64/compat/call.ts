import { BPF_PSEUDO_CALL, BPF_PSEUDO_KFUNC_CALL, CALL, type Insn, TAIL_CALL } from '../../../isa/index.ts';
import type { KernelImage } from '../../../kernels/index.ts';
import { bpf_func_id, ERRNO } from '../../../uapi/index.ts';
import { callTarget, isCallOf, PROCESSOR_ID_FUNCTIONS } from '../../func-addr.ts';
import { type Callee, type CallSite, JitError, tailCallSite } from '../../types.ts';
import { lwu } from '../encode.ts';
import { THREAD_INFO_CPU } from './alu.ts';
import { distanceOf, emitSh3add, isS12, sextWord, zextWord } from './constant.ts';
import type { Emission, LoweringRow } from './emission.ts';
import { leave } from './frame.ts';
import { emitBranch, emitJump, IF_AT_LEAST, IF_EQUAL, IF_LESS_SIGNED } from './jump.ts';
import { A0, COUNT, COUNT_SAVED, RA, REGISTERS, RESULT, T1, T2, T3, TP, ZERO } from './registers.ts';

export function calleeAt(callees: readonly Callee[], subprog: number): Callee {
  const callee = callees[subprog];
  if (callee === undefined) throw new JitError(ERRNO.EINVAL, `there is no function ${subprog}`);
  return callee;
}

/** Whether a helper call only asks for the CPU's number: by number, as the kernel's verifier leaves it, or by distance, as ours does. */
const isProcessorId = (kernel: KernelImage, imm: number): boolean =>
  imm === bpf_func_id.BPF_FUNC_get_smp_processor_id || isCallOf(kernel, imm, PROCESSOR_ID_FUNCTIONS);

const kindOf = (insn: Insn): CallSite['kind'] =>
  insn.src === BPF_PSEUDO_CALL ? 'subprog' : insn.src === BPF_PSEUDO_KFUNC_CALL ? 'kfunc' : 'helper';

function lowerCall(e: Emission, insn: Insn): void {
  const { func, env } = e.unit;
  if (insn.src === 0 && isProcessorId(env.space.kernel, insn.imm)) {
    e.lw(RESULT, env.space.kernel.structs.threadInfoCpu ?? THREAD_INFO_CPU, TP);
    return;
  }
  const start = e.here;
  e.see(RA);
  const local = insn.src === BPF_PSEUDO_CALL;
  const target = callTarget(insn, e.callees, env.space, (imm, off) => func.kfuncAddr(imm, off));
  if (insn.src === BPF_PSEUDO_KFUNC_CALL) {
    for (const [i, { sizeBytes }] of (func.kfuncArgs?.(insn.imm, insn.off) ?? []).entries()) {
      const reg = REGISTERS[1 + i];
      if (sizeBytes === 4) sextWord(e, reg, reg);
    }
  }
  const known = target !== 0n && e.hasImage;
  const form = emitJump(e, RA, known ? distanceOf(e, target) : 0, !local);
  if (!local) e.mv(RESULT, A0);
  e.sites.push({
    insnIdx: e.slot,
    kind: kindOf(insn),
    offBytes: start,
    endBytes: e.here,
    target,
    subprog: local ? insn.off : 0,
    form: target === 0n ? 'placeholder' : form,
  });
}

/** `bpf_tail_call`: by what the array holds when it happens; where it does not happen, on behind it. */
function lowerTailCall(e: Emission): void {
  const { arrayMaxEntries, arrayPtrs, progBpfFunc } = e.unit.env.space.kernel.structs;
  for (const off of [arrayMaxEntries, arrayPtrs, progBpfFunc]) {
    if (!isS12(off)) throw new JitError(ERRNO.EPERM, `bpf-jit: insn=${e.slot} 12b < offset=${off} not supported yet!`);
  }
  const { ends } = e.ctx;
  const start = e.here;
  const bytes = e.slot > 0 ? ends[e.slot] - ends[e.slot - 1] : ends[0];
  const rest = (): number => bytes - (e.here - start);
  const [array, index] = [REGISTERS[2], REGISTERS[3]];
  e.ctx.tailCall = true;
  // Where the count is kept depends on the calls seen so far.
  const kept = e.sees(RA);
  if (kept) e.see(COUNT_SAVED);
  zextWord(e, index, index);
  e.word(lwu(T1, arrayMaxEntries, array));
  emitBranch(e, IF_AT_LEAST, index, T1, rest());
  e.addi(COUNT, kept ? COUNT_SAVED : COUNT, -1);
  emitBranch(e, IF_LESS_SIGNED, COUNT, ZERO, rest());
  emitSh3add(e, T2, index, array);
  e.ld(T2, arrayPtrs, T2);
  emitBranch(e, IF_EQUAL, T2, ZERO, rest());
  e.ld(T3, progBpfFunc, T2);
  leave(e, true);
  e.sites.push(tailCallSite(e.slot, start, e.here));
}

export const CALL_ROWS: readonly LoweringRow[] = [
  [CALL, lowerCall],
  [TAIL_CALL, lowerTailCall],
];
