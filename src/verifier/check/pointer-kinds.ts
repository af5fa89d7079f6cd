import type { Btf } from '../../btf/index.ts';
import {
  baseType,
  CONST_PTR_TO_MAP,
  MEM_ALLOC,
  MEM_RCU,
  MEM_RDONLY,
  NON_OWN_REF,
  PTR_TO_ARENA,
  PTR_TO_BTF_ID,
  PTR_TO_BUF,
  PTR_TO_CTX,
  PTR_TO_FLOW_KEYS,
  PTR_TO_FUNC,
  PTR_TO_MAP_KEY,
  PTR_TO_MAP_VALUE,
  PTR_TO_MEM,
  PTR_TO_PACKET,
  PTR_TO_PACKET_END,
  PTR_TO_PACKET_META,
  PTR_TO_SOCK_COMMON,
  PTR_TO_SOCKET,
  PTR_TO_STACK,
  PTR_TO_TCP_SOCK,
  PTR_TO_XDP_SOCK,
  PTR_TRUSTED,
  SCALAR_VALUE,
  typeFlag,
} from '../../helpers/index.ts';
import type { VerifierEnv } from '../env.ts';
import type { FuncState } from '../state/func-state.ts';
import type { RegState } from '../state/reg.ts';

/** `enum bpf_access_type` */
export const BPF_READ = 1;
export const BPF_WRITE = 2;
export type AccessType = typeof BPF_READ | typeof BPF_WRITE;

/** Who accesses (`enum bpf_access_src`): an instruction, or a helper it calls. */
export const ACCESS_DIRECT = 1;
export const ACCESS_HELPER = 2;
export type AccessSrc = typeof ACCESS_DIRECT | typeof ACCESS_HELPER;

/** Variable offsets of pointers stay below this (`BPF_MAX_VAR_OFF`), sizes of memory too (`BPF_MAX_VAR_SIZ`). */
export const BPF_MAX_VAR_OFF = 1 << 29;
export const BPF_MAX_VAR_SIZ = 1 << 29;
/** Bytes of a frame (`MAX_BPF_STACK`). */
export const MAX_BPF_STACK = 512;

/** What a helper or kfunc may do with memory it is handed (the part of `struct bpf_call_arg_meta` checks of memory use). */
export interface MemArgMeta {
  /** The memory need not be initialized: the callee writes it. */
  rawMode: boolean;
  /** Set with rawMode: what it writes, and through which register. */
  accessSize: number;
  regno: number;
  /** Largest value of the size argument, unsigned, as halves. */
  msizeMaxHi: number;
  msizeMaxLo: number;
  /** The callee may read packets. */
  pktAccess: boolean;
}

/** The frame a pointer to a stack points into. Source: `func`. */
export function func(env: VerifierEnv, reg: RegState): FuncState {
  return env.curState.frames[reg.frameno];
}

const bits = (...types: readonly number[]): number => types.reduce((mask, type) => mask | (1 << type), 0);
const isOneOf = (mask: number, base: number): boolean => base < 32 && (mask & (1 << base)) !== 0;

const SPILLABLE = bits(
  PTR_TO_MAP_VALUE,
  PTR_TO_STACK,
  PTR_TO_CTX,
  PTR_TO_PACKET,
  PTR_TO_PACKET_META,
  PTR_TO_PACKET_END,
  PTR_TO_FLOW_KEYS,
  CONST_PTR_TO_MAP,
  PTR_TO_SOCKET,
  PTR_TO_SOCK_COMMON,
  PTR_TO_TCP_SOCK,
  PTR_TO_XDP_SOCK,
  PTR_TO_BTF_ID,
  PTR_TO_BUF,
  PTR_TO_MEM,
  PTR_TO_FUNC,
  PTR_TO_MAP_KEY,
  PTR_TO_ARENA,
);
const SK_POINTERS = bits(PTR_TO_SOCKET, PTR_TO_SOCK_COMMON, PTR_TO_TCP_SOCK, PTR_TO_XDP_SOCK);
/** Types whose registers always stand for a struct of the kernel (`reg2btf_ids`). */
const REG2BTF: ReadonlyMap<number, string> = new Map([
  [PTR_TO_SOCKET, 'sock'],
  [PTR_TO_SOCK_COMMON, 'sock_common'],
  [PTR_TO_TCP_SOCK, 'tcp_sock'],
  [CONST_PTR_TO_MAP, 'bpf_map'],
]);
const REG2BTF_BITS = bits(...REG2BTF.keys());

/** Source: `is_spillable_regtype`. */
export const isSpillableRegtype = (type: number): boolean => isOneOf(SPILLABLE, baseType(type));
export const typeIsPktPointer = (type: number): boolean => {
  const base = baseType(type);
  return base === PTR_TO_PACKET || base === PTR_TO_PACKET_META;
};
/** Exactly such a type: one with flags is none. */
export const typeIsSkPointer = (type: number): boolean => type < 32 && isOneOf(SK_POINTERS, type);
export const typeIsRdonlyMem = (type: number): boolean => (type & MEM_RDONLY) !== 0;
export const typeIsAlloc = (type: number): boolean => (type & MEM_ALLOC) !== 0;
export const typeIsPtrAllocObj = (type: number): boolean =>
  baseType(type) === PTR_TO_BTF_ID && (type & MEM_ALLOC) !== 0;
export const typeIsNonOwningRef = (type: number): boolean => typeIsPtrAllocObj(type) && (type & NON_OWN_REF) !== 0;

/** Source: `BPF_REG_TRUSTED_MODIFIERS`. */
export const BPF_REG_TRUSTED_MODIFIERS = MEM_ALLOC | PTR_TRUSTED | NON_OWN_REF;
export const bpfTypeHasUnsafeModifiers = (type: number): boolean => (typeFlag(type) & ~BPF_REG_TRUSTED_MODIFIERS) !== 0;

/**
 * Name of the kernel's struct that registers of a type stand for, where BTF of them is asked for; undefined for other types.
 * Source: `reg2btf_ids`.
 */
export const reg2btfName = (type: number): string | undefined => REG2BTF.get(baseType(type));
/** Its id in the kernel's BTF; 0 if there is none. */
export function reg2btfId(env: VerifierEnv, type: number): number {
  const name = REG2BTF.get(baseType(type));
  return name === undefined ? 0 : (env.kernel.btf?.findByName(name, 'STRUCT') ?? 0);
}

/** Source: `is_trusted_reg`. */
export function isTrustedReg(reg: RegState): boolean {
  if (reg.refObjId !== 0) return true;
  const { type } = reg;
  if (bpfTypeHasUnsafeModifiers(type)) return false;
  return isOneOf(REG2BTF_BITS, baseType(type)) || (type & BPF_REG_TRUSTED_MODIFIERS) !== 0;
}
/** Source: `is_rcu_reg`. */
export const isRcuReg = (reg: RegState): boolean => (reg.type & MEM_RCU) !== 0;
/** Flags without those that vouch for a pointer. Source: `clear_trusted_flags`. */
export const clearTrustedFlags = (flag: number): number => flag & ~(BPF_REG_TRUSTED_MODIFIERS | MEM_RCU);

/** Source: `is_pointer_value`. */
export const isPointerValue = (env: VerifierEnv, regno: number): boolean =>
  !env.allowPtrLeaks && env.regs[regno].type !== SCALAR_VALUE;
export const isCtxReg = (env: VerifierEnv, regno: number): boolean => env.regs[regno].type === PTR_TO_CTX;
export const isSkReg = (env: VerifierEnv, regno: number): boolean => typeIsSkPointer(env.regs[regno].type);
export const isPktReg = (env: VerifierEnv, regno: number): boolean => typeIsPktPointer(env.regs[regno].type);
export const isFlowKeyReg = (env: VerifierEnv, regno: number): boolean => env.regs[regno].type === PTR_TO_FLOW_KEYS;
export const isArenaReg = (env: VerifierEnv, regno: number): boolean => env.regs[regno].type === PTR_TO_ARENA;

/** Source: `in_sleepable`. */
export const inSleepable = (env: VerifierEnv): boolean => env.prog.sleepable || env.curState?.inSleepable === true;
/** Whether objects that RCU protects stay. Source: `in_rcu_cs`. */
export function inRcuCs(env: VerifierEnv): boolean {
  const state = env.curState;
  return state.activeRcuLock || state.activeLock !== undefined || !inSleepable(env);
}

/** Types of the kernel (or one of its modules), not of a program. Source: `btf_is_kernel`. */
export function btfIsKernel(env: VerifierEnv, btf: Btf): boolean {
  const kernel = env.kernel.btf;
  return kernel !== undefined && (btf === kernel || btf.base === kernel);
}

/** Structs that RCU protects. Source: `rcu_protected_types`. */
const RCU_PROTECTED: ReadonlySet<string> = new Set([
  'prog_test_ref_kfunc',
  'cgroup',
  'bpf_cpumask',
  'task_struct',
  'bpf_crypto_ctx',
]);

/** Source: `rcu_protected_object`. */
export function rcuProtectedObject(env: VerifierEnv, btf: Btf, btfId: number): boolean {
  return !btfIsKernel(env, btf) || (btf.kindOf(btfId) === 'STRUCT' && RCU_PROTECTED.has(btf.nameOf(btfId)));
}
