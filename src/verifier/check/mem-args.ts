import {
  baseType,
  PTR_TO_BTF_ID,
  PTR_TO_BUF,
  PTR_TO_CTX,
  PTR_TO_MAP_KEY,
  PTR_TO_MAP_VALUE,
  PTR_TO_MEM,
  PTR_TO_PACKET,
  PTR_TO_PACKET_META,
  PTR_TO_STACK,
  typeMayBeNull,
} from '../../helpers/index.ts';
import { BPF_B } from '../../isa/index.ts';
import { ERRNO } from '../../uapi/index.ts';
import { i64Of } from '../../util/index.ts';
import { isConst } from '../domain/index.ts';
import type { VerifierEnv } from '../env.ts';
import { regTypeStr } from '../print/reg-type-text.ts';
import { markPtrNotNullReg, registerIsNull } from '../state/marks.ts';
import { assignReg, RegState } from '../state/reg.ts';
import { checkPtrToBtfAccess } from './btf-access.ts';
import { checkBufferAccess } from './buffer-access.ts';
import { checkMapAccess, checkMapAccessType, mapOf } from './map-access.ts';
import { checkMemAccess } from './mem-access.ts';
import { checkMemRegionAccess } from './mem-region.ts';
import { checkPacketAccess } from './packet-access.ts';
import {
  ACCESS_HELPER,
  type AccessType,
  BPF_MAX_VAR_SIZ,
  BPF_READ,
  BPF_WRITE,
  type MemArgMeta,
  typeIsRdonlyMem,
} from './pointer-kinds.ts';
import { markChainPrecision } from './precision.ts';
import { checkStackRangeInitialized } from './stack-access.ts';

function refuseWrite(env: VerifierEnv, regno: number, reg: RegState): never {
  env.refuse('memReadOnly', regno, regTypeStr(reg.type));
}

/** Neither memory nor a context that can be measured. Nothing at all may be read from nowhere. */
function checkNoMemory(env: VerifierEnv, regno: number, reg: RegState, size: number, zeroSizeAllowed: boolean): void {
  if (zeroSizeAllowed && size === 0 && registerIsNull(reg)) return;
  env.refuse('memArgType', regno, regTypeStr(reg.type), regTypeStr(PTR_TO_STACK));
}

/**
 * Checks that a callee may access `accessSize` bytes where a register points. Refuses.
 *
 * Source: `kernel/bpf/verifier.c: check_helper_mem_access`.
 * @param meta of the call; undefined: the memory has to be initialized
 */
export function checkHelperMemAccess(
  env: VerifierEnv,
  regno: number,
  accessSize: number,
  accessType: AccessType,
  zeroSizeAllowed: boolean,
  meta: MemArgMeta | undefined,
): void {
  const { regs } = env;
  const reg = regs[regno];
  const { off } = reg;
  switch (baseType(reg.type)) {
    case PTR_TO_PACKET:
    case PTR_TO_PACKET_META:
      checkPacketAccess(env, regno, off, accessSize, zeroSizeAllowed);
      return;
    case PTR_TO_MAP_KEY:
      if (accessType === BPF_WRITE) refuseWrite(env, regno, reg);
      checkMemRegionAccess(env, regno, off, accessSize, mapOf(env, reg).keySize, false);
      return;
    case PTR_TO_MAP_VALUE:
      checkMapAccessType(env, regno, off, accessSize, accessType);
      checkMapAccess(env, regno, off, accessSize, zeroSizeAllowed, ACCESS_HELPER);
      return;
    case PTR_TO_MEM:
      if (accessType === BPF_WRITE && typeIsRdonlyMem(reg.type)) refuseWrite(env, regno, reg);
      checkMemRegionAccess(env, regno, off, accessSize, reg.info.memSize, zeroSizeAllowed);
      return;
    case PTR_TO_BUF: {
      const rdonly = typeIsRdonlyMem(reg.type);
      if (accessType === BPF_WRITE && rdonly) refuseWrite(env, regno, reg);
      const maxAccess = rdonly ? 'maxRdonlyAccess' : 'maxRdwrAccess';
      checkBufferAccess(env, reg, regno, off, accessSize, zeroSizeAllowed, maxAccess);
      return;
    }
    case PTR_TO_STACK:
      checkStackRangeInitialized(env, regno, off, accessSize, zeroSizeAllowed, ACCESS_HELPER, meta, accessType);
      return;
    case PTR_TO_BTF_ID:
      checkPtrToBtfAccess(env, regs, regno, off, accessSize, BPF_READ, -1);
      return;
    case PTR_TO_CTX:
      // A context nobody rewrites accesses to is memory: its last byte decides.
      if (env.contract.convertAccess === undefined) {
        if (accessSize === 0) {
          if (!zeroSizeAllowed) env.fail(ERRNO.EACCES);
          return;
        }
        checkMemAccess(env, env.insnIdx, regno, accessSize - 1, BPF_B, accessType, -1, false, false);
        return;
      }
  }
  checkNoMemory(env, regno, reg, accessSize, zeroSizeAllowed);
}

/**
 * Checks a pair of arguments: the register before `regno` points to as many bytes as `regno` says at most. Refuses.
 *
 * Source: `kernel/bpf/verifier.c: check_mem_size_reg`.
 */
export function checkMemSizeReg(
  env: VerifierEnv,
  reg: RegState,
  regno: number,
  accessType: AccessType,
  zeroSizeAllowed: boolean,
  meta: MemArgMeta,
): void {
  const s = reg.scalar;
  meta.msizeMaxHi = s.umaxHi;
  meta.msizeMaxLo = s.umaxLo;
  if (s.sminHi < 0) env.refuse('memArgSizeNegative', regno);
  if (!zeroSizeAllowed && (s.uminHi | s.uminLo) === 0) {
    env.refuse('memArgSizeZero', regno, String(i64Of(s.uminHi, s.uminLo)), String(i64Of(s.umaxHi, s.umaxLo)));
  }
  if (s.umaxHi !== 0 || s.umaxLo >>> 0 >= BPF_MAX_VAR_SIZ) env.refuse('memArgSizeUnbounded', regno);
  // Of a size that varies nobody knows how much the callee will have written.
  const sizeMeta = isConst(s) ? meta : undefined;
  checkHelperMemAccess(env, regno - 1, s.umaxLo, accessType, zeroSizeAllowed, sizeMeta);
  markChainPrecision(env, regno);
}

/** Runs a check of memory through a pointer as if it had been compared with NULL; the register is left as it was. */
function withoutNull(mem: RegState, check: () => void): void {
  if (!typeMayBeNull(mem.type)) {
    check();
    return;
  }
  const saved = new RegState();
  assignReg(saved, mem);
  markPtrNotNullReg(mem);
  try {
    check();
  } finally {
    assignReg(mem, saved);
  }
}

/**
 * Checks that `memSize` bytes where a register points, if it points anywhere, may be read and written. Refuses; callers
 * may add words or forgive it.
 *
 * Source: `kernel/bpf/verifier.c: check_mem_reg`.
 */
export function checkMemReg(env: VerifierEnv, reg: RegState, regno: number, memSize: number): void {
  if (registerIsNull(reg)) return;
  withoutNull(reg, () => {
    checkHelperMemAccess(env, regno, memSize, BPF_READ, true, undefined);
    checkHelperMemAccess(env, regno, memSize, BPF_WRITE, true, undefined);
  });
}

const newMeta = (): MemArgMeta => ({
  rawMode: false,
  accessSize: 0,
  regno: 0,
  msizeMaxHi: 0,
  msizeMaxLo: 0,
  pktAccess: false,
});

/**
 * Checks a kfunc's pair of memory and size, as {@link checkMemSizeReg} does a helper's. Refuses; callers may add words.
 *
 * Source: `kernel/bpf/verifier.c: check_kfunc_mem_size_reg`.
 */
export function checkKfuncMemSizeReg(env: VerifierEnv, reg: RegState, regno: number): void {
  const meta = newMeta();
  withoutNull(env.regs[regno - 1], () => {
    checkMemSizeReg(env, reg, regno, BPF_READ, true, meta);
    checkMemSizeReg(env, reg, regno, BPF_WRITE, true, meta);
  });
}
