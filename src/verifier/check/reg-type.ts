import {
  ARG_CONST_ALLOC_SIZE_OR_ZERO,
  ARG_CONST_MAP_PTR,
  ARG_CONST_SIZE,
  ARG_CONST_SIZE_OR_ZERO,
  ARG_KPTR_XCHG_DEST,
  ARG_PTR_TO_BTF_ID,
  ARG_PTR_TO_BTF_ID_SOCK_COMMON,
  ARG_PTR_TO_CONST_STR,
  ARG_PTR_TO_CTX,
  ARG_PTR_TO_DYNPTR,
  ARG_PTR_TO_FUNC,
  ARG_PTR_TO_MAP_KEY,
  ARG_PTR_TO_MAP_VALUE,
  ARG_PTR_TO_MEM,
  ARG_PTR_TO_PERCPU_BTF_ID,
  ARG_PTR_TO_RINGBUF_MEM,
  ARG_PTR_TO_SOCK_COMMON,
  ARG_PTR_TO_SOCKET,
  ARG_PTR_TO_SPIN_LOCK,
  ARG_PTR_TO_STACK,
  ARG_PTR_TO_TIMER,
  baseType,
  CONST_PTR_TO_DYNPTR,
  CONST_PTR_TO_MAP,
  DYNPTR_TYPE_FLAG_MASK,
  MEM_ALLOC,
  MEM_PERCPU,
  MEM_RCU,
  MEM_RDONLY,
  MEM_RINGBUF,
  NON_OWN_REF,
  OBJ_RELEASE,
  PTR_MAYBE_NULL,
  PTR_TO_ARENA,
  PTR_TO_BTF_ID,
  PTR_TO_BUF,
  PTR_TO_CTX,
  PTR_TO_FUNC,
  PTR_TO_MAP_KEY,
  PTR_TO_MAP_VALUE,
  PTR_TO_MEM,
  PTR_TO_PACKET,
  PTR_TO_PACKET_META,
  PTR_TO_SOCK_COMMON,
  PTR_TO_SOCKET,
  PTR_TO_STACK,
  PTR_TO_TCP_SOCK,
  PTR_TO_XDP_SOCK,
  PTR_TRUSTED,
  SCALAR_VALUE,
  typeMayBeNull,
} from '../../helpers/index.ts';
import { bpf_func_id } from '../../uapi/index.ts';
import { btfStructIdsMatch } from '../btf/struct-access.ts';
import type { VerifierEnv } from '../env.ts';
import { regTypeStr } from '../print/reg-type-text.ts';
import type { RegState } from '../state/reg.ts';
import type { CallArgMeta } from './call-meta.ts';
import { argTypeIsDynptr } from './dynptr.ts';
import { funcIdName } from './func-id-name.ts';
import { kernelStructId } from './func-proto.ts';
import { mapKptrMatchType } from './map-kptr.ts';
import { checkPtrOffRegRaw } from './mem-region.ts';
import { typeIsAlloc } from './pointer-kinds.ts';

/** An argument's struct is not known from its contract (`BPF_PTR_POISON`). */
export const ANY_BTF_ID = -1;

/** Types of registers an argument takes (`struct bpf_reg_types`), in the order the log lists them. */
interface RegTypes {
  readonly types: readonly number[];
  /** Kernel struct of those that are BTF pointers, where the contract names none. */
  readonly btfName?: string;
}

const MEM_TYPES: RegTypes = {
  types: [
    PTR_TO_STACK,
    PTR_TO_PACKET,
    PTR_TO_PACKET_META,
    PTR_TO_MAP_KEY,
    PTR_TO_MAP_VALUE,
    PTR_TO_MEM,
    PTR_TO_MEM | MEM_RINGBUF,
    PTR_TO_BUF,
    PTR_TO_BTF_ID | PTR_TRUSTED,
  ],
};
const SCALAR_TYPES: RegTypes = { types: [SCALAR_VALUE] };
const MAP_VALUE_OR_OBJECT: RegTypes = { types: [PTR_TO_MAP_VALUE, PTR_TO_BTF_ID | MEM_ALLOC] };
const MAP_VALUE: RegTypes = { types: [PTR_TO_MAP_VALUE] };
const SOCKS = [PTR_TO_SOCK_COMMON, PTR_TO_SOCKET, PTR_TO_TCP_SOCK, PTR_TO_XDP_SOCK];

/** By base type of the argument. Source: `compatible_reg_types`. */
const COMPATIBLE_REG_TYPES: readonly (RegTypes | undefined)[] = (() => {
  const rows: (RegTypes | undefined)[] = [];
  rows[ARG_PTR_TO_MAP_KEY] = MEM_TYPES;
  rows[ARG_PTR_TO_MAP_VALUE] = MEM_TYPES;
  rows[ARG_CONST_SIZE] = SCALAR_TYPES;
  rows[ARG_CONST_SIZE_OR_ZERO] = SCALAR_TYPES;
  rows[ARG_CONST_ALLOC_SIZE_OR_ZERO] = SCALAR_TYPES;
  rows[ARG_CONST_MAP_PTR] = { types: [CONST_PTR_TO_MAP] };
  rows[ARG_PTR_TO_CTX] = { types: [PTR_TO_CTX] };
  rows[ARG_PTR_TO_SOCK_COMMON] = { types: SOCKS };
  rows[ARG_PTR_TO_BTF_ID_SOCK_COMMON] = {
    types: [...SOCKS, PTR_TO_BTF_ID, PTR_TO_BTF_ID | PTR_TRUSTED],
    btfName: 'sock_common',
  };
  rows[ARG_PTR_TO_SOCKET] = { types: [PTR_TO_SOCKET] };
  rows[ARG_PTR_TO_BTF_ID] = { types: [PTR_TO_BTF_ID, PTR_TO_BTF_ID | PTR_TRUSTED, PTR_TO_BTF_ID | MEM_RCU] };
  rows[ARG_PTR_TO_SPIN_LOCK] = MAP_VALUE_OR_OBJECT;
  rows[ARG_PTR_TO_MEM] = MEM_TYPES;
  rows[ARG_PTR_TO_RINGBUF_MEM] = { types: [PTR_TO_MEM | MEM_RINGBUF] };
  rows[ARG_PTR_TO_PERCPU_BTF_ID] = {
    types: [PTR_TO_BTF_ID | MEM_PERCPU, PTR_TO_BTF_ID | MEM_PERCPU | MEM_RCU, PTR_TO_BTF_ID | MEM_PERCPU | PTR_TRUSTED],
  };
  rows[ARG_PTR_TO_FUNC] = { types: [PTR_TO_FUNC] };
  rows[ARG_PTR_TO_STACK] = { types: [PTR_TO_STACK] };
  rows[ARG_PTR_TO_CONST_STR] = MAP_VALUE;
  rows[ARG_PTR_TO_TIMER] = MAP_VALUE;
  rows[ARG_KPTR_XCHG_DEST] = MAP_VALUE_OR_OBJECT;
  rows[ARG_PTR_TO_DYNPTR] = { types: [PTR_TO_STACK, CONST_PTR_TO_DYNPTR] };
  return rows;
})();

const argTypeIsRelease = (argType: number): boolean => (argType & OBJ_RELEASE) !== 0;

/** A BTF pointer against the struct the argument wants. */
function checkBtfPointer(
  env: VerifierEnv,
  regno: number,
  argType: number,
  argBtfId: number | undefined,
  compatible: RegTypes,
  meta: CallArgMeta,
): void {
  const reg = env.regs[regno];
  // bpf_sk_release takes sockets of many types by their first member.
  const strict = argTypeIsRelease(argType) && meta.funcId !== bpf_func_id.BPF_FUNC_sk_release;
  if (typeMayBeNull(reg.type) && (!typeMayBeNull(argType) || argTypeIsRelease(argType)))
    env.refuse('argPossiblyNull', regno);
  let wanted = argBtfId;
  if (wanted === undefined) {
    if (compatible.btfName === undefined) env.refuse('argNoBtfId');
    wanted = kernelStructId(env, compatible.btfName);
  }
  if (meta.funcId === bpf_func_id.BPF_FUNC_kptr_xchg) {
    matchKptr(env, regno, meta);
    return;
  }
  if (wanted === ANY_BTF_ID) env.refuse('argPoison', regno);
  const { btf, btfId } = reg.info;
  const kernelBtf = env.kernel.btf;
  if (btf === undefined || kernelBtf === undefined) env.bug('pointer to a struct of no BTF');
  if (!btfStructIdsMatch(env, btf, btfId, reg.off, kernelBtf, wanted, strict))
    env.refuse('argStruct', regno, btf.nameOf(btfId), kernelBtf.nameOf(wanted));
}

function matchKptr(env: VerifierEnv, regno: number, meta: CallArgMeta): void {
  if (meta.kptrField === undefined) env.bug('kptr exchanged without a field');
  mapKptrMatchType(env, meta.kptrField, env.regs[regno], regno);
}

/**
 * Whether a register is of a type the argument takes. `argBtfId`: id in the kernel's BTF of the struct it has to point to,
 * {@link ANY_BTF_ID}, or undefined where the contract names none. Refuses.
 *
 * Source: `kernel/bpf/verifier.c: check_reg_type`.
 */
export function checkRegType(
  env: VerifierEnv,
  regno: number,
  argType: number,
  argBtfId: number | undefined,
  meta: CallArgMeta,
): void {
  const regType = env.regs[regno].type;
  const compatible = COMPATIBLE_REG_TYPES[baseType(argType)];
  if (compatible === undefined) env.refuse('argUnsupported', argType);

  // An argument that tolerates read-only memory or NULL takes registers without these flags, too, but not the other
  // way round; what kind of dynptr memory came from does not matter.
  let type = regType & ~(argType & (MEM_RDONLY | PTR_MAYBE_NULL));
  if (baseType(argType) === ARG_PTR_TO_MEM) type &= ~DYNPTR_TYPE_FLAG_MASK;
  if (meta.funcId === bpf_func_id.BPF_FUNC_kptr_xchg && typeIsAlloc(type) && regno === 2)
    type &= ~(MEM_ALLOC | MEM_PERCPU);
  if (!compatible.types.includes(type)) {
    env.refuse('argRegType', regno, regTypeStr(regType), compatible.types.map(regTypeStr).join(', '));
  }
  if (baseType(regType) !== PTR_TO_BTF_ID) return;
  if (compatible === MEM_TYPES) {
    if ((argType & MEM_RDONLY) === 0) env.refuse('argMayWrite', funcIdName(meta.funcId), regno, regTypeStr(regType));
    return;
  }
  switch (regType) {
    case PTR_TO_BTF_ID:
    case PTR_TO_BTF_ID | PTR_TRUSTED:
    case PTR_TO_BTF_ID | PTR_TRUSTED | PTR_MAYBE_NULL:
    case PTR_TO_BTF_ID | MEM_RCU:
    case PTR_TO_BTF_ID | PTR_MAYBE_NULL:
    case PTR_TO_BTF_ID | PTR_MAYBE_NULL | MEM_RCU:
      checkBtfPointer(env, regno, argType, argBtfId, compatible, meta);
      return;
    case PTR_TO_BTF_ID | MEM_ALLOC:
    case PTR_TO_BTF_ID | MEM_PERCPU | MEM_ALLOC:
      if (meta.funcId === bpf_func_id.BPF_FUNC_spin_lock || meta.funcId === bpf_func_id.BPF_FUNC_spin_unlock) return;
      if (meta.funcId !== bpf_func_id.BPF_FUNC_kptr_xchg) env.refuse('argAlloc');
      if (regno === 2) matchKptr(env, regno, meta);
      return;
    case PTR_TO_BTF_ID | MEM_PERCPU:
    case PTR_TO_BTF_ID | MEM_PERCPU | MEM_RCU:
    case PTR_TO_BTF_ID | MEM_PERCPU | PTR_TRUSTED:
      return;
    default:
      env.refuse('argBtfRegister');
  }
}

/**
 * Whether a register's offsets are such as the argument takes. Refuses.
 * Source: `kernel/bpf/verifier.c: check_func_arg_reg_off`.
 */
export function checkFuncArgRegOff(env: VerifierEnv, reg: RegState, regno: number, argType: number): void {
  const { type } = reg;
  if (argTypeIsRelease(argType)) {
    // What is given back is what the dynptr holds, not where the dynptr lies.
    if (argTypeIsDynptr(argType) && type === PTR_TO_STACK) return;
    if (reg.off !== 0) env.refuse('releaseOffset', regno);
    checkPtrOffRegRaw(env, reg, regno, false);
    return;
  }
  switch (type) {
    case PTR_TO_STACK:
    case PTR_TO_PACKET:
    case PTR_TO_PACKET_META:
    case PTR_TO_MAP_KEY:
    case PTR_TO_MAP_VALUE:
    case PTR_TO_MEM:
    case PTR_TO_MEM | MEM_RDONLY:
    case PTR_TO_MEM | MEM_RINGBUF:
    case PTR_TO_BUF:
    case PTR_TO_BUF | MEM_RDONLY:
    case PTR_TO_ARENA:
    case SCALAR_VALUE:
      return;
    case PTR_TO_BTF_ID:
    case PTR_TO_BTF_ID | MEM_ALLOC:
    case PTR_TO_BTF_ID | PTR_TRUSTED:
    case PTR_TO_BTF_ID | MEM_RCU:
    case PTR_TO_BTF_ID | MEM_ALLOC | NON_OWN_REF:
    case PTR_TO_BTF_ID | MEM_ALLOC | NON_OWN_REF | MEM_RCU:
      checkPtrOffRegRaw(env, reg, regno, true);
      return;
    default:
      checkPtrOffRegRaw(env, reg, regno, false);
  }
}
