import type { Btf, BtfFuncProto, BtfType } from '../btf/index.ts';
import {
  baseType,
  bpfLsmIsTrusted,
  MEM_PERCPU,
  MEM_USER,
  PTR_MAYBE_NULL,
  PTR_TO_BTF_ID,
  PTR_TO_BUF,
  PTR_TRUSTED,
  SCALAR_VALUE,
} from '../helpers/index.ts';
import { bpf_attach_type, bpf_prog_type } from '../uapi/index.ts';
import type { CtxAccess, ProgFacts } from './contract.ts';
import { btfTranslateToVmlinux } from './ctx-type.ts';
import { type CtxArgInfo, iterArgInfos } from './iter-targets.ts';
import { RAW_TP_NULL_ARGS } from './raw-tp-null-args.ts';
import { structOpsArgInfos } from './struct-ops-args.ts';

const T = bpf_prog_type;
const A = bpf_attach_type;

/** `MAX_BPF_FUNC_REG_ARGS` */
const REG_ARGS = 5;
const BTF_TRACE_PREFIX = 'btf_trace_';

const roundUp8 = (bytes: number): number => Math.ceil(bytes / 8) * 8;

/** As the log names kinds (`btf_type_str`). */
export const btfKindText = (type: BtfType): string => (type.kind === 'VOID' ? 'UNKNOWN' : type.kind);
/** As the log names types (`__btf_name_by_offset`). */
export const btfNameText = (name: string): string => (name === '' ? '(anon)' : name);

/** `t->size` of a type without modifiers; 0 for void. */
function sizeField(type: BtfType): number {
  switch (type.kind) {
    case 'INT':
    case 'STRUCT':
    case 'UNION':
    case 'ENUM':
    case 'ENUM64':
    case 'FLOAT':
      return type.sizeBytes;
    default:
      return 0;
  }
}

const slotBytes = (type: BtfType): number => (type.kind === 'PTR' ? 8 : roundUp8(sizeField(type)));

/** Which argument lies at an offset of the context; beyond the last comes what the function returned. Source: `get_ctx_arg_idx`. */
function getCtxArgIdx(btf: Btf | undefined, proto: BtfFuncProto | undefined, off: number): number {
  if (btf === undefined || proto === undefined) return Math.floor(off / 8);
  let offset = 0;
  for (let i = 0; i < proto.params.length; i++) {
    offset += slotBytes(btf.typeById(btf.skipModifiers(proto.params[i].typeId)));
    if (off < offset) return i;
  }
  offset += slotBytes(btf.typeById(btf.skipModifiers(proto.returnTypeId)));
  return off < offset ? proto.params.length : proto.params.length + 1;
}

/** Whether pointers among the arguments are trusted. Source: `prog_args_trusted`. */
function progArgsTrusted(prog: ProgFacts): boolean {
  switch (prog.type) {
    case T.BPF_PROG_TYPE_TRACING:
      return prog.attachType === A.BPF_TRACE_RAW_TP || prog.attachType === A.BPF_TRACE_ITER;
    case T.BPF_PROG_TYPE_LSM:
      return bpfLsmIsTrusted(prog.attachFuncName);
    case T.BPF_PROG_TYPE_STRUCT_OPS:
      return true;
    default:
      return false;
  }
}

/** What is known of arguments beyond their types (`prog->aux->ctx_arg_info`). */
function ctxArgInfos(prog: ProgFacts): readonly CtxArgInfo[] {
  if (prog.type === T.BPF_PROG_TYPE_STRUCT_OPS) return structOpsArgInfos(prog);
  if (prog.type === T.BPF_PROG_TYPE_TRACING && prog.attachType === A.BPF_TRACE_ITER) return iterArgInfos(prog);
  return [];
}

const ALLOWED = 'allowed';
const REFUSED = 'refused';

/** The type behind the last argument: what the function returned. */
function retvalType(
  prog: ProgFacts,
  proto: BtfFuncProto | undefined,
  btf: Btf | undefined,
  arg: number,
  access: CtxAccess,
): BtfType | typeof ALLOWED | typeof REFUSED {
  switch (prog.attachType) {
    case A.BPF_LSM_MAC:
    case A.BPF_LSM_CGROUP:
    case A.BPF_TRACE_FEXIT:
      if (prog.attachType === A.BPF_LSM_MAC) access.isRetval = true;
      return proto === undefined || btf === undefined ? ALLOWED : btf.typeById(proto.returnTypeId);
    case A.BPF_MODIFY_RETURN: {
      if (proto === undefined || btf === undefined) return REFUSED;
      const type = btf.typeById(btf.skipModifiers(proto.returnTypeId));
      if (type.kind === 'INT' && type.sizeBytes <= 8) return type;
      access.log(`ret type ${btfKindText(type)} not allowed for fmod_ret`);
      return REFUSED;
    }
    default:
      access.log(`func '${prog.attachFuncName}' doesn't have ${arg + 1}-th argument`);
      return REFUSED;
  }
}

/**
 * Accesses to contexts that are the arguments of a function: what the argument's type makes of the loaded value.
 *
 * Source: `kernel/bpf/btf.c: btf_ctx_access`.
 */
export function btfCtxAccess(off: number, size: number, _write: boolean, prog: ProgFacts, access: CtxAccess): boolean {
  const name = prog.attachFuncName;
  const { log } = access;
  const btf = prog.attachBtf ?? prog.kernelBtf;
  const protoType =
    btf === undefined || prog.attachFuncProtoId === 0 ? undefined : btf.typeById(prog.attachFuncProtoId);
  const proto = protoType?.kind === 'FUNC_PROTO' ? protoType : undefined;

  if (off % 8 !== 0) {
    log(`func '${name}' offset ${off} is not multiple of 8`);
    return false;
  }
  const arg = getCtxArgIdx(btf, proto, off);
  // Tracepoints are typedefs whose first parameter is the probe's own data.
  const skip = isTracepoint(prog) ? 1 : 0;
  const argCount = (proto === undefined ? REG_ARGS : proto.params.length) - skip;
  if (arg > argCount) {
    log(`func '${name}' doesn't have ${arg + 1}-th argument`);
    return false;
  }

  let type: BtfType;
  let paramName = '';
  if (arg === argCount) {
    const found = retvalType(prog, proto, btf, arg, access);
    if (found === ALLOWED) return true;
    if (found === REFUSED) return false;
    type = found;
  } else {
    if (proto === undefined || btf === undefined) return true;
    const param = proto.params[arg + skip];
    paramName = param.name;
    type = btf.typeById(param.typeId);
  }
  if (btf === undefined) return true;
  type = btf.typeById(btf.skipModifiers(type.id));
  if (isScalar(type)) return true;
  if (type.kind !== 'PTR') {
    log(
      `func '${name}' arg${arg} '${btfNameText(type.name)}' has type ${btfKindText(type)}. Only pointer access is allowed`,
    );
    return false;
  }
  if (size !== 8) {
    log(`func '${name}' size ${size} must be 8`);
    return false;
  }
  const infos = ctxArgInfos(prog);
  const info = infos.find(({ offBytes }) => offBytes === off);
  if (info !== undefined && baseType(info.regType) === PTR_TO_BUF && (info.regType & PTR_MAYBE_NULL) !== 0) {
    access.regType = info.regType;
    return true;
  }
  // Pointers to void and to integers are numbers to the verifier.
  if (type.typeId === 0 || btf.kindOf(btf.skipModifiers(type.typeId)) === 'INT') return true;
  if (info !== undefined) {
    if (info.btfId === 0) {
      log(`invalid btf_id for context argument offset ${off}`);
      return false;
    }
    access.regType = info.regType;
    access.btf = info.btf ?? prog.kernelBtf;
    access.btfId = info.btfId;
    return true;
  }

  let regType = PTR_TO_BTF_ID;
  if (progArgsTrusted(prog)) regType |= PTR_TRUSTED;
  if (paramName.endsWith('__nullable')) regType |= PTR_MAYBE_NULL;
  let mayBeError = false;
  if (prog.attachType === A.BPF_TRACE_RAW_TP) {
    const mask = RAW_TP_NULL_ARGS.get(btf.nameOf(prog.attachBtfId).slice(BTF_TRACE_PREFIX.length));
    if (mask === undefined) {
      if (btf.base !== undefined) regType |= PTR_MAYBE_NULL;
    } else {
      // Masks have at most five nibbles.
      const nibble = arg < 8 ? (mask >>> (arg * 4)) & 0xf : 0;
      if ((nibble & 1) !== 0) regType |= PTR_MAYBE_NULL;
      mayBeError = (nibble & 2) !== 0;
    }
  }
  access.regType = regType;

  if (prog.attachesToProg) {
    const id = btfTranslateToVmlinux(access.log, btf, type.id, prog.targetProgType ?? prog.type, prog.kernelBtf);
    if (id <= 0) return false;
    access.btf = prog.kernelBtf;
    access.btfId = id;
    return true;
  }
  return pointee(btf, type.typeId, prog, arg, access, mayBeError);
}

/** The struct a pointer argument points to. */
function pointee(
  btf: Btf,
  typeId: number,
  prog: ProgFacts,
  arg: number,
  access: CtxAccess,
  mayBeError: boolean,
): boolean {
  const name = prog.attachFuncName;
  let type = btf.typeById(typeId);
  access.btf = btf;
  access.btfId = typeId;
  if (type.kind === 'TYPE_TAG') {
    if (type.name === 'user') access.regType |= MEM_USER;
    if (type.name === 'percpu') access.regType |= MEM_PERCPU;
  }
  access.btfId = btf.skipModifiers(typeId);
  type = btf.typeById(access.btfId);
  if (type.kind !== 'STRUCT' && type.kind !== 'UNION') {
    access.log(`func '${name}' arg${arg} type ${btfKindText(type)} is not a struct`);
    return false;
  }
  access.log(
    `func '${name}' arg${arg} has btf_id ${access.btfId} type ${btfKindText(type)} '${btfNameText(type.name)}'`,
  );
  if (mayBeError) {
    (access.logText ?? access.log)(`marking pointer arg${arg} as scalar as it may encode error`);
    access.regType = SCALAR_VALUE;
  }
  return true;
}

/** `prog->aux->attach_btf_trace` */
const isTracepoint = (prog: ProgFacts): boolean =>
  prog.type !== T.BPF_PROG_TYPE_STRUCT_OPS && prog.attachType === A.BPF_TRACE_RAW_TP;

function isScalar(type: BtfType): boolean {
  return (
    (type.kind === 'INT' && type.sizeBytes <= 8) ||
    type.kind === 'ENUM' ||
    type.kind === 'ENUM64' ||
    type.kind === 'STRUCT'
  );
}
