import {
  baseType,
  MEM_ALLOC,
  MEM_PERCPU,
  MEM_RCU,
  MEM_RDONLY,
  NOT_INIT,
  PTR_MAYBE_NULL,
  PTR_TO_BTF_ID,
  PTR_TO_MAP_VALUE,
  PTR_TO_MEM,
  PTR_TO_SOCK_COMMON,
  PTR_TO_SOCKET,
  PTR_TO_TCP_SOCK,
  RET_INTEGER,
  RET_PTR_TO_BTF_ID,
  RET_PTR_TO_MAP_VALUE,
  RET_PTR_TO_MEM,
  RET_PTR_TO_MEM_OR_BTF_ID,
  RET_PTR_TO_SOCK_COMMON,
  RET_PTR_TO_SOCKET,
  RET_PTR_TO_TCP_SOCK,
  RET_VOID,
  typeFlag,
  typeMayBeNull,
} from '../../helpers/index.ts';
import { bpf_func_id } from '../../uapi/index.ts';
import { btfResolveSize } from '../btf/resolve-size.ts';
import { draftOf, syncBounds } from '../domain/index.ts';
import type { VerifierEnv } from '../env.ts';
import { markRegKnownZero, markRegUnknown, regBoundsSanityCheck } from '../state/marks.ts';
import { BPF_KPTR_PERCPU, BPF_SPIN_LOCK, recordHasField } from '../state/record.ts';
import { acquireReferenceState } from '../state/refs.ts';
import { btfInfo, DEF_NOT_SUBREG, mapInfo, memInfo, type RegState } from '../state/reg.ts';
import type { CallArgMeta } from './call-meta.ts';
import { funcIdName } from './func-id-name.ts';
import { ANY_STRUCT, type FuncProto, kernelStructId } from './func-proto.ts';
import { isAcquireFunction, isDynptrRefFunction, isPtrCastFunction } from './helper-func.ts';
import { btfIsKernel } from './pointer-kinds.ts';

/** Largest errno a pointer or number can carry (`MAX_ERRNO`). */
const MAX_ERRNO = 4095;

function returnMapValue(env: VerifierEnv, r0: RegState, returned: number, meta: CallArgMeta): void {
  const { map, constMapKey } = meta;
  if (map === undefined) env.refuse('misconfigured');
  const found =
    meta.funcId === bpf_func_id.BPF_FUNC_map_lookup_elem && constMapKey >= 0 && constMapKey < map.maxEntries;
  const retType = found ? returned & ~PTR_MAYBE_NULL : returned;
  r0.info = mapInfo(map, meta.mapUid);
  r0.type = PTR_TO_MAP_VALUE | typeFlag(retType);
  // Locks are told apart by the id of the pointer; one that may be NULL gets its id for that.
  if (!typeMayBeNull(retType) && recordHasField(map.record, BPF_SPIN_LOCK)) r0.id = env.newId();
}

/** A per-CPU variable or object: a struct, or memory of its size. */
function returnMemOrBtfId(
  env: VerifierEnv,
  r0: RegState,
  retType: number,
  meta: CallArgMeta,
  perCpuAlloc: boolean,
): void {
  const { retBtf: btf, retBtfId } = meta;
  if (btf === undefined) env.bug('per-CPU pointer without BTF');
  const id = btf.skipModifiers(retBtfId);
  const kind = btf.kindOf(id);
  if (kind !== 'STRUCT' && kind !== 'UNION') {
    const size = btfResolveSize(btf, id);
    if (size < 0) env.refuse('percpuSize', btf.nameOf(id), size);
    r0.type = PTR_TO_MEM | typeFlag(retType);
    r0.info = memInfo(size);
    return;
  }
  r0.type = perCpuAlloc ? PTR_TO_BTF_ID | MEM_ALLOC | MEM_RCU : PTR_TO_BTF_ID | (typeFlag(retType) & ~MEM_RDONLY);
  r0.info = btfInfo(btf, retBtfId);
}

/** What was in a kptr field. */
function returnKptr(env: VerifierEnv, r0: RegState, meta: CallArgMeta): number {
  const { kptrField } = meta;
  const kptr = kptrField?.kptr;
  if (kptrField === undefined || kptr === undefined) env.bug('kptr exchanged without a field');
  if (!btfIsKernel(env, kptr.btf)) {
    r0.type |= MEM_ALLOC;
    if (kptrField.type === BPF_KPTR_PERCPU) r0.type |= MEM_PERCPU;
  }
  r0.info = btfInfo(kptr.btf, kptr.btfId);
  return kptr.btfId;
}

function returnBtfId(env: VerifierEnv, r0: RegState, fn: FuncProto, funcId: number, meta: CallArgMeta): void {
  r0.type = PTR_TO_BTF_ID | typeFlag(fn.retType);
  let id: number;
  if (funcId === bpf_func_id.BPF_FUNC_kptr_xchg) id = returnKptr(env, r0, meta);
  else {
    if (fn.retBtf === ANY_STRUCT) env.refuse('retPoison', funcIdName(funcId));
    id = kernelStructId(env, fn.retBtf);
    if (env.kernel.btf !== undefined) r0.info = btfInfo(env.kernel.btf, id);
  }
  if (id === 0) env.refuse('retType', baseType(fn.retType), funcIdName(funcId), funcId);
}

const SOCKS: ReadonlyMap<number, number> = new Map([
  [RET_PTR_TO_SOCKET, PTR_TO_SOCKET],
  [RET_PTR_TO_SOCK_COMMON, PTR_TO_SOCK_COMMON],
  [RET_PTR_TO_TCP_SOCK, PTR_TO_TCP_SOCK],
]);

/**
 * R0 after a helper call: its type, its id and the reference it holds. Refuses.
 * Source: `kernel/bpf/verifier.c: check_helper_call`, from "helper call returns 64-bit value" on.
 */
export function markHelperReturn(
  env: VerifierEnv,
  fn: FuncProto,
  funcId: number,
  insnIdx: number,
  meta: CallArgMeta,
  perCpuAlloc: boolean,
): void {
  const { regs } = env;
  const r0 = regs[0];
  const { retType } = fn;
  r0.subregDef = DEF_NOT_SUBREG;
  const base = baseType(retType);
  if (base === RET_INTEGER) markRegUnknown(env, regs, 0);
  else if (base === RET_VOID) r0.type = NOT_INIT;
  else {
    markRegKnownZero(env, regs, 0);
    const sock = SOCKS.get(base);
    if (sock !== undefined) r0.type = sock | typeFlag(retType);
    else if (base === RET_PTR_TO_MAP_VALUE) returnMapValue(env, r0, retType, meta);
    else if (base === RET_PTR_TO_MEM) {
      r0.type = PTR_TO_MEM | typeFlag(retType);
      r0.info = memInfo(meta.memSize >>> 0);
    } else if (base === RET_PTR_TO_MEM_OR_BTF_ID) returnMemOrBtfId(env, r0, retType, meta, perCpuAlloc);
    else if (base === RET_PTR_TO_BTF_ID) returnBtfId(env, r0, fn, funcId, meta);
    else env.refuse('retUnknown', base, funcIdName(funcId), funcId);
  }
  if (typeMayBeNull(r0.type)) r0.id = env.newId();

  if (isDynptrRefFunction(funcId)) r0.info = memInfo(r0.info.memSize, meta.dynptrId);
  if (isPtrCastFunction(funcId) || isDynptrRefFunction(funcId)) r0.refObjId = meta.refObjId;
  else if (isAcquireFunction(funcId, meta.map)) {
    const id = acquireReferenceState(env, insnIdx);
    r0.id = id;
    r0.refObjId = id;
  }
  doRefineRetvalRange(env, r0, retType, funcId, meta);
}

/** Narrows the results of helpers that are known to be small. Source: `kernel/bpf/verifier.c: do_refine_retval_range`. */
function doRefineRetvalRange(env: VerifierEnv, r0: RegState, retType: number, funcId: number, meta: CallArgMeta): void {
  if (retType !== RET_INTEGER) return;
  const r = draftOf(r0.scalar);
  switch (funcId) {
    case bpf_func_id.BPF_FUNC_get_stack:
    case bpf_func_id.BPF_FUNC_get_task_stack:
    case bpf_func_id.BPF_FUNC_probe_read_str:
    case bpf_func_id.BPF_FUNC_probe_read_kernel_str:
    case bpf_func_id.BPF_FUNC_probe_read_user_str:
      r.smaxHi = meta.msizeMaxHi | 0;
      r.smaxLo = r.s32Max = meta.msizeMaxLo | 0;
      r.sminHi = -1;
      r.sminLo = -MAX_ERRNO;
      r.s32Min = -MAX_ERRNO;
      break;
    case bpf_func_id.BPF_FUNC_get_smp_processor_id: {
      const last = (env.kernel.cpus ?? 1) - 1;
      r.umaxHi = r.smaxHi = 0;
      r.umaxLo = r.u32Max = r.smaxLo = r.s32Max = last;
      r.uminHi = r.uminLo = r.u32Min = 0;
      r.sminHi = r.sminLo = r.s32Min = 0;
      break;
    }
    default:
      regBoundsSanityCheck(env, r0, 'retval');
      return;
  }
  syncBounds(r);
  r0.scalar = r;
  regBoundsSanityCheck(env, r0, 'retval');
}
