import { type Btf, underModifiers } from '../../btf/index.ts';
import {
  KF_ACQUIRE,
  KF_DESTRUCTIVE,
  KF_ITER_DESTROY,
  KF_ITER_NEW,
  KF_ITER_NEXT,
  KF_RCU,
  KF_RCU_PROTECTED,
  KF_RELEASE,
  KF_RET_NULL,
  KF_SLEEPABLE,
  KF_TRUSTED_ARGS,
  type KfuncContract,
  type KfuncHook,
  kfuncContracts,
} from '../../helpers/index.ts';
import type { Insn } from '../../isa/index.ts';
import type { ProgFacts } from '../../progtypes/index.ts';
import { bpf_attach_type, bpf_prog_type } from '../../uapi/index.ts';
import type { VerifierEnv } from '../env.ts';
import type { VerifierMap } from '../input.ts';
import { DEFAULT_RULES, type KernelRules, releaseNumber } from '../kernel-rules.ts';
import type { BtfField } from '../state/record.ts';

const P = bpf_prog_type;

/** The set of functions a program type may call beside the common ones. Source: `bpf_prog_type_to_kfunc_hook`. */
const HOOKS: ReadonlyMap<number, KfuncHook> = new Map<number, KfuncHook>([
  [P.BPF_PROG_TYPE_UNSPEC, 'common'],
  [P.BPF_PROG_TYPE_XDP, 'xdp'],
  [P.BPF_PROG_TYPE_SCHED_CLS, 'tc'],
  [P.BPF_PROG_TYPE_STRUCT_OPS, 'struct_ops'],
  [P.BPF_PROG_TYPE_TRACING, 'tracing'],
  [P.BPF_PROG_TYPE_TRACEPOINT, 'tracing'],
  [P.BPF_PROG_TYPE_PERF_EVENT, 'tracing'],
  [P.BPF_PROG_TYPE_LSM, 'tracing'],
  [P.BPF_PROG_TYPE_SYSCALL, 'syscall'],
  [P.BPF_PROG_TYPE_CGROUP_SKB, 'cgroup'],
  [P.BPF_PROG_TYPE_CGROUP_SOCK, 'cgroup'],
  [P.BPF_PROG_TYPE_CGROUP_DEVICE, 'cgroup'],
  [P.BPF_PROG_TYPE_CGROUP_SOCK_ADDR, 'cgroup'],
  [P.BPF_PROG_TYPE_CGROUP_SOCKOPT, 'cgroup'],
  [P.BPF_PROG_TYPE_CGROUP_SYSCTL, 'cgroup'],
  [P.BPF_PROG_TYPE_SCHED_ACT, 'sched_act'],
  [P.BPF_PROG_TYPE_SK_SKB, 'sk_skb'],
  [P.BPF_PROG_TYPE_SOCKET_FILTER, 'socket_filter'],
  [P.BPF_PROG_TYPE_LWT_OUT, 'lwt'],
  [P.BPF_PROG_TYPE_LWT_IN, 'lwt'],
  [P.BPF_PROG_TYPE_LWT_XMIT, 'lwt'],
  [P.BPF_PROG_TYPE_LWT_SEG6LOCAL, 'lwt'],
  [P.BPF_PROG_TYPE_NETFILTER, 'netfilter'],
  [P.BPF_PROG_TYPE_KPROBE, 'kprobe'],
]);

/** Kinds of programs that came to a hook after 6.12. */
const LATER_HOOKS: ReadonlyMap<number, KfuncHook> = new Map<number, KfuncHook>([
  [P.BPF_PROG_TYPE_RAW_TRACEPOINT, 'tracing'],
  [P.BPF_PROG_TYPE_SOCK_OPS, 'cgroup'],
]);

/** What a program must be for a hook not to forbid a function. */
export type KfuncCaller = Pick<ProgFacts, 'type' | 'attachType'>;

function passesFilter({ filter }: KfuncContract, prog: KfuncCaller): boolean {
  if (filter === 'iter') return prog.attachType === bpf_attach_type.BPF_TRACE_ITER;
  if (filter === 'kprobe-session') return prog.attachType === bpf_attach_type.BPF_TRACE_KPROBE_SESSION;
  return filter !== 'lsm' || prog.type === P.BPF_PROG_TYPE_LSM;
}

function flagsIn(name: string, hook: KfuncHook, prog: KfuncCaller, rules: KernelRules): number | undefined {
  for (const contract of kfuncContracts(name)) {
    if (!contract.hooks.includes(hook) || releaseNumber(contract.since) > rules.release) continue;
    if (!passesFilter(contract, prog)) continue;
    return rules.kfuncArgsTrusted ? contract.flags | KF_TRUSTED_ARGS : contract.flags;
  }
  return undefined;
}

/**
 * Flags of a kernel function as programs of this type may call it; undefined if they may not.
 * Source: `kernel/bpf/btf.c: btf_kfunc_id_set_contains`.
 */
export function kfuncFlags(name: string, prog: KfuncCaller, rules: KernelRules = DEFAULT_RULES): number | undefined {
  const common = flagsIn(name, 'common', prog, rules);
  if (common !== undefined) return common;
  const hook = HOOKS.get(prog.type) ?? (rules.kfuncsForRawTracepoints ? LATER_HOOKS.get(prog.type) : undefined);
  return hook === undefined ? undefined : flagsIn(name, hook, prog, rules);
}

/** Flags of a kernel function whose return value programs may change. Source: `btf_kfunc_is_modify_return`. */
export const kfuncIsModifyReturn = (
  name: string,
  prog: KfuncCaller,
  rules: KernelRules = DEFAULT_RULES,
): number | undefined => flagsIn(name, 'fmodret', prog, rules);

/** What the C type of a parameter or result comes down to. */
export type KfuncTypeClass = 'scalar' | 'ptr' | 'void' | 'other';

/** A parameter of a kernel function, as its name and type describe it. */
export interface KfuncParam {
  readonly name: string;
  /** Type without typedefs and qualifiers. */
  readonly typeId: number;
  readonly kind: KfuncTypeClass;
  /** Scalars: bytes. */
  readonly sizeBytes: number;
  /** Pointers: what they point to, without typedefs and qualifiers. */
  readonly pointeeId: number;
  /** What the parameter's name ends in, from `__` on: `__sz`, `__k`, …; '' for nothing special. */
  readonly suffix: string;
  /** Pointers to one of the structs programs hold objects in: its name. */
  readonly special: string;
  /** A pointer to a function. */
  readonly callback: boolean;
}

/** A kernel function by what BTF says of it; flags depend on the caller. */
export interface KfuncProto {
  readonly name: string;
  readonly btf: Btf;
  readonly protoId: number;
  readonly params: readonly KfuncParam[];
  /** Type of the result without typedefs and qualifiers; 0 for void. */
  readonly returnId: number;
  readonly returns: KfuncTypeClass;
  readonly returnSizeBytes: number;
}

const SUFFIXES = [
  '__ign',
  '__szk',
  '__sz',
  '__opt',
  '__k',
  '__map',
  '__alloc',
  '__uninit',
  '__refcounted_kptr',
  '__nullable',
  '__str',
  '__iter',
] as const;

const SPECIAL_STRUCTS: ReadonlySet<string> = new Set([
  'bpf_dynptr',
  'bpf_list_head',
  'bpf_list_node',
  'bpf_rb_root',
  'bpf_rb_node',
  'bpf_wq',
]);

function typeClass(btf: Btf, id: number): KfuncTypeClass {
  if (id === 0) return 'void';
  const kind = btf.kindOf(id);
  if (kind === 'INT' || kind === 'ENUM') return 'scalar';
  return kind === 'PTR' ? 'ptr' : 'other';
}

function paramOf(btf: Btf, protoId: number, index: number): KfuncParam {
  const name = btf.stringAt(btf.types.item(protoId, index, 0));
  const typeId = underModifiers(btf, btf.types.item(protoId, index, 1));
  const kind = typeClass(btf, typeId);
  const pointeeId = kind === 'ptr' ? underModifiers(btf, btf.types.third(typeId)) : 0;
  const pointee = pointeeId === 0 ? 'VOID' : btf.kindOf(pointeeId);
  const pointeeName = pointee === 'STRUCT' ? btf.nameOf(pointeeId) : '';
  return {
    name,
    typeId,
    kind,
    sizeBytes: kind === 'scalar' ? btf.types.third(typeId) : 8,
    pointeeId,
    suffix: SUFFIXES.find(suffix => name.endsWith(suffix)) ?? '',
    special: SPECIAL_STRUCTS.has(pointeeName) && btf.findByName(pointeeName, 'STRUCT') === pointeeId ? pointeeName : '',
    callback: pointee === 'FUNC_PROTO',
  };
}

const PROTOS = new WeakMap<Btf, Map<number, KfuncProto>>();

/** The kernel function with an id in the kernel's BTF; the same object each time. */
export function kfuncProto(btf: Btf, funcId: number): KfuncProto {
  let known = PROTOS.get(btf);
  if (known === undefined) {
    known = new Map();
    PROTOS.set(btf, known);
  }
  let proto = known.get(funcId);
  if (proto === undefined) {
    const protoId = btf.types.third(funcId);
    const params: KfuncParam[] = [];
    for (let i = 0; i < btf.types.vlen(protoId); i++) params.push(paramOf(btf, protoId, i));
    const returnId = underModifiers(btf, btf.types.third(protoId));
    const returns = typeClass(btf, returnId);
    const returnSizeBytes = returns === 'scalar' ? btf.types.third(returnId) : 8;
    proto = { name: btf.nameOf(funcId), btf, protoId, params, returnId, returns, returnSizeBytes };
    known.set(funcId, proto);
  }
  return proto;
}

/** What checking one call finds out (`struct bpf_kfunc_call_arg_meta`). */
export class KfuncCallArgMeta {
  readonly btf: Btf;
  readonly funcId: number;
  readonly flags: number;
  readonly proto: KfuncProto;
  readonly funcName: string;
  refObjId = 0;
  releaseRegno = 0;
  r0Rdonly = false;
  r0Size = 0;
  retBtfId = 0;
  subprogno = 0;
  /** Constant argument: halves of its value. */
  argConstantFound = false;
  argConstantHi = 0;
  argConstantLo = 0;
  /** The program's own type the call is about. */
  argBtf: Btf | undefined = undefined;
  argBtfId = 0;
  argOwningRef = false;
  listHeadField: BtfField | undefined = undefined;
  rbtreeRootField: BtfField | undefined = undefined;
  dynptrType = 0;
  dynptrId = 0;
  dynptrRefObjId = 0;
  iterSpi = 0;
  iterFrameno = 0;
  readonly map: { ptr: VerifierMap | undefined; uid: number } = { ptr: undefined, uid: 0 };

  constructor(funcId: number, flags: number, proto: KfuncProto) {
    this.btf = proto.btf;
    this.funcId = funcId;
    this.flags = flags;
    this.proto = proto;
    this.funcName = proto.name;
  }
}

/**
 * What is known of the function a call names; refuses functions programs of this type may not call.
 * Source: `kernel/bpf/verifier.c: fetch_kfunc_meta`.
 */
export function fetchKfuncMeta(env: VerifierEnv, insn: Insn): KfuncCallArgMeta {
  const { btf } = env.kernel;
  // The kernel was asked about the function before the walk began.
  if (btf === undefined) return env.refuse('kfuncBtf');
  const proto = kfuncProto(btf, insn.imm >>> 0);
  let flags = env.kfuncFlags.get(insn.imm);
  if (flags === undefined) {
    flags = kfuncFlags(proto.name, env.prog, env.rules);
    if (flags === undefined) return env.refuse('kfuncNotAllowed', proto.name);
    env.kfuncFlags.set(insn.imm, flags);
  }
  return new KfuncCallArgMeta(insn.imm >>> 0, flags, proto);
}

export const isKfuncAcquire = (meta: KfuncCallArgMeta): boolean => (meta.flags & KF_ACQUIRE) !== 0;
export const isKfuncRelease = (meta: KfuncCallArgMeta): boolean => (meta.flags & KF_RELEASE) !== 0;
export const isKfuncTrustedArgs = (meta: KfuncCallArgMeta): boolean =>
  (meta.flags & (KF_TRUSTED_ARGS | KF_RELEASE)) !== 0;
export const isKfuncSleepable = (meta: KfuncCallArgMeta): boolean => (meta.flags & KF_SLEEPABLE) !== 0;
export const isKfuncDestructive = (meta: KfuncCallArgMeta): boolean => (meta.flags & KF_DESTRUCTIVE) !== 0;
export const isKfuncRcu = (meta: KfuncCallArgMeta): boolean => (meta.flags & KF_RCU) !== 0;
export const isKfuncRcuProtected = (meta: KfuncCallArgMeta): boolean => (meta.flags & KF_RCU_PROTECTED) !== 0;
export const isIterKfunc = (meta: KfuncCallArgMeta): boolean =>
  (meta.flags & (KF_ITER_NEW | KF_ITER_NEXT | KF_ITER_DESTROY)) !== 0;
export const isIterNewKfunc = (meta: KfuncCallArgMeta): boolean => (meta.flags & KF_ITER_NEW) !== 0;
export const isIterNextKfunc = (meta: KfuncCallArgMeta): boolean => (meta.flags & KF_ITER_NEXT) !== 0;
export const isIterDestroyKfunc = (meta: KfuncCallArgMeta): boolean => (meta.flags & KF_ITER_DESTROY) !== 0;

/** Source: `is_kfunc_ret_null`: another reference to what the program owns already cannot fail. */
export const isKfuncRetNull = (meta: KfuncCallArgMeta): boolean =>
  !(meta.funcName === 'bpf_refcount_acquire_impl' && meta.argOwningRef) && (meta.flags & KF_RET_NULL) !== 0;
