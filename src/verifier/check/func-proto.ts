import {
  ARG_CONST_SIZE,
  ARG_CONST_SIZE_OR_ZERO,
  ARG_DONTCARE,
  ARG_PTR_TO_BTF_ID,
  ARG_PTR_TO_MEM,
  ARG_PTR_TO_SPIN_LOCK,
  ARG_TYPES,
  type ArgProto,
  baseType,
  type HelperProto,
  MEM_FIXED_SIZE,
  MEM_UNINIT,
  RET_TYPES,
  TYPE_FLAGS,
  type TypeFlag,
} from '../../helpers/index.ts';
import type { VerifierEnv } from '../env.ts';

/** Registers a helper takes arguments in, from R1 (`MAX_BPF_FUNC_REG_ARGS`). */
export const MAX_BPF_FUNC_REG_ARGS = 5;

/** Which struct it is, the place decides (`BPF_PTR_POISON`). */
export const ANY_STRUCT = '';

/** A helper's contract as numbers (`struct bpf_func_proto`). */
export interface FuncProto {
  /** `ARG_*` with flags; ARG_DONTCARE past the last. */
  readonly argType: readonly number[];
  /** Bytes of MEM_FIXED_SIZE arguments; 0 for others. */
  readonly argSize: readonly number[];
  /** Kernel struct the argument points to, or {@link ANY_STRUCT}; undefined where no struct is asked for. */
  readonly argBtf: readonly (string | undefined)[];
  /** `RET_*` with flags. */
  readonly retType: number;
  /** Kernel struct returned; {@link ANY_STRUCT} where the arguments say. */
  readonly retBtf: string;
  readonly gplOnly: boolean;
  readonly pktAccess: boolean;
  readonly mightSleep: boolean;
  readonly allowed: HelperProto['allowed'];
  /** The contract makes sense, see {@link checkFuncProto}. */
  readonly ok: boolean;
}

const flagsOf = (flags: readonly TypeFlag[] | undefined): number =>
  flags === undefined ? 0 : flags.reduce((mask, flag) => mask | TYPE_FLAGS[flag], 0);

const isBtfArg = (type: number): boolean =>
  baseType(type) === ARG_PTR_TO_BTF_ID || baseType(type) === ARG_PTR_TO_SPIN_LOCK;

function compile(proto: HelperProto): FuncProto {
  const args: (ArgProto | undefined)[] = [];
  for (let i = 0; i < MAX_BPF_FUNC_REG_ARGS; i++) args.push(proto.args[i]);
  const argType = args.map(arg => (arg === undefined ? ARG_DONTCARE : ARG_TYPES[arg.type] | flagsOf(arg.flags)));
  const made = {
    argType,
    argSize: args.map(arg => arg?.sizeBytes ?? 0),
    argBtf: args.map((arg, i) => (isBtfArg(argType[i]) ? (arg?.btfName ?? ANY_STRUCT) : undefined)),
    retType: RET_TYPES[proto.ret] | flagsOf(proto.retFlags),
    retBtf: proto.retBtfName ?? ANY_STRUCT,
    gplOnly: proto.gplOnly === true,
    pktAccess: proto.pktAccess === true,
    mightSleep: proto.mightSleep === true,
    allowed: proto.allowed,
  };
  return { ...made, ok: checkFuncProto(made.argType, made.argSize) };
}

const COMPILED = new WeakMap<HelperProto, FuncProto>();

/** The contract as numbers; made once. */
export function funcProtoOf(proto: HelperProto): FuncProto {
  let made = COMPILED.get(proto);
  if (made === undefined) {
    made = compile(proto);
    COMPILED.set(proto, made);
  }
  return made;
}

/** Id of a struct in the kernel's BTF; 0 if it is not there. */
export const kernelStructId = (env: VerifierEnv, name: string): number =>
  env.kernel.btf?.findByName(name, 'STRUCT') ?? 0;

/** Source: `arg_type_is_mem_size`. */
const argTypeIsMemSize = (type: number): boolean => type === ARG_CONST_SIZE || type === ARG_CONST_SIZE_OR_ZERO;
/** Source: `arg_type_is_raw_mem`. */
const argTypeIsRawMem = (type: number): boolean => baseType(type) === ARG_PTR_TO_MEM && (type & MEM_UNINIT) !== 0;

/** Source: `check_args_pair_invalid`. */
function checkArgsPairInvalid(argType: readonly number[], argSize: readonly number[], arg: number): boolean {
  const isFixed = (argType[arg] & MEM_FIXED_SIZE) !== 0;
  const hasSize = argSize[arg] !== 0;
  const isNextSize = arg + 1 < argType.length && argTypeIsMemSize(argType[arg + 1]);
  if (baseType(argType[arg]) !== ARG_PTR_TO_MEM) return isNextSize;
  return hasSize === isNextSize || isNextSize === isFixed;
}

/**
 * Whether a contract makes sense: every size belongs to memory, memory is of a fixed size or has one, and at most one
 * argument is memory the helper fills. Source: `check_func_proto`.
 */
export function checkFuncProto(argType: readonly number[], argSize: readonly number[]): boolean {
  return (
    argType.filter(argTypeIsRawMem).length <= 1 &&
    !argTypeIsMemSize(argType[0]) &&
    !argType.some((_type, i) => checkArgsPairInvalid(argType, argSize, i))
  );
}
