import { funcLinkage, funcName } from '../btf-info.ts';
import { S32_MAX, S32_MIN } from '../domain/index.ts';
import type { VerifierEnv } from '../env.ts';
import type { RetvalRange } from '../state/func-state.ts';
import type { RegState } from '../state/reg.ts';

/** Source: `subprog_is_global`. */
export const subprogIsGlobal = (env: VerifierEnv, subprogno: number): boolean =>
  funcLinkage(env.subprogInfo(subprogno).func) === 'global';

/** '' without BTF. Source: `subprog_name`. */
export const subprogName = (env: VerifierEnv, subprogno: number): string => funcName(env.subprogInfo(subprogno).func);

/** Source: `subprog_is_exc_cb`. */
export const subprogIsExcCb = (env: VerifierEnv, subprogno: number): boolean =>
  env.subprogInfo(subprogno).isExceptionCallback;

const s64 = (hi: number, lo: number): string => String((BigInt(hi) << 32n) | BigInt(lo >>> 0));

/** Says what a value is and should have been. Source: `verbose_invalid_scalar`. */
export function verboseInvalidScalar(
  env: VerifierEnv,
  reg: RegState,
  range: RetvalRange,
  where: string,
  regName: string,
): void {
  const { sminHi, sminLo, smaxHi, smaxLo } = reg.scalar;
  let has = '';
  if (sminHi !== S32_MIN || sminLo !== 0) has += ` smin=${s64(sminHi, sminLo)}`;
  if (smaxHi !== S32_MAX || smaxLo !== -1) has += ` smax=${s64(smaxHi, smaxLo)}`;
  env.say('returnRange', where, regName, has === '' ? ' unknown scalar value' : has, range.min, range.max);
}

/** Source: `retval_range_within`. */
export function retvalRangeWithin(range: RetvalRange, reg: RegState, return32bit: boolean): boolean {
  const { scalar } = reg;
  if (return32bit) return range.min <= scalar.s32Min && scalar.s32Max <= range.max;
  const least = scalar.sminHi * 0x100000000 + (scalar.sminLo >>> 0);
  const most = scalar.smaxHi * 0x100000000 + (scalar.smaxLo >>> 0);
  return range.min <= least && most <= range.max;
}
