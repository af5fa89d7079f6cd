import {
  BPF_ABS,
  BPF_ALU,
  BPF_ALU64,
  BPF_CALL,
  BPF_END,
  BPF_EXIT,
  BPF_IND,
  BPF_JMP,
  BPF_JMP32,
  BPF_LD,
  BPF_LDX,
  BPF_MOV,
  BPF_NEG,
  BPF_PSEUDO_KFUNC_CALL,
  BPF_REG_FP,
  BPF_ST,
  BPF_STX,
  BPF_X,
  type Insn,
  isPseudoCall,
  MAX_CALL_FRAMES,
} from '../../isa/index.ts';
import type { VerifierEnv } from '../env.ts';
import { insnText } from '../print/insn-text.ts';
import { type BacktrackState, fmtRegMask, fmtStackMask } from '../state/backtrack.ts';
import { NO_ENTRY } from '../state/insn-history.ts';
import { isSyncCallbackCallingInsn } from './callback-kinds.ts';
import {
  INSN_F_DST_REG_STACK,
  INSN_F_SRC_REG_STACK,
  INSN_F_STACK_ACCESS,
  insnStackAccessFrameno,
  insnStackAccessSpi,
  linkedRegFrameno,
  linkedRegIsReg,
  linkedRegSpi,
} from './history.ts';
import { subprogIsGlobal } from './subprog-facts.ts';

/** R1 to R5. */
export const BPF_REGMASK_ARGS = 0x3e;

/** The slots asked for in the frame in hand, as `%llx`. */
export const slotsText = (bt: BacktrackState): string =>
  ((BigInt(bt.stackHi[bt.frame] >>> 0) << 32n) | BigInt(bt.stackLo[bt.frame] >>> 0)).toString(16);

/**
 * What has to be precise before instruction `idx` for what `bt` asks for to be so after it. False where nobody can tell.
 * `subseqIdx` is the instruction that came next on the path, `hist` the history's entry of this one or NO_ENTRY.
 *
 * Source: `kernel/bpf/verifier.c: backtrack_insn`.
 */
export function backtrackInsn(
  env: VerifierEnv,
  idx: number,
  subseqIdx: number,
  hist: number,
  bt: BacktrackState,
  told: boolean,
): boolean {
  const insn = env.insns[idx];
  // The second slot of a ld_imm64.
  if (insn.code === 0) return true;
  if (told) logInsn(env, idx, bt);
  const linked = hist === NO_ENTRY ? undefined : env.insnHist.linkedRegs[hist];
  const flags = hist === NO_ENTRY ? 0 : env.insnHist.flags[hist];
  if (linked !== undefined) syncLinkedRegs(bt, linked);
  switch (insn.code & 7) {
    case BPF_ALU:
    case BPF_ALU64:
      if (!bt.isRegSet(insn.dst)) return true;
      if (!throughAlu(insn, bt)) return true;
      break;
    case BPF_LDX:
      if (!bt.isRegSet(insn.dst)) return true;
      bt.clearReg(insn.dst);
      // Other memory than the stack holds any number.
      if ((flags & INSN_F_STACK_ACCESS) === 0) return true;
      bt.setFrameSlot(insnStackAccessFrameno(flags), insnStackAccessSpi(flags));
      break;
    case BPF_STX:
    case BPF_ST: {
      // No scalar is stored to: this was made of pointers.
      if (bt.isRegSet(insn.dst)) return false;
      if ((flags & INSN_F_STACK_ACCESS) === 0) return true;
      const frame = insnStackAccessFrameno(flags);
      const spi = insnStackAccessSpi(flags);
      if (!bt.isFrameSlotSet(frame, spi)) return true;
      bt.clearFrameSlot(frame, spi);
      if ((insn.code & 7) === BPF_STX) bt.setReg(insn.src);
      break;
    }
    case BPF_JMP:
    case BPF_JMP32: {
      const step = throughJump(env, insn, idx, subseqIdx, flags, bt);
      if (step !== GO_ON) return step === DONE;
      break;
    }
    case BPF_LD:
      if (!bt.isRegSet(insn.dst)) return true;
      bt.clearReg(insn.dst);
      if ((insn.code & 0xe0) === BPF_IND || (insn.code & 0xe0) === BPF_ABS) return false;
      break;
  }
  if (linked !== undefined) syncLinkedRegs(bt, linked);
  return true;
}

function logInsn(env: VerifierEnv, idx: number, bt: BacktrackState): void {
  const { frame } = bt;
  const slots = fmtStackMask(bt.stackLo[frame], bt.stackHi[frame]);
  const regs = fmtRegMask(bt.regMask);
  env.verbose(`mark_precise: frame${frame}: regs=${regs} stack=${slots} before ${idx}: ${insnText(env, idx)}\n`);
}

/** Registers linked at a jump got their ranges together: where one has to be precise, all have to. */
function syncLinkedRegs(bt: BacktrackState, linked: readonly number[]): void {
  let some = false;
  for (let i = 0; i < linked.length && !some; i++) {
    const entry = linked[i];
    const frame = linkedRegFrameno(entry);
    some = linkedRegIsReg(entry)
      ? bt.isFrameRegSet(frame, linkedRegSpi(entry))
      : bt.isFrameSlotSet(frame, linkedRegSpi(entry));
  }
  if (!some) return;
  for (let i = 0; i < linked.length; i++) {
    const entry = linked[i];
    if (linkedRegIsReg(entry)) bt.setFrameReg(linkedRegFrameno(entry), linkedRegSpi(entry));
    else bt.setFrameSlot(linkedRegFrameno(entry), linkedRegSpi(entry));
  }
}

/** False where linked registers need no second look. */
function throughAlu(insn: Insn, bt: BacktrackState): boolean {
  const op = insn.code & 0xf0;
  if (op === BPF_END || op === BPF_NEG) return false;
  if (op === BPF_MOV) bt.clearReg(insn.dst);
  if ((insn.code & BPF_X) !== 0 && insn.src !== BPF_REG_FP) bt.setReg(insn.src);
  return true;
}

const UNKNOWN = 0;
const DONE = 1;
const GO_ON = 2;
type Step = typeof UNKNOWN | typeof DONE | typeof GO_ON;

function throughJump(
  env: VerifierEnv,
  insn: Insn,
  idx: number,
  subseqIdx: number,
  flags: number,
  bt: BacktrackState,
): Step {
  if (isPseudoCall(insn)) return intoCaller(env, insn, idx, bt);
  if (idx !== subseqIdx - 1 && isSyncCallbackCallingInsn(env, insn, idx)) return outOfCallback(env, bt);
  const op = insn.code & 0xf0;
  if (op === BPF_CALL) {
    if (insn.src === BPF_PSEUDO_KFUNC_CALL && insn.imm === 0) return UNKNOWN;
    bt.clearReg(0);
    if ((bt.regMask & BPF_REGMASK_ARGS) !== 0) env.refuse('backtrackRegs', bt.regMask);
    return GO_ON;
  }
  if (op === BPF_EXIT) return intoCallee(env, subseqIdx, bt);
  if ((insn.code & BPF_X) !== 0) {
    if (!bt.isRegSet(insn.dst) && !bt.isRegSet(insn.src)) return DONE;
    if ((flags & INSN_F_SRC_REG_STACK) === 0) bt.setReg(insn.src);
    if ((flags & INSN_F_DST_REG_STACK) === 0) bt.setReg(insn.dst);
  }
  return GO_ON;
}

/** Back over a call of a function of the program: the beginning of that function, or the whole of a global one. */
function intoCaller(env: VerifierEnv, insn: Insn, idx: number, bt: BacktrackState): Step {
  const subprog = env.subprogs.at(idx + insn.imm + 1);
  if (subprog < 0) env.bug('a call of no function');
  if (subprogIsGlobal(env, subprog)) {
    if ((bt.regMask & BPF_REGMASK_ARGS) !== 0) env.refuse('backtrackRegs', bt.regMask);
    bt.clearReg(0);
    return DONE;
  }
  if ((bt.regMask & ~BPF_REGMASK_ARGS) !== 0) env.refuse('backtrackRegs', bt.regMask);
  if (!bt.stackEmpty) env.refuse('backtrackSlots', slotsText(bt));
  for (let i = 1; i <= 5; i++) {
    if (!bt.isRegSet(i)) continue;
    bt.clearReg(i);
    bt.setFrameReg(bt.frame - 1, i);
  }
  subprogExit(env, bt);
  return DONE;
}

/** Back from the beginning of a callback to the call that made it: R1 to R5 are not those of the call. */
function outOfCallback(env: VerifierEnv, bt: BacktrackState): Step {
  if ((bt.regMask & ~BPF_REGMASK_ARGS) !== 0) env.refuse('backtrackRegs', bt.regMask);
  if (!bt.stackEmpty) env.refuse('backtrackSlots', slotsText(bt));
  bt.regMasks[bt.frame] &= ~BPF_REGMASK_ARGS;
  subprogExit(env, bt);
  return DONE;
}

function subprogExit(env: VerifierEnv, bt: BacktrackState): void {
  if (bt.frame === 0) env.refuse('backtrackExit');
  bt.frame--;
}

/** Back over the end of a function or callback: R0 is what it gave, if it was called and not called back. */
function intoCallee(env: VerifierEnv, subseqIdx: number, bt: BacktrackState): Step {
  if (subseqIdx >= 0 && env.cfg.callsCallback[subseqIdx] !== 0) bt.regMasks[bt.frame] &= ~BPF_REGMASK_ARGS;
  if ((bt.regMask & BPF_REGMASK_ARGS) !== 0) env.refuse('backtrackRegs', bt.regMask);
  const r0Precise = subseqIdx - 1 >= 0 && isPseudoCall(env.insns[subseqIdx - 1]) && bt.isRegSet(0);
  bt.clearReg(0);
  if (bt.frame === MAX_CALL_FRAMES - 1) env.refuse('backtrackEnter', bt.frame);
  bt.frame++;
  if (r0Precise) bt.setReg(0);
  return DONE;
}
