import type { Btf } from '../../btf/index.ts';
import { baseType, PTR_TO_BTF_ID, SCALAR_VALUE } from '../../helpers/index.ts';
import type { CtxAccess } from '../../progtypes/index.ts';
import type { VerifierEnv } from '../env.ts';
import { type AccessType, BPF_WRITE } from './pointer-kinds.ts';

/** What a load from the context gives; filled by {@link checkCtxAccess}, good until its next call. */
export interface CtxLoad {
  regType: number;
  btf: Btf | undefined;
  btfId: number;
  isRetval: boolean;
}

/**
 * Whether the program type lets its programs access the context so; what a load gives goes into `load`. Says why not.
 * `off` includes the pointer's fixed offset; a variable one is not allowed.
 *
 * Source: `kernel/bpf/verifier.c: check_ctx_access`.
 */
export function checkCtxAccess(
  env: VerifierEnv,
  insnIdx: number,
  off: number,
  size: number,
  t: AccessType,
  load: CtxLoad,
  isLdsx: boolean,
): boolean {
  const access: CtxAccess = {
    regType: load.regType,
    isLdsx,
    ctxFieldSizeBytes: 0,
    btf: undefined,
    btfId: 0,
    isRetval: false,
    log: line => env.verbose(`${line}\n`),
    logText: text => env.verbose(text),
  };
  if (!env.contract.isValidAccess(off, size, t === BPF_WRITE, env.prog, access)) {
    env.say('ctxAccess', off, size);
    return false;
  }
  load.regType = access.regType;
  load.isRetval = access.isRetval;
  if (baseType(access.regType) === PTR_TO_BTF_ID) {
    load.btf = access.btf;
    load.btfId = access.btfId;
  } else {
    env.insnAux[insnIdx].own().ctxFieldSize = access.ctxFieldSizeBytes;
  }
  if (env.maxCtxOffset < off + size) env.maxCtxOffset = off + size;
  return true;
}

/** A {@link CtxLoad} as callers preset it. */
export const newCtxLoad = (): CtxLoad => ({ regType: SCALAR_VALUE, btf: undefined, btfId: 0, isRetval: false });
