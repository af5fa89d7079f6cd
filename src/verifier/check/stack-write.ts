import { NOT_INIT, PTR_TO_STACK, SCALAR_VALUE } from '../../helpers/index.ts';
import { BPF_MEM, BPF_ST, type Insn } from '../../isa/index.ts';
import { isConst } from '../domain/index.ts';
import type { VerifierEnv } from '../env.ts';
import type { FuncState } from '../state/func-state.ts';
import {
  assignScalarIdBeforeMov,
  getRegWidth,
  getSpi,
  isSpilledScalarReg,
  isStackSlotSpecial,
  markRegKnownRaw,
  markStackSlotMisc,
  registerIsNull,
  scrubSpilledSlot,
} from '../state/marks.ts';
import { copyRegisterState, NO_INFO, REG_LIVE_WRITTEN, type RegState, setOrigin, spillRegister } from '../state/reg.ts';
import {
  BPF_REG_SIZE,
  isSpilledReg,
  STACK_INVALID,
  STACK_MISC,
  STACK_SPILL,
  STACK_ZERO,
  setSlotType,
  slotTypeOf,
  slotTypesAll,
} from '../state/stack.ts';
import { destroyIfDynptrStackSlot } from './dynptr.ts';
import { insnStackAccessFlags, pushInsnHistory } from './history.ts';
import { func, isSpillableRegtype } from './pointer-kinds.ts';
import { markChainPrecision } from './precision.ts';
import { refuseUnfinished } from './unfinished.ts';

/** `fastcallStackOff` of a function whose spills around fastcalls have to stay. */
const NO_FASTCALL_STACK = -0x8000;
const ALL_SPILL = slotTypesAll(STACK_SPILL);

/**
 * The register becomes what the slot's highest `size` bytes hold; lower bytes lose what they held.
 *
 * Source: `kernel/bpf/verifier.c: save_register_state`.
 */
export function saveRegisterState(env: VerifierEnv, state: FuncState, spi: number, reg: RegState, size: number): void {
  const slot = state.stack[spi];
  if (size === BPF_REG_SIZE) {
    spillRegister(slot, reg, ALL_SPILL);
    slot.live |= REG_LIVE_WRITTEN;
    return;
  }
  copyRegisterState(slot, reg);
  let i = BPF_REG_SIZE;
  for (; i > BPF_REG_SIZE - size; i--) setSlotType(slot, i - 1, STACK_SPILL);
  for (; i > 0; i--) markStackSlotMisc(env, slot, i - 1);
}

const isBpfStMem = (insn: Insn): boolean => (insn.code & 0x07) === BPF_ST && (insn.code & 0xe0) === BPF_MEM;

/**
 * Something else than a spill around a fastcall touches the stack below where only those should be: none of the
 * function's spills may go away.
 *
 * Source: `kernel/bpf/verifier.c: check_fastcall_stack_contract`.
 */
export function checkFastcallStackContract(env: VerifierEnv, state: FuncState, insnIdx: number, off: number): void {
  const subprog = env.subprogInfo(state.subprogno);
  const { insnAux } = env;
  if (subprog.fastcallStackOff <= off || insnAux[insnIdx].fastcallPattern) return;
  subprog.fastcallStackOff = NO_FASTCALL_STACK;
  for (let i = subprog.start; i < subprog.end; i++) {
    insnAux[i].fastcallSpillsNum = 0;
    insnAux[i].fastcallPattern = false;
  }
}

/** Plain data goes over whatever was spilled into the slot. Source: `scrub_special_slot`. */
export function scrubSpecialSlot(slot: RegState): void {
  slot.type = NOT_INIT;
  if (!isStackSlotSpecial(slot)) return;
  for (let i = 0; i < BPF_REG_SIZE; i++) scrubSpilledSlot(slot, i);
}

/** A speculating CPU could read the slot's old value after this store. */
function needsStackSanitizing(slot: RegState, top: number, size: number, reg: RegState | undefined): boolean {
  if (reg !== undefined && isSpillableRegtype(reg.type)) return true;
  for (let i = 0; i < size; i++) {
    const type = slotTypeOf(slot, (top - i) & 7);
    if (type !== STACK_MISC && type !== STACK_ZERO) return true;
  }
  return false;
}

/** A constant as a register that came from nowhere. */
function constantReg(reg: RegState, imm: number): RegState {
  reg.frameno = 0;
  reg.subregDef = 0;
  reg.live = 0;
  reg.precise = false;
  setOrigin(reg, 0, 0);
  reg.info = NO_INFO;
  markRegKnownRaw(reg, imm >> 31, imm);
  reg.type = SCALAR_VALUE;
  return reg;
}

/**
 * A store at a fixed offset, aligned and within the stack.
 *
 * Source: `kernel/bpf/verifier.c: check_stack_write_fixed_off`.
 */
function checkStackWriteFixedOff(
  env: VerifierEnv,
  state: FuncState,
  off: number,
  size: number,
  valueRegno: number,
  insnIdx: number,
): void {
  const top = -off - 1;
  const spi = top >> 3;
  const slot = state.stack[spi];
  const insn = env.insns[insnIdx];
  if (!env.allowPtrLeaks && isSpilledReg(slot) && !isSpilledScalarReg(slot) && size !== BPF_REG_SIZE) {
    env.refuse('stackCorruptSpill');
  }
  const cur = env.frame;
  const reg = valueRegno >= 0 ? cur.regs[valueRegno] : undefined;
  if (!env.bypassSpecV4 && needsStackSanitizing(slot, top, size, reg))
    env.insnAux[insnIdx].own().sanitizeStackSpill = true;

  destroyIfDynptrStackSlot(env, state, spi);
  checkFastcallStackContract(env, state, insnIdx, off);
  env.markStackSlotScratched(spi);
  const atSlotStart = (off & 7) === 0;
  if (reg !== undefined && atSlotStart && reg.type === SCALAR_VALUE && env.bpfCapable) {
    const fits = getRegWidth(reg) <= 8 * size;
    if (fits) assignScalarIdBeforeMov(env, reg);
    saveRegisterState(env, state, spi, reg, size);
    // What was stored is no longer the register's value.
    if (!fits) slot.id = 0;
  } else if (reg === undefined && atSlotStart && isBpfStMem(insn) && env.bpfCapable) {
    saveRegisterState(env, state, spi, constantReg(env.fakeReg[0], insn.imm), size);
  } else if (reg !== undefined && isSpillableRegtype(reg.type)) {
    if (size !== BPF_REG_SIZE) {
      env.lines.print(insnIdx, '; ');
      env.refuse('stackSpillSize');
    }
    if (state !== cur && reg.type === PTR_TO_STACK) env.refuse('stackSpillToCaller');
    saveRegisterState(env, state, spi, reg, size);
  } else {
    let type = STACK_MISC;
    scrubSpecialSlot(slot);
    // Reads of a slot that was written in part still reach the states before.
    if (size === BPF_REG_SIZE) slot.live |= REG_LIVE_WRITTEN;
    if (reg !== undefined ? registerIsNull(reg) : isBpfStMem(insn) && insn.imm === 0) {
      // Not a spill, so precision cannot follow the zero back later: it is asked for now.
      if (valueRegno >= 0) markChainPrecision(env, valueRegno);
      type = STACK_ZERO;
    }
    for (let i = 0; i < size; i++) setSlotType(slot, (top - i) & 7, type);
    return;
  }
  pushInsnHistory(env, env.curState, insnStackAccessFlags(state.frameno, spi), undefined);
}

/**
 * A store somewhere in a range: every byte of it may have been written or not.
 *
 * Source: `kernel/bpf/verifier.c: check_stack_write_var_off`.
 */
function checkStackWriteVarOff(
  env: VerifierEnv,
  state: FuncState,
  ptrRegno: number,
  off: number,
  size: number,
  valueRegno: number,
  insnIdx: number,
): void {
  const { regs } = env.frame;
  const insn = env.insns[insnIdx];
  const range = regs[ptrRegno].scalar;
  const minOff = (range.sminLo + off) | 0;
  const maxOff = (range.smaxLo + off + size) | 0;
  const writingZero = valueRegno >= 0 ? registerIsNull(regs[valueRegno]) : isBpfStMem(insn) && insn.imm === 0;
  let zeroUsed = false;

  for (let i = minOff; i < maxOff; i++) destroyIfDynptrStackSlot(env, state, getSpi(i));

  checkFastcallStackContract(env, state, insnIdx, minOff);
  for (let i = minOff; i < maxOff; i++) {
    const top = -i - 1;
    const spi = top >> 3;
    const slot = state.stack[spi];
    const byte = top & 7;
    env.markStackSlotScratched(spi);
    const before = slotTypeOf(slot, byte);
    if (!env.allowPtrLeaks && before !== STACK_MISC && before !== STACK_ZERO) {
      refuseUnfinished(env, 'stackVarOffSpilledPtr', insnIdx, i);
    }
    if (writingZero && before === STACK_SPILL && isSpilledScalarReg(slot) && isZero(slot)) {
      zeroUsed = true;
      continue;
    }
    scrubSpecialSlot(slot);
    const type = slotTypeOf(slot, byte);
    const keepsZero = writingZero && type === STACK_ZERO;
    if (keepsZero) zeroUsed = true;
    if (type === STACK_INVALID && !env.allowUninitStack) env.refuse('stackVarOffUninit', insnIdx, i);
    setSlotType(slot, byte, keepsZero ? STACK_ZERO : STACK_MISC);
  }
  if (zeroUsed && valueRegno >= 0) markChainPrecision(env, valueRegno);
}

const isZero = (reg: RegState): boolean => {
  const s = reg.scalar;
  return (s.maskHi | s.maskLo | s.valueHi | s.valueLo) === 0;
};

/**
 * A store to the stack, within its bounds. `off` includes the pointer's fixed offset.
 *
 * Source: `kernel/bpf/verifier.c: check_stack_write`.
 * @param valueRegno register stored; -1 for an unknown value (or the immediate)
 */
export function checkStackWrite(
  env: VerifierEnv,
  ptrRegno: number,
  off: number,
  size: number,
  valueRegno: number,
  insnIdx: number,
): void {
  const reg = env.regs[ptrRegno];
  const state = func(env, reg);
  if (isConst(reg.scalar)) {
    checkStackWriteFixedOff(env, state, (off + reg.scalar.valueLo) | 0, size, valueRegno, insnIdx);
  } else {
    checkStackWriteVarOff(env, state, ptrRegno, off, size, valueRegno, insnIdx);
  }
}
