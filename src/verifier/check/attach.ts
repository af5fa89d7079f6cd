import { type Btf, underModifiers } from '../../btf/index.ts';
import { KF_SLEEPABLE } from '../../helpers/index.ts';
import { isFunctionAbsent } from '../../kernels/index.ts';
import { bpfIterProgSupported, type ProgFacts } from '../../progtypes/index.ts';
import { BPF_PROG_FLAGS, bpf_attach_type, bpf_prog_type, ERRNO } from '../../uapi/index.ts';
import type { TargetProgram, VerifierKernel, VerifyInput } from '../input.ts';
import { type KernelRules, kernelRules } from '../kernel-rules.ts';
import { btfDistillFuncProto } from '../kfunc-calls.ts';
import type { Rejection } from '../types.ts';
import type { VerifierLog } from '../verifier-log.ts';
import {
  isLsmHook,
  LSM_DISABLED_HOOKS,
  LSM_SLEEPABLE_HOOKS,
  mayInjectError,
  NON_SLEEPABLE_ERROR_INJECT,
  NORETURN_DENIED,
  STRUCT_OPS_RULES,
  TRACING_DENIED,
} from './attach-lists.ts';
import { btfCheckFuncTypeMatch } from './attach-match.ts';
import { kfuncIsModifyReturn } from './kfunc-meta.ts';

const P = bpf_prog_type;
const A = bpf_attach_type;
const RAW_TP_PREFIX = 'btf_trace_';
const TEMPLATE_PREFIX = '__bpf_trace_';

/** Who loads the program, and what is known of it by now. */
export interface AttachOptions {
  readonly caps: {
    readonly bpf: boolean;
    readonly perfmon: boolean;
    readonly netAdmin: boolean;
    readonly sysAdmin: boolean;
  };
  readonly jitRequested: boolean;
  readonly log: VerifierLog;
  /** The program, or a function it calls, may move packet data. */
  readonly changesPktData: boolean;
}

/** What a program is attached to, as far as it could be told. */
interface AttachTarget {
  readonly btf: Btf | undefined;
  /** FUNC_PROTO of what is attached to; 0 where none is reliable. */
  readonly protoId: number;
  readonly name: string;
  /** The FUNC attached to; '' for other things. */
  readonly funcName: string;
}

const NOWHERE: AttachTarget = { btf: undefined, protoId: 0, name: '', funcName: '' };

/** The program and everything the checks below ask about. */
interface Subject extends AttachOptions {
  readonly input: VerifyInput;
  readonly kernel: VerifierKernel;
  readonly rules: KernelRules;
  readonly sleepable: boolean;
}

/** Source: `can_be_sleepable`. */
function canBeSleepable({ type, attachType }: VerifyInput): boolean {
  if (type === P.BPF_PROG_TYPE_TRACING) {
    return (
      attachType === A.BPF_TRACE_FENTRY ||
      attachType === A.BPF_TRACE_FEXIT ||
      attachType === A.BPF_MODIFY_RETURN ||
      attachType === A.BPF_TRACE_ITER
    );
  }
  return type === P.BPF_PROG_TYPE_LSM || type === P.BPF_PROG_TYPE_KPROBE || type === P.BPF_PROG_TYPE_STRUCT_OPS;
}

/** Source: `check_struct_ops_btf_id`. */
function checkStructOpsBtfId(subject: Subject): Rejection | (AttachTarget & { readonly structName: string }) {
  const { input, log, kernel, sleepable } = subject;
  if (!input.gplCompatible) return log.reject('structOpsLicense', []);
  const btfId = input.attachBtfId ?? 0;
  const { btf } = kernel;
  if (btfId === 0 || btf === undefined) return log.reject('attachNotSupported', []);
  const structName = btfId < btf.typeCount && btf.kindOf(btfId) === 'STRUCT' ? btf.nameOf(btfId) : '';
  // The kernel makes a struct of that name for every struct of operations it registers.
  if (structName === '' || btf.findByName(`bpf_struct_ops_${structName}`, 'STRUCT') === 0) {
    return log.reject('structOpsStruct', [btfId]);
  }
  const idx = input.attachType;
  if (idx >= btf.types.vlen(btfId)) return log.reject('structOpsIndex', [idx, structName]);
  const name = btf.stringAt(btf.types.item(btfId, idx, 0));
  const pointer = underModifiers(btf, btf.types.item(btfId, idx, 1));
  const protoId = btf.kindOf(pointer) === 'PTR' ? underModifiers(btf, btf.types.third(pointer)) : 0;
  if (protoId === 0 || btf.kindOf(protoId) !== 'FUNC_PROTO') {
    return log.reject('structOpsMember', [name, idx, structName]);
  }
  const rules = STRUCT_OPS_RULES.get(structName);
  if (rules?.unsupported.has(name) === true) return log.reject('structOpsUnsupported', [name, structName]);
  if (sleepable && rules?.sleepable?.has(name) === false) {
    return log.reject('structOpsUnsupported', [name, structName], undefined, ERRNO.EINVAL);
  }
  return { btf, protoId, name, funcName: '', structName };
}

/** What speaks against attaching to (or replacing a function of) another program. */
function checkTargetProgram(subject: Subject, target: TargetProgram, subprog: number): Rejection | undefined {
  const { input, log } = subject;
  const extension = input.type === P.BPF_PROG_TYPE_EXT;
  if (extension) {
    if (target.unreliable[subprog]) return log.reject('extStatic', []);
    if (!subject.jitRequested) return log.reject('extNoJit', []);
    if (subject.changesPktData && !target.mightChangePktData) return log.reject('extChangesPacket', []);
  }
  if (!target.jited) return log.reject('attachNotJited', []);
  if (input.type === P.BPF_PROG_TYPE_TRACING) {
    if (target.attachesToTracing) return log.reject('attachNested', []);
  } else if (target.type === input.type) return log.reject('attachRecursive', []);
  const traces = target.attachType === A.BPF_TRACE_FENTRY || target.attachType === A.BPF_TRACE_FEXIT;
  if (extension && target.type === P.BPF_PROG_TYPE_TRACING && traces) return log.reject('extOfTracing', []);
  return undefined;
}

const sameParams = (btf: Btf, a: number, b: number): boolean => {
  const { types } = btf;
  const count = types.vlen(a);
  if (types.vlen(b) !== count) return false;
  for (let i = 0; i < count; i++) if (types.item(a, i, 1) !== types.item(b, i, 1)) return false;
  return true;
};

const TEMPLATES = new WeakMap<Btf, readonly number[]>();

/** FUNC_PROTOs of the functions that hand tracepoints' arguments to programs. */
function templates(btf: Btf): readonly number[] {
  let known = TEMPLATES.get(btf);
  if (known === undefined) {
    const found: number[] = [];
    for (let id = 1; id < btf.typeCount; id++) {
      if (btf.kindOf(id) === 'FUNC' && btf.nameOf(id).startsWith(TEMPLATE_PREFIX)) found.push(btf.types.third(id));
    }
    known = found;
    TEMPLATES.set(btf, known);
  }
  return known;
}

/**
 * Prototype of a tracepoint with its arguments' names: events of a class share one function, which BTF does not tell, so
 * one with the same parameters stands for it; without any, the typedef's, which has no names.
 */
function rawTracepointProto(btf: Btf, typedefId: number, name: string, log: VerifierLog): number {
  const pointer = btf.types.third(typedefId);
  const proto = btf.kindOf(pointer) === 'PTR' ? btf.types.third(pointer) : 0;
  if (proto === 0 || btf.kindOf(proto) !== 'FUNC_PROTO') return 0;
  const own = btf.findByName(TEMPLATE_PREFIX + name, 'FUNC');
  if (own !== 0) return btf.types.third(own);
  const like = templates(btf).find(id => sameParams(btf, id, proto));
  if (like !== undefined) return like;
  log.print(`Cannot find btf of tracepoint template, fall back to ${RAW_TP_PREFIX}${name}.`);
  return proto;
}

const ATTACH_TO_FUNC: ReadonlySet<number> = new Set([
  A.BPF_MODIFY_RETURN,
  A.BPF_LSM_MAC,
  A.BPF_LSM_CGROUP,
  A.BPF_TRACE_FENTRY,
  A.BPF_TRACE_FEXIT,
]);

/** The kernel has error injection, as far as its BTF tells. */
const injectsErrors = (btf: Btf): boolean => btf.findByName('within_error_injection_list', 'FUNC') !== 0;

/** What functions of system calls begin with. Source: `has_arch_syscall_prefix`. */
const SYSCALL_PREFIXES: Readonly<Record<string, string>> = {
  x86_64: '__x64_',
  arm64: '__arm64_',
  s390x: '__s390x_',
  riscv64: '__riscv_',
};

const isSyscall = (arch: string, name: string): boolean => name.startsWith(`${SYSCALL_PREFIXES[arch] ?? ''}sys_`);

function mayAttachSleepable({ input, kernel, rules }: Subject, btf: Btf, name: string): boolean {
  if (input.type === P.BPF_PROG_TYPE_LSM) return LSM_SLEEPABLE_HOOKS.has(name);
  if (input.type !== P.BPF_PROG_TYPE_TRACING) return false;
  const ofKernel = btf === kernel.btf;
  if (ofKernel && injectsErrors(btf) && mayInjectError(name) && !NON_SLEEPABLE_ERROR_INJECT.has(name)) return true;
  return ofKernel && ((kfuncIsModifyReturn(name, input, rules) ?? 0) & KF_SLEEPABLE) !== 0;
}

/** Attaching to a function: of the kernel, or of another program. */
function checkFunctionTarget(
  subject: Subject,
  btf: Btf,
  btfId: number,
  conservative: boolean,
): Rejection | AttachTarget {
  const { input, log } = subject;
  const target = input.attachProg;
  const name = btf.nameOf(btfId);
  if (btf.kindOf(btfId) !== 'FUNC') return log.reject('attachNotFunc', [btfId]);
  if (input.type === P.BPF_PROG_TYPE_EXT) {
    const own = input.funcInfo !== undefined && input.funcInfo.count > 0 ? input.funcInfo.words[1] : 0;
    if (input.btf === undefined || own === 0) return log.reject('extNoBtf', []);
    const refused = btfCheckFuncTypeMatch({ btf: input.btf, funcId: own }, { btf, funcId: btfId }, log);
    if (refused !== undefined) return refused;
  }
  const protoId = target !== undefined && conservative ? 0 : btf.types.third(btfId);
  if (protoId !== 0) {
    const refused = btfDistillFuncProto(btf, protoId, name, log);
    if (refused !== undefined) return refused;
  }
  if (target === undefined && isFunctionAbsent(subject.kernel.image.name, name)) {
    return log.reject('attachNoAddress', [name]);
  }
  if (subject.sleepable) {
    if (!mayAttachSleepable(subject, btf, name)) return log.reject('attachNotSleepable', [name]);
  } else if (input.attachType === A.BPF_MODIFY_RETURN) {
    if (target !== undefined) return log.reject('attachProgRetval', []);
    const modifiable =
      kfuncIsModifyReturn(name, input, subject.rules) !== undefined ||
      name.startsWith('security_') ||
      (injectsErrors(btf)
        ? mayInjectError(name)
        : subject.rules.modifiesSyscalls && isSyscall(subject.kernel.arch, name));
    if (!modifiable) return log.reject('attachNotModifiable', [name]);
  }
  return { btf, protoId, name, funcName: name };
}

function checkRawTracepoint({ input, log }: Subject, btf: Btf, btfId: number): Rejection | AttachTarget {
  if (input.attachProg !== undefined) return log.reject('attachRawTpProg', []);
  const typeName = btf.nameOf(btfId);
  if (btf.kindOf(btfId) !== 'TYPEDEF') return log.reject('attachNotTypedef', [btfId]);
  if (!typeName.startsWith(RAW_TP_PREFIX)) return log.reject('attachTypeName', [btfId, typeName]);
  const name = typeName.slice(RAW_TP_PREFIX.length);
  const protoId = rawTracepointProto(btf, btfId, name, log);
  return protoId === 0 ? log.reject('attachRefused', []) : { btf, protoId, name, funcName: '' };
}

function checkIterTarget({ log }: Subject, btf: Btf, btfId: number): Rejection | AttachTarget {
  if (btf.kindOf(btfId) !== 'FUNC') return log.reject('attachNotFunc', [btfId]);
  const name = btf.nameOf(btfId);
  const protoId = btf.types.third(btfId);
  return btfDistillFuncProto(btf, protoId, name, log) ?? { btf, protoId, name, funcName: name };
}

/** Source: `bpf_check_attach_target`. */
function checkAttachTarget(subject: Subject): Rejection | AttachTarget {
  const { input, kernel, log } = subject;
  const btfId = input.attachBtfId ?? 0;
  if (btfId === 0) return log.reject('attachNoId', []);
  const target = input.attachProg;
  const btf = target === undefined ? kernel.btf : target.btf;
  if (btf === undefined) return log.reject('attachNoBtf', []);
  if (btfId >= btf.typeCount) return log.reject('attachId', [btfId]);
  const extension = input.type === P.BPF_PROG_TYPE_EXT;
  let conservative = true;
  if (target !== undefined) {
    const subprog = target.funcTypeIds.indexOf(btfId);
    if (subprog < 0) return log.reject('attachNoSubprog', [btf.nameOf(btfId)]);
    conservative = target.unreliable[subprog];
    const refused = checkTargetProgram(subject, target, subprog);
    if (refused !== undefined) return refused;
  } else if (extension) return log.reject('extOfKernel', []);
  if (input.attachType === A.BPF_TRACE_RAW_TP) return checkRawTracepoint(subject, btf, btfId);
  if (input.attachType === A.BPF_TRACE_ITER) return checkIterTarget(subject, btf, btfId);
  if (!extension && !ATTACH_TO_FUNC.has(input.attachType)) return log.reject('attachRefused', []);
  return checkFunctionTarget(subject, btf, btfId, conservative);
}

/** Source: `bpf_lsm_verify_prog`. */
function verifyLsm({ input, log, rules }: Subject, name: string): Rejection | undefined {
  const btfId = input.attachBtfId ?? 0;
  if (!input.gplCompatible) return log.reject('lsmLicense', []);
  if ((rules.disablesLsmHooks && LSM_DISABLED_HOOKS.has(name)) || rules.lsmDisabled.has(name))
    return log.reject('lsmDisabled', [btfId, name]);
  return isLsmHook(name) ? undefined : log.reject('attachTypeName', [btfId, name]);
}

/** Functions programs must not be attached to although their type would do. */
function checkDenied(subject: Subject, attachType: number, { name, funcName }: AttachTarget): Rejection | undefined {
  const { input, log } = subject;
  if (attachType === A.BPF_TRACE_RAW_TP) return undefined;
  if (attachType === A.BPF_TRACE_ITER) return bpfIterProgSupported(name) ? undefined : log.reject('attachRefused', []);
  if (input.type === P.BPF_PROG_TYPE_LSM) return verifyLsm(subject, name);
  if (input.attachProg !== undefined) return undefined;
  if (input.type === P.BPF_PROG_TYPE_TRACING && TRACING_DENIED.has(funcName)) return log.reject('attachRefused', []);
  const changesReturn = attachType === A.BPF_TRACE_FEXIT || attachType === A.BPF_MODIFY_RETURN;
  return changesReturn && NORETURN_DENIED.has(funcName) ? log.reject('attachNoreturn', []) : undefined;
}

function factsOf(subject: Subject, target: AttachTarget, structName?: string): ProgFacts {
  const { input, kernel, caps } = subject;
  const prog = input.attachProg;
  const replaced = input.type === P.BPF_PROG_TYPE_EXT ? prog : undefined;
  return {
    type: replaced?.type ?? input.type,
    rawType: input.type,
    attachType: replaced?.attachType ?? input.attachType,
    sleepable: subject.sleepable,
    gplCompatible: input.gplCompatible,
    flags: input.flags,
    kernelBtf: kernel.btf,
    attachBtf: target.btf,
    attachBtfId: input.attachBtfId ?? 0,
    attachFuncProtoId: target.protoId,
    attachFuncName: target.name,
    attachesToProg: prog !== undefined,
    capBpf: caps.bpf,
    capPerfmon: caps.perfmon,
    capNetAdmin: caps.netAdmin,
    capSysAdmin: caps.sysAdmin,
    jitRequested: subject.jitRequested,
    arch: kernel.arch,
    release: subject.rules.release,
    ...(structName === undefined ? {} : { structOps: { structName, member: target.name } }),
    ...(prog === undefined ? {} : { targetProgType: prog.type }),
  };
}

/**
 * Checks what a program is attached to and gathers what the rules of its type ask about it.
 *
 * Differs from Linux: functions of the kernel's BTF without a symbol are known of some kernels only; whether errors may be
 * injected into a function is known for system calls and a few others only, and only asked of kernels whose BTF has
 * `within_error_injection_list`; that a target's function is an exception callback is not known.
 *
 * Source: `kernel/bpf/verifier.c: check_attach_btf_id`.
 */
export function checkAttachBtfId(
  input: VerifyInput,
  kernel: VerifierKernel,
  options: AttachOptions,
): Rejection | ProgFacts {
  const sleepable = (input.flags & BPF_PROG_FLAGS.BPF_F_SLEEPABLE) !== 0;
  const subject: Subject = { ...options, input, kernel, rules: kernelRules(kernel.version), sleepable };
  const { log } = options;
  const { type } = input;
  if (type === P.BPF_PROG_TYPE_SYSCALL) {
    return sleepable ? factsOf(subject, NOWHERE) : log.reject('syscallSleepable', []);
  }
  if (sleepable && !canBeSleepable(input)) return log.reject('sleepableKinds', []);
  if (type === P.BPF_PROG_TYPE_STRUCT_OPS) {
    const target = checkStructOpsBtfId(subject);
    return 'ok' in target ? target : factsOf(subject, target, target.structName);
  }
  if (type !== P.BPF_PROG_TYPE_TRACING && type !== P.BPF_PROG_TYPE_LSM && type !== P.BPF_PROG_TYPE_EXT) {
    return factsOf(subject, NOWHERE);
  }
  const target = checkAttachTarget(subject);
  if ('ok' in target) return target;
  const facts = factsOf(subject, target);
  return checkDenied(subject, facts.attachType, target) ?? facts;
}
