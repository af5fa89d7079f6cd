import type { ArgProto, ArgType, HelperProto, RetType, TypeFlag } from './types.ts';

// The vocabulary of contracts: one constant or function an argument kind, so that a helper's contract reads as one line.

const arg = (type: ArgType, ...flags: TypeFlag[]): ArgProto => (flags.length === 0 ? { type } : { type, flags });

export const ANY = arg('ARG_ANYTHING');
export const CTX = arg('ARG_PTR_TO_CTX');
export const CTX_OR_NULL = arg('ARG_PTR_TO_CTX', 'PTR_MAYBE_NULL');
export const MAP = arg('ARG_CONST_MAP_PTR');
export const KEY = arg('ARG_PTR_TO_MAP_KEY');
export const VALUE = arg('ARG_PTR_TO_MAP_VALUE');
export const VALUE_OR_NULL = arg('ARG_PTR_TO_MAP_VALUE', 'PTR_MAYBE_NULL');
/** A map value the helper fills. */
export const VALUE_OUT = arg('ARG_PTR_TO_MAP_VALUE', 'MEM_UNINIT', 'MEM_WRITE');
/** Memory whose size the next argument gives, in the kernel's four shades. */
export const MEM = arg('ARG_PTR_TO_MEM');
export const MEM_IN = arg('ARG_PTR_TO_MEM', 'MEM_RDONLY');
export const MEM_INOUT = arg('ARG_PTR_TO_MEM', 'MEM_WRITE');
export const MEM_OUT = arg('ARG_PTR_TO_MEM', 'MEM_UNINIT', 'MEM_WRITE');
export const MEM_OR_NULL = arg('ARG_PTR_TO_MEM', 'PTR_MAYBE_NULL');
export const MEM_IN_OR_NULL = arg('ARG_PTR_TO_MEM', 'PTR_MAYBE_NULL', 'MEM_RDONLY');
export const SIZE = arg('ARG_CONST_SIZE');
export const SIZE_OR_ZERO = arg('ARG_CONST_SIZE_OR_ZERO');
export const ALLOC_SIZE = arg('ARG_CONST_ALLOC_SIZE_OR_ZERO');
export const FUNC = arg('ARG_PTR_TO_FUNC');
export const STACK_OR_NULL = arg('ARG_PTR_TO_STACK', 'PTR_MAYBE_NULL');
export const CONST_STR = arg('ARG_PTR_TO_CONST_STR');
export const SPIN_LOCK = arg('ARG_PTR_TO_SPIN_LOCK');
export const TIMER = arg('ARG_PTR_TO_TIMER');
export const KPTR_DEST = arg('ARG_KPTR_XCHG_DEST');
export const PERCPU_BTF = arg('ARG_PTR_TO_PERCPU_BTF_ID');
export const RINGBUF_MEM_RELEASE = arg('ARG_PTR_TO_RINGBUF_MEM', 'OBJ_RELEASE');
export const SOCKET_OR_NULL = arg('ARG_PTR_TO_SOCKET', 'PTR_MAYBE_NULL');
export const SOCK_COMMON = arg('ARG_PTR_TO_SOCK_COMMON');
export const BTF_SOCK = arg('ARG_PTR_TO_BTF_ID_SOCK_COMMON');
export const BTF_SOCK_OR_NULL = arg('ARG_PTR_TO_BTF_ID_SOCK_COMMON', 'PTR_MAYBE_NULL');
export const BTF_SOCK_RELEASE = arg('ARG_PTR_TO_BTF_ID_SOCK_COMMON', 'OBJ_RELEASE');
export const DYNPTR_IN = arg('ARG_PTR_TO_DYNPTR', 'MEM_RDONLY');
export const DYNPTR_LOCAL_OUT = arg('ARG_PTR_TO_DYNPTR', 'DYNPTR_TYPE_LOCAL', 'MEM_UNINIT', 'MEM_WRITE');
export const DYNPTR_RINGBUF_OUT = arg('ARG_PTR_TO_DYNPTR', 'DYNPTR_TYPE_RINGBUF', 'MEM_UNINIT', 'MEM_WRITE');
export const DYNPTR_RINGBUF_RELEASE = arg('ARG_PTR_TO_DYNPTR', 'DYNPTR_TYPE_RINGBUF', 'OBJ_RELEASE');

/** Memory of a fixed size; `flags` beside MEM_FIXED_SIZE. */
export const fixed = (sizeBytes: number, ...flags: TypeFlag[]): ArgProto => ({
  type: 'ARG_PTR_TO_MEM',
  flags: ['MEM_FIXED_SIZE', ...flags],
  sizeBytes,
});
/** A pointer to the kernel's struct `btfName`. */
export const btf = (btfName: string | undefined, ...flags: TypeFlag[]): ArgProto =>
  flags.length === 0 ? { type: 'ARG_PTR_TO_BTF_ID', btfName } : { type: 'ARG_PTR_TO_BTF_ID', btfName, flags };

/** What a contract says beside arguments and return value. */
export type ProtoTrait = 'gplOnly' | 'pktAccess' | 'mightSleep' | 'allowFastcall';

interface Ret {
  readonly ret: RetType;
  readonly retFlags?: readonly TypeFlag[];
  readonly retBtfName?: string;
}

function make(ret: Ret, args: readonly ArgProto[], traits: readonly ProtoTrait[]): HelperProto {
  return { ...ret, args, ...Object.fromEntries(traits.map(trait => [trait, true])) };
}

/** A helper that returns a number. */
export function int(args: readonly ArgProto[] = [], ...traits: ProtoTrait[]): HelperProto {
  return make({ ret: 'RET_INTEGER' }, args, traits);
}
/** A helper that returns nothing. */
export function nothing(args: readonly ArgProto[], ...traits: ProtoTrait[]): HelperProto {
  return make({ ret: 'RET_VOID' }, args, traits);
}
/** A helper that returns a pointer: to what, whether it may be null, to which kernel struct. */
export function pointer(ret: Ret, args: readonly ArgProto[], ...traits: ProtoTrait[]): HelperProto {
  return make(ret, args, traits);
}

export const TO_VALUE: Ret = { ret: 'RET_PTR_TO_MAP_VALUE' };
export const TO_VALUE_OR_NULL: Ret = { ret: 'RET_PTR_TO_MAP_VALUE', retFlags: ['PTR_MAYBE_NULL'] };
export const TO_MEM_OR_NULL: Ret = { ret: 'RET_PTR_TO_MEM', retFlags: ['PTR_MAYBE_NULL'] };
export const TO_RINGBUF_MEM_OR_NULL: Ret = { ret: 'RET_PTR_TO_MEM', retFlags: ['PTR_MAYBE_NULL', 'MEM_RINGBUF'] };
export const TO_SOCKET_OR_NULL: Ret = { ret: 'RET_PTR_TO_SOCKET', retFlags: ['PTR_MAYBE_NULL'] };
export const TO_TCP_SOCK_OR_NULL: Ret = { ret: 'RET_PTR_TO_TCP_SOCK', retFlags: ['PTR_MAYBE_NULL'] };
export const TO_SOCK_COMMON_OR_NULL: Ret = { ret: 'RET_PTR_TO_SOCK_COMMON', retFlags: ['PTR_MAYBE_NULL'] };
export const TO_MEM_OR_BTF: Ret = { ret: 'RET_PTR_TO_MEM_OR_BTF_ID', retFlags: ['MEM_RDONLY'] };
export const TO_MEM_OR_BTF_OR_NULL: Ret = {
  ret: 'RET_PTR_TO_MEM_OR_BTF_ID',
  retFlags: ['PTR_MAYBE_NULL', 'MEM_RDONLY'],
};
export const toBtf = (retBtfName: string | undefined, ...retFlags: TypeFlag[]): Ret => ({
  ret: 'RET_PTR_TO_BTF_ID',
  retFlags,
  retBtfName,
});
