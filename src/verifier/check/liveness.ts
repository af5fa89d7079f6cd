import { CONST_PTR_TO_DYNPTR, NOT_INIT, SCALAR_VALUE } from '../../helpers/index.ts';
import {
  BPF_ALU,
  BPF_ALU64,
  BPF_ATOMIC,
  BPF_CALL,
  BPF_CMPXCHG,
  BPF_DW,
  BPF_END,
  BPF_FETCH,
  BPF_IMM,
  BPF_JMP,
  BPF_JMP32,
  BPF_LD,
  BPF_LDX,
  BPF_MEMSX,
  BPF_PSEUDO_CALL,
  BPF_REG_FP,
  BPF_ST,
  BPF_STX,
  type Insn,
  MAX_BPF_REG,
} from '../../isa/index.ts';
import type { VerifierEnv } from '../env.ts';
import { REGS, SLOTS_HI, SLOTS_LO } from '../state/frame-images.ts';
import { markRegUnknownRaw } from '../state/marks.ts';
import {
  DEF_NOT_SUBREG,
  originFrameOf,
  originPlaceOf,
  REG_LIVE_DONE,
  REG_LIVE_READ,
  REG_LIVE_READ32,
  REG_LIVE_READ64,
  REG_LIVE_WRITTEN,
  type RegState,
} from '../state/reg.ts';
import type { VerifierState } from '../state/verifier-state.ts';
import { dynptrGetSpi } from './dynptr.ts';

/** What an instruction does to a register (`enum reg_arg_type`). */
export const SRC_OP = 0;
export const DST_OP = 1;
/** Written, but what it then holds is up to the caller. */
export const DST_OP_NO_MARK = 2;
export type RegArgType = typeof SRC_OP | typeof DST_OP | typeof DST_OP_NO_MARK;

/**
 * Marks a register or slot as read in every state before this one, up to the one that wrote it. `flag` is
 * REG_LIVE_READ32 or REG_LIVE_READ64.
 */
export function markRegRead(env: VerifierEnv, reg: RegState, flag: number): void {
  if ((reg.live & REG_LIVE_WRITTEN) === 0) markRead(env, originFrameOf(reg), originPlaceOf(reg), flag, 0);
}

/** The same from a place of a kept state on; `count` states were marked so far. */
function markRead(env: VerifierEnv, image: number, place: number, flag: number, count: number): void {
  const { images } = env.kept;
  let at = image;
  while (at !== 0) {
    const live = images.liveOf(at, place);
    if ((live & REG_LIVE_DONE) !== 0) env.bug('a state whose paths have all ended is read from');
    if ((live & REG_LIVE_READ) === flag || (live & REG_LIVE_READ64) !== 0) break;
    images.setRead(at, place, flag);
    count++;
    if ((live & REG_LIVE_WRITTEN) !== 0) break;
    const next = images.originOf(at, place);
    place = images.strayPlaceOf(at, place);
    at = next;
  }
  if (env.longestMarkReadWalk < count) env.longestMarkReadWalk = count;
}

/** Marks both slots of a dynptr as read. */
export function markDynptrRead(env: VerifierEnv, reg: RegState): void {
  if (reg.type === CONST_PTR_TO_DYNPTR) return;
  const { stack } = env.curState.frames[reg.frameno];
  const spi = dynptrGetSpi(env, reg);
  if (spi < 0) env.fail(-spi);
  markRegRead(env, stack[spi], REG_LIVE_READ64);
  markRegRead(env, stack[spi - 1], REG_LIVE_READ64);
}

/** Marks the `nrSlots` slots of an iterator as read, from `spi` downwards. */
export function markIterRead(env: VerifierEnv, reg: RegState, spi: number, nrSlots: number): void {
  const { stack } = env.curState.frames[reg.frameno];
  for (let i = 0; i < nrSlots; i++) {
    const slot = stack[spi - i];
    markRegRead(env, slot, REG_LIVE_READ64);
    env.markStackSlotScratched(spi - i);
  }
}

/**
 * Whether the instruction uses all 64 bits of a register. Stores ask what it holds; elsewhere `reg` may be left out.
 */
export function isReg64(
  _env: VerifierEnv,
  insn: Insn,
  _regno: number,
  reg: RegState | undefined,
  t: RegArgType,
): boolean {
  const { code } = insn;
  switch (code & 7) {
    case BPF_JMP: {
      const op = code & 0xf0;
      if (op === BPF_CALL) return insn.src !== BPF_PSEUDO_CALL && t === SRC_OP;
      return true;
    }
    case BPF_ALU64:
      return (code & 0xf0) !== BPF_END || (insn.imm !== 16 && insn.imm !== 32);
    case BPF_ALU:
      return (code & 0xf0) === BPF_END && insn.imm === 64;
    case BPF_JMP32:
      // As in Linux, the codes of calls and exits mean nothing here.
      return false;
    case BPF_LDX:
      return t === SRC_OP || (code & 0x18) === BPF_DW || (code & 0xe0) === BPF_MEMSX;
    case BPF_STX:
      // One of the sources is the pointer stored to.
      if (t === SRC_OP && reg !== undefined && reg.type !== SCALAR_VALUE) return true;
      return (code & 0x18) === BPF_DW;
    case BPF_LD:
      // BPF_ABS and BPF_IND give 32 bits.
      return t === SRC_OP || (code & 0xe0) === BPF_IMM;
    default:
      return true;
  }
}

const PROBE_ATOMIC = 0xe0;

/** The register an instruction writes; -1 for none. */
export function insnDefRegno(insn: Insn): number {
  switch (insn.code & 7) {
    case BPF_JMP:
    case BPF_JMP32:
    case BPF_ST:
      return -1;
    case BPF_STX: {
      const mode = insn.code & 0xe0;
      if ((mode !== BPF_ATOMIC && mode !== PROBE_ATOMIC) || (insn.imm & BPF_FETCH) === 0) return -1;
      return insn.imm === BPF_CMPXCHG ? 0 : insn.src;
    }
    default:
      return insn.dst;
  }
}

/** Whether an instruction writes the low half of a register only. */
export function insnHasDef32(env: VerifierEnv, insn: Insn): boolean {
  const regno = insnDefRegno(insn);
  return regno !== -1 && !isReg64(env, insn, regno, undefined, DST_OP);
}

/** All of the register is read: whoever wrote its low half has to clear the upper one. */
export function markInsnZext(env: VerifierEnv, reg: RegState): void {
  const { subregDef } = reg;
  if (subregDef === DEF_NOT_SUBREG) return;
  env.insnAux[subregDef - 1].zextDst = true;
  reg.subregDef = DEF_NOT_SUBREG;
}

/**
 * Checks that the instruction in hand may read or write register `regno` of `regs`, and notes that it does. What is
 * written with DST_OP holds any number afterwards. Source: `__check_reg_arg`.
 */
export function checkRegArgOf(env: VerifierEnv, regs: RegState[], regno: number, t: RegArgType): void {
  if (regno >= MAX_BPF_REG) env.refuse('regInvalid', regno);
  env.scratchedRegs |= 1 << regno;
  const reg = regs[regno];
  const rw64 = isReg64(env, env.insns[env.insnIdx], regno, reg, t);
  if (t === SRC_OP) {
    if (reg.type === NOT_INIT) env.refuse('regReadOk', regno);
    if (regno === BPF_REG_FP) return;
    if (rw64) markInsnZext(env, reg);
    markRegRead(env, reg, rw64 ? REG_LIVE_READ64 : REG_LIVE_READ32);
    return;
  }
  if (regno === BPF_REG_FP) env.refuse('framePointerReadOnly');
  reg.live |= REG_LIVE_WRITTEN;
  reg.subregDef = rw64 ? DEF_NOT_SUBREG : env.insnIdx + 1;
  if (t === DST_OP) markRegUnknownRaw(env, reg);
}

export function checkRegArg(env: VerifierEnv, regno: number, t: RegArgType): void {
  const state = env.curState;
  checkRegArgOf(env, state.frames[state.curframe].regs, regno, t);
}

/** Registers a kernel function takes and gives, by the size of the C type. Source: `mark_btf_func_reg_size`. */
export function markBtfFuncRegSize(env: VerifierEnv, regno: number, regSizeBytes: number): void {
  const reg = env.regs[regno];
  if (regno === 0) {
    reg.live |= REG_LIVE_WRITTEN;
    reg.subregDef = regSizeBytes === 8 ? DEF_NOT_SUBREG : env.insnIdx + 1;
  } else if (regSizeBytes === 8) {
    markInsnZext(env, reg);
    markRegRead(env, reg, REG_LIVE_READ64);
  } else {
    markRegRead(env, reg, REG_LIVE_READ32);
  }
}

/** Marks a register of the path in hand as read as `flag` says; whether that says anything new. */
function propagateLivenessReg(env: VerifierEnv, reg: RegState, flag: number): boolean {
  const { live } = reg;
  if ((live & REG_LIVE_READ64) !== 0 || (live & REG_LIVE_READ) === flag) return false;
  reg.live = flag === REG_LIVE_READ64 ? (live | flag) & ~REG_LIVE_READ32 : live | flag;
  const written = (live & REG_LIVE_WRITTEN) !== 0;
  markRead(env, written ? 0 : originFrameOf(reg), originPlaceOf(reg), flag, 1);
  return true;
}

function propagateSlots(env: VerifierEnv, stack: RegState[], from: number, read32: number, read64: number): void {
  for (let mask = read32 | read64; mask !== 0; mask &= mask - 1) {
    const bit = mask & -mask;
    const i = from + 31 - Math.clz32(bit);
    if (i >= stack.length) return;
    propagateLivenessReg(env, stack[i], (read64 & bit) !== 0 ? REG_LIVE_READ64 : REG_LIVE_READ32);
  }
}

/** What a continuation from the kept state `vstate` reads, it reads of `vparent` too, which is equivalent to it. */
export function propagateLiveness(env: VerifierEnv, vstate: number, vparent: VerifierState): void {
  const { kept } = env;
  const { images } = kept;
  const curframe = kept.curframe(vstate);
  if (vparent.curframe !== curframe) env.bug('liveness of states of different depth');
  for (let f = 0; f <= curframe; f++) {
    const { regs, stack } = vparent.frames[f];
    const old = kept.imageOf(vstate, f);
    const read64 = images.read64Mask(old, REGS);
    const read32 = images.read32Mask(old, REGS);
    for (let i = f < curframe ? 6 : 0; i < BPF_REG_FP; i++) {
      const bit = 1 << i;
      if ((read64 & bit) !== 0) {
        if (propagateLivenessReg(env, regs[i], REG_LIVE_READ64)) markInsnZext(env, regs[i]);
      } else if ((read32 & bit) !== 0) propagateLivenessReg(env, regs[i], REG_LIVE_READ32);
    }
    for (let group = SLOTS_LO; group <= SLOTS_HI; group++) {
      const from = (group - SLOTS_LO) << 5;
      propagateSlots(env, stack, from, images.read32Mask(old, group), images.read64Mask(old, group));
    }
  }
}
