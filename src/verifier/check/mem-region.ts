import {
  PTR_TO_MAP_KEY,
  PTR_TO_MAP_VALUE,
  PTR_TO_PACKET,
  PTR_TO_PACKET_END,
  PTR_TO_PACKET_META,
} from '../../helpers/index.ts';
import { isConst, tnumText } from '../domain/index.ts';
import type { VerifierEnv } from '../env.ts';
import { regTypeStr } from '../print/reg-type-text.ts';
import type { RegState } from '../state/reg.ts';
import { BPF_MAX_VAR_OFF } from './pointer-kinds.ts';

/**
 * Whether `size` bytes at `off` lie in a region of `memSize` bytes. Says why not: callers add what they know.
 *
 * Source: `kernel/bpf/verifier.c: __check_mem_access`.
 * @param off int32
 * @param memSize u32
 */
export function checkMemAccessRegion(
  env: VerifierEnv,
  regno: number,
  off: number,
  size: number,
  memSize: number,
  zeroSizeAllowed: boolean,
): boolean {
  if (off >= 0 && (size > 0 || (size === 0 && zeroSizeAllowed)) && off + size <= memSize >>> 0) return true;
  const reg = env.regs[regno];
  switch (reg.type) {
    case PTR_TO_MAP_KEY:
      env.say('mapKeyAccess', memSize | 0, off, size);
      break;
    case PTR_TO_MAP_VALUE:
      env.say('mapValueAccess', memSize | 0, off, size);
      break;
    case PTR_TO_PACKET:
    case PTR_TO_PACKET_META:
    case PTR_TO_PACKET_END:
      env.say('packetAccess', off, size, regno, reg.id, memSize | 0);
      break;
    default:
      env.say('memoryAccess', memSize >>> 0, off, size);
  }
  return false;
}

/** Whether the smallest offset a pointer can have leads below its region, whatever is in the way. */
function minIsNegative(reg: RegState, off: number): boolean {
  const { sminHi, sminLo } = reg.scalar;
  if (sminHi >= 0) return false;
  // Not a small negative number: the sum does not fit 32 bits, or is negative all the same.
  if (sminHi !== -1) return true;
  const sum = sminLo - (sminLo >= 0 ? 0x100000000 : 0) + off;
  return sum !== (sum | 0) || sum < 0;
}

/**
 * Refuses an access outside of a region of `memSize` bytes, wherever the variable part of the pointer may lead. `off`
 * includes the pointer's fixed offset.
 *
 * Source: `kernel/bpf/verifier.c: check_mem_region_access`.
 */
export function checkMemRegionAccess(
  env: VerifierEnv,
  regno: number,
  off: number,
  size: number,
  memSize: number,
  zeroSizeAllowed: boolean,
): void {
  const reg = env.regs[regno];
  const { sminLo, umaxHi, umaxLo } = reg.scalar;
  if (minIsNegative(reg, off)) env.refuse('memMinNegative', regno);
  if (!checkMemAccessRegion(env, regno, (sminLo + off) | 0, size, memSize, zeroSizeAllowed)) {
    env.refuse('memMinOutside', regno);
  }
  if (umaxHi !== 0 || umaxLo >>> 0 >= BPF_MAX_VAR_OFF) env.refuse('memUnbounded', regno);
  if (!checkMemAccessRegion(env, regno, (umaxLo + off) | 0, size, memSize, zeroSizeAllowed)) {
    env.refuse('memMaxOutside', regno);
  }
}

/**
 * Refuses a pointer that was moved since it was handed out.
 *
 * Source: `kernel/bpf/verifier.c: __check_ptr_off_reg`.
 */
export function checkPtrOffRegRaw(env: VerifierEnv, reg: RegState, regno: number, fixedOffOk: boolean): void {
  const { off, scalar } = reg;
  if (off < 0) env.refuse('ptrOffNegative', regTypeStr(reg.type), regno, off);
  if (!fixedOffOk && off !== 0) env.refuse('ptrOffModified', regTypeStr(reg.type), regno, off);
  if (!isConst(scalar) || (scalar.valueHi | scalar.valueLo) !== 0) {
    env.refuse('ptrOffVariable', regTypeStr(reg.type), tnumText(scalar));
  }
}

/** Source: `kernel/bpf/verifier.c: check_ptr_off_reg`. */
export const checkPtrOffReg = (env: VerifierEnv, reg: RegState, regno: number): void =>
  checkPtrOffRegRaw(env, reg, regno, false);
