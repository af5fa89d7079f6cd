import { btfIsStructLike } from '../../btf/index.ts';
import { baseType, PTR_TO_BTF_ID, SCALAR_VALUE } from '../../helpers/index.ts';
import { btfIsProgCtxType } from '../../progtypes/index.ts';
import { btfTypeStr } from '../btf/resolve-size.ts';
import { btfIsScalar, btfTypeIsScalarStruct } from '../btf/scalar-struct.ts';
import type { VerifierEnv } from '../env.ts';
import { registerIsNull } from '../state/marks.ts';
import type { RegState } from '../state/reg.ts';
import { isKfuncArgIter } from './iter.ts';
import type { KfuncCallArgMeta, KfuncParam } from './kfunc-meta.ts';
import { reg2btfName } from './pointer-kinds.ts';

/** What a pointer argument of a kernel function is to be (`enum kfunc_ptr_arg_type`). */
export type KfuncArgKind =
  | 'ctx'
  | 'alloc-btf-id'
  | 'refcounted-kptr'
  | 'dynptr'
  | 'iter'
  | 'list-head'
  | 'list-node'
  | 'btf-id'
  | 'mem'
  | 'mem-size'
  | 'callback'
  | 'rb-root'
  | 'rb-node'
  | 'null'
  | 'const-str'
  | 'map'
  | 'wq';

/** Kinds by the struct pointed to, in the order they are tried: before and after the suffixes `__str` and `__map`. */
const BY_STRUCT: Readonly<Record<string, KfuncArgKind>> = {
  bpf_list_head: 'list-head',
  bpf_list_node: 'list-node',
  bpf_rb_root: 'rb-root',
  bpf_rb_node: 'rb-node',
};

/** The size of the memory the argument before points to. Source: `is_kfunc_arg_mem_size, is_kfunc_arg_const_mem_size`. */
const isMemSize = (param: KfuncParam, reg: RegState, suffix: '__sz' | '__szk'): boolean =>
  param.kind === 'scalar' && reg.type === SCALAR_VALUE && param.suffix === suffix;

/** A size that has to be a constant, because what the function returns depends on it. */
export const isConstMemSize = (param: KfuncParam, reg: RegState): boolean => isMemSize(param, reg, '__szk');

/**
 * What a pointer argument is, by its type and name and, where these leave it open, by what is passed. Refuses types that
 * no kind fits. Source: `kernel/bpf/verifier.c: get_kfunc_ptr_arg_type`.
 */
export function getKfuncPtrArgType(env: VerifierEnv, meta: KfuncCallArgMeta, argno: number): KfuncArgKind {
  const { btf, proto } = meta;
  const param = proto.params[argno];
  const { regs } = env;
  const reg = regs[argno + 1];
  if (meta.funcName === 'bpf_cast_to_kern_ctx') return 'ctx';
  if (btfIsProgCtxType(line => env.log.print(line), btf, param.typeId, env.prog.type, env.kernel.btf)) return 'ctx';
  if (param.suffix === '__nullable' && registerIsNull(reg)) return 'null';
  if (param.suffix === '__alloc') return 'alloc-btf-id';
  if (param.suffix === '__refcounted_kptr') return 'refcounted-kptr';
  if (param.special === 'bpf_dynptr') return 'dynptr';
  if (isKfuncArgIter(meta, argno)) return 'iter';
  const byStruct = BY_STRUCT[param.special];
  if (byStruct !== undefined) return byStruct;
  if (param.suffix === '__str') return 'const-str';
  if (param.suffix === '__map') return 'map';
  if (param.special === 'bpf_wq') return 'wq';
  const pointee = param.pointeeId;
  if (baseType(reg.type) === PTR_TO_BTF_ID || reg2btfName(reg.type) !== undefined) {
    if (pointee === 0 || !btfIsStructLike(btf, pointee)) {
      env.refuse('kfuncArgStruct', meta.funcName, argno, btfTypeStr(btf, pointee), btf.nameOf(pointee));
    }
    return 'btf-id';
  }
  if (param.callback) return 'callback';
  const next = proto.params[argno + 1];
  const sized =
    next !== undefined && (isMemSize(next, regs[argno + 2], '__sz') || isMemSize(next, regs[argno + 2], '__szk'));
  if (!btfIsScalar(btf, pointee) && !btfTypeIsScalarStruct(env, btf, pointee) && !(sized && pointee === 0)) {
    const kind = btfTypeStr(btf, pointee);
    env.refuse('kfuncArgMustPoint', argno, kind, btf.nameOf(pointee), sized ? 'void, ' : '');
  }
  return sized ? 'mem-size' : 'mem';
}
