import {
  MEM_PERCPU,
  MEM_RCU,
  MEM_USER,
  PTR_MAYBE_NULL,
  PTR_TO_BTF_ID,
  PTR_TRUSTED,
  PTR_UNTRUSTED,
  typeMayBeNull,
} from '../../helpers/index.ts';
import { bpf_map_type } from '../../uapi/index.ts';
import { btfNestedTypeIsTrusted, btfStructAccess, type StructAccess } from '../btf/struct-access.ts';
import { isConst, tnumText } from '../domain/index.ts';
import type { VerifierEnv } from '../env.ts';
import { markBtfLdReg } from '../state/marks.ts';
import type { RegState } from '../state/reg.ts';
import { mapOf } from './map-access.ts';
import {
  type AccessType,
  BPF_READ,
  BPF_WRITE,
  btfIsKernel,
  clearTrustedFlags,
  inRcuCs,
  isRcuReg,
  isTrustedReg,
  typeIsAlloc,
  typeIsNonOwningRef,
  typeIsPtrAllocObj,
} from './pointer-kinds.ts';
import { structWriter } from './struct-write.ts';

/** Source: `type_is_rcu` and its three sisters: structs of these suffixes list pointers to trust. */
const SAFE_RCU = '__safe_rcu';
const SAFE_RCU_OR_NULL = '__safe_rcu_or_null';
const SAFE_TRUSTED = '__safe_trusted';
const SAFE_TRUSTED_OR_NULL = '__safe_trusted_or_null';

/** Flags of a pointer that was loaded through another. */
function loadedFlags(env: VerifierEnv, reg: RegState, access: StructAccess): number {
  const { fieldName, btfId } = access;
  let { flag } = access;
  if ((reg.type & PTR_UNTRUSTED) !== 0) return PTR_UNTRUSTED;
  if (!isTrustedReg(reg) && !isRcuReg(reg)) return clearTrustedFlags(flag);
  const isSafe = (suffix: string): boolean => btfNestedTypeIsTrusted(env, reg, fieldName, btfId, suffix);
  if (isSafe(SAFE_TRUSTED)) return flag | PTR_TRUSTED;
  if (isSafe(SAFE_TRUSTED_OR_NULL)) return flag | PTR_TRUSTED | PTR_MAYBE_NULL;
  // Outside of RCU's protection a pointer without flags would pass for one to be trusted.
  if (!inRcuCs(env) || typeMayBeNull(reg.type)) return PTR_UNTRUSTED;
  if (isSafe(SAFE_RCU)) return flag | MEM_RCU;
  const rcuOrNull = isSafe(SAFE_RCU_OR_NULL);
  if ((flag & MEM_RCU) !== 0 || rcuOrNull) {
    flag |= MEM_RCU | PTR_MAYBE_NULL;
    return rcuOrNull ? flag & ~PTR_UNTRUSTED : flag;
  }
  return (flag & (MEM_PERCPU | MEM_USER)) !== 0 ? flag : clearTrustedFlags(flag);
}

/**
 * An access through a pointer to a struct of the kernel or to an object of the program's own: refused, or the register
 * loaded becomes what is there.
 *
 * Source: `kernel/bpf/verifier.c: check_ptr_to_btf_access`.
 * @param off includes the pointer's fixed offset
 * @param valueRegno -1 for none
 */
export function checkPtrToBtfAccess(
  env: VerifierEnv,
  regs: RegState[],
  regno: number,
  off: number,
  size: number,
  atype: AccessType,
  valueRegno: number,
): void {
  const reg = regs[regno];
  const { type } = reg;
  const { btfId } = reg.info;
  const btf = reg.info.btf ?? env.bug('pointer to a struct without its BTF');
  if (!env.allowPtrLeaks) env.refuse('btfAccessUnpriv', btf.nameOf(btfId));
  const kernel = btfIsKernel(env, btf);
  if (kernel && !env.prog.gplCompatible) env.refuse('btfAccessLicense', btf.nameOf(btfId));
  if (off < 0) env.refuse('btfAccessNegative', regno, btf.nameOf(btfId), off);
  const s = reg.scalar;
  if (!isConst(s) || (s.valueHi | s.valueLo) !== 0) {
    env.refuse('btfAccessVarOff', regno, btf.nameOf(btfId), off, tnumText(s));
  }
  if ((type & MEM_USER) !== 0) env.refuse('btfAccessUser', regno, btf.nameOf(btfId), off);
  if ((type & MEM_PERCPU) !== 0) env.refuse('btfAccessPercpu', regno, btf.nameOf(btfId), off);

  const write = atype === BPF_WRITE && !typeIsAlloc(type) ? structWriter(env) : undefined;
  if (write !== undefined) {
    if (!kernel) env.refuse('btfAccessNotKernel');
    write(env, btf, reg, off, size);
    return;
  }
  if (atype !== BPF_READ && !typeIsPtrAllocObj(type)) env.refuse('btfAccessReadOnly');
  if (typeIsAlloc(type) && !typeIsNonOwningRef(type) && (type & MEM_RCU) === 0 && reg.refObjId === 0) {
    env.refuse('btfAccessNoRef');
  }
  const access = btfStructAccess(env, btf, btfId, type, off, size);
  if (atype !== BPF_READ || valueRegno < 0) return;
  const flag = access.type === PTR_TO_BTF_ID ? loadedFlags(env, reg, access) : 0;
  markBtfLdReg(env, regs, valueRegno, access.type, btf, access.btfId, flag);
}

const M = bpf_map_type;
/** The kernel's struct behind a map of each type (`map_btf_id`); arrays of all kinds are `bpf_array`. */
const MAP_STRUCTS: ReadonlyMap<number, string> = new Map([
  [M.BPF_MAP_TYPE_ARRAY, 'bpf_array'],
  [M.BPF_MAP_TYPE_PERCPU_ARRAY, 'bpf_array'],
  [M.BPF_MAP_TYPE_PROG_ARRAY, 'bpf_array'],
  [M.BPF_MAP_TYPE_PERF_EVENT_ARRAY, 'bpf_array'],
  [M.BPF_MAP_TYPE_CGROUP_ARRAY, 'bpf_array'],
  [M.BPF_MAP_TYPE_ARRAY_OF_MAPS, 'bpf_array'],
  [M.BPF_MAP_TYPE_HASH, 'bpf_htab'],
  [M.BPF_MAP_TYPE_LRU_HASH, 'bpf_htab'],
  [M.BPF_MAP_TYPE_PERCPU_HASH, 'bpf_htab'],
  [M.BPF_MAP_TYPE_LRU_PERCPU_HASH, 'bpf_htab'],
  [M.BPF_MAP_TYPE_HASH_OF_MAPS, 'bpf_htab'],
  [M.BPF_MAP_TYPE_ARENA, 'bpf_arena'],
  [M.BPF_MAP_TYPE_BLOOM_FILTER, 'bpf_bloom_filter'],
  [M.BPF_MAP_TYPE_CGRP_STORAGE, 'bpf_local_storage_map'],
  [M.BPF_MAP_TYPE_INODE_STORAGE, 'bpf_local_storage_map'],
  [M.BPF_MAP_TYPE_TASK_STORAGE, 'bpf_local_storage_map'],
  [M.BPF_MAP_TYPE_SK_STORAGE, 'bpf_local_storage_map'],
  [M.BPF_MAP_TYPE_STRUCT_OPS, 'bpf_struct_ops_map'],
  [M.BPF_MAP_TYPE_DEVMAP, 'bpf_dtab'],
  [M.BPF_MAP_TYPE_DEVMAP_HASH, 'bpf_dtab'],
  [M.BPF_MAP_TYPE_CPUMAP, 'bpf_cpu_map'],
  [M.BPF_MAP_TYPE_XSKMAP, 'xsk_map'],
  [M.BPF_MAP_TYPE_SOCKMAP, 'bpf_stab'],
  [M.BPF_MAP_TYPE_SOCKHASH, 'bpf_shtab'],
  [M.BPF_MAP_TYPE_CGROUP_STORAGE, 'bpf_cgroup_storage_map'],
  [M.BPF_MAP_TYPE_PERCPU_CGROUP_STORAGE, 'bpf_cgroup_storage_map'],
  [M.BPF_MAP_TYPE_LPM_TRIE, 'lpm_trie'],
  [M.BPF_MAP_TYPE_QUEUE, 'bpf_queue_stack'],
  [M.BPF_MAP_TYPE_STACK, 'bpf_queue_stack'],
  [M.BPF_MAP_TYPE_REUSEPORT_SOCKARRAY, 'reuseport_array'],
  [M.BPF_MAP_TYPE_RINGBUF, 'bpf_ringbuf_map'],
  [M.BPF_MAP_TYPE_USER_RINGBUF, 'bpf_ringbuf_map'],
  [M.BPF_MAP_TYPE_STACK_TRACE, 'bpf_stack_map'],
]);

/**
 * A load from the map itself, through the pointer to it: what `struct bpf_map` says of it, among others.
 *
 * Source: `kernel/bpf/verifier.c: check_ptr_to_map_access`.
 */
export function checkPtrToMapAccess(
  env: VerifierEnv,
  regs: RegState[],
  regno: number,
  off: number,
  size: number,
  atype: AccessType,
  valueRegno: number,
): void {
  const map = mapOf(env, regs[regno]);
  const kernelBtf = env.kernel.btf ?? env.refuse('mapPtrNoBtf');
  const name = MAP_STRUCTS.get(map.type);
  const btfId = name === undefined ? 0 : kernelBtf.findByName(name, 'STRUCT');
  if (name === undefined || btfId === 0) env.refuse('mapPtrType', map.type);
  if (!env.allowPtrLeaks) env.refuse('btfAccessUnpriv', name);
  if (off < 0) env.refuse('mapPtrNegative', regno, name, off);
  if (atype !== BPF_READ) env.refuse('mapPtrReadOnly', name);
  const access = btfStructAccess(env, kernelBtf, btfId, PTR_TO_BTF_ID, off, size);
  if (valueRegno >= 0) markBtfLdReg(env, regs, valueRegno, access.type, kernelBtf, access.btfId, access.flag);
}
