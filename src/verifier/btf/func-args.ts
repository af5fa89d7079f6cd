import { type Btf, btfIsPtr, essentialName, kindName, underModifiers } from '../../btf/index.ts';
import {
  ARG_ANYTHING,
  ARG_PTR_TO_ARENA,
  ARG_PTR_TO_BTF_ID,
  ARG_PTR_TO_CTX,
  ARG_PTR_TO_DYNPTR,
  ARG_PTR_TO_MEM,
  MEM_RDONLY,
  PTR_MAYBE_NULL,
  PTR_TRUSTED,
} from '../../helpers/index.ts';
import { btfIsProgCtxType } from '../../progtypes/index.ts';
import { ERRNO } from '../../uapi/index.ts';
import { subprogIsGlobal } from '../check/subprog-facts.ts';
import type { VerifierEnv } from '../env.ts';
import type { SubprogArg } from '../subprogs.ts';
import { btfFindNextDeclTag } from './decl-tags.ts';
import { btfIsDynptrPtr, btfValidateProgCtxType } from './prog-ctx-type.ts';
import { btfResolveSize, btfTypeStr } from './resolve-size.ts';

/** Arguments that fit registers (`MAX_BPF_FUNC_REG_ARGS`). */
const MAX_ARGS = 5;
const { EINVAL, EFAULT, EOPNOTSUPP, ENOENT, ESRCH } = ERRNO;

const isNumber = (btf: Btf, id: number): boolean => {
  const kind = kindName(btf.types.kind(id));
  return kind === 'INT' || kind === 'ENUM' || kind === 'ENUM64';
};

/** What `arg:` declaration tags may say. */
const TAGS = ['ctx', 'trusted', 'nonnull', 'nullable', 'arena'] as const;
type Tag = (typeof TAGS)[number];

/**
 * The one struct of the kernel that a pointer of the program's BTF means, by name without flavor; a negative errno, after
 * saying so, where there is none or more than one. Source: `btf_get_ptr_to_btf_id`.
 */
function ptrToBtfId(env: VerifierEnv, arg: number, btf: Btf, ptrId: number): number {
  const id = underModifiers(btf, btf.types.third(ptrId));
  const name = btf.nameOf(id);
  const kernelBtf = env.kernel.btf;
  if (kernelBtf === undefined || name === '') {
    env.say('argReferenceError', arg, btfTypeStr(btf, id), name, -EINVAL);
    return -EINVAL;
  }
  const kind = btf.kindOf(id);
  const found = kernelBtf.allByEssentialName(essentialName(name)).filter(match => kernelBtf.kindOf(match) === kind);
  if (found.length === 1) return found[0];
  const none = found.length === 0;
  env.say('argReferenceMatch', arg, btfTypeStr(btf, id), name, none ? 'has no matches' : 'is ambiguous');
  return none ? -ENOENT : -ESRCH;
}

/**
 * Makes of a function's prototype what its arguments have to be, once (`subprog.args`). Gives 0, or a positive errno
 * after saying why; for static functions most reasons have no words, since nobody minds.
 *
 * Source: `kernel/bpf/btf.c: btf_prepare_func_args`.
 */
export function btfPrepareFuncArgs(env: VerifierEnv, subprogno: number): number {
  const sub = env.subprogInfo(subprogno);
  if (sub.args !== undefined) return 0;
  if (sub.func === undefined) return EFAULT;
  const isGlobal = subprogIsGlobal(env, subprogno);
  const { btf, typeId } = sub.func;
  if (sub.unreliable) {
    env.verbose(`Verifier bug in function ${btf.nameOf(typeId)}()\n`);
    return EFAULT;
  }
  const { types } = btf;
  const proto = types.third(typeId);
  const count = types.vlen(proto);
  const name = btf.nameOf(typeId);
  if (count > MAX_ARGS) {
    if (isGlobal) env.say('globalManyArgs', name, count, MAX_ARGS);
    return EINVAL;
  }
  if (!isNumber(btf, underModifiers(btf, types.third(proto)))) {
    if (isGlobal) env.say('globalReturn', name);
    return EINVAL;
  }
  const args: SubprogArg[] = [];
  for (let i = 0; i < count; i++) {
    const arg = prepareArg(env, btf, typeId, i, types.item(proto, i, 1), isGlobal, name);
    if (typeof arg === 'number') return arg;
    args.push(arg);
  }
  sub.args = args;
  return 0;
}

function prepareArg(
  env: VerifierEnv,
  btf: Btf,
  funcId: number,
  i: number,
  argTypeId: number,
  isGlobal: boolean,
  name: string,
): SubprogArg | number {
  const tags = new Set<Tag>();
  for (let tagId = 0; ; ) {
    tagId = btfFindNextDeclTag(btf, funcId, i, 'arg:', tagId);
    if (tagId === 0) break;
    const tag = btf.nameOf(tagId).slice('arg:'.length);
    if (!isGlobal) {
      env.say('argTagStatic', i);
      return EOPNOTSUPP;
    }
    const known = TAGS.find(candidate => candidate === tag);
    if (known === undefined) {
      env.say('argTagUnknown', i);
      return EOPNOTSUPP;
    }
    tags.add(known);
  }
  const only = (tag: Tag): boolean => tags.size === (tags.has(tag) ? 1 : 0);
  const combination = (): number => {
    env.say('argTagCombination', i);
    return EINVAL;
  };
  const id = underModifiers(btf, argTypeId);
  if (btfIsPtr(btf, id)) {
    const { type, attachType } = env.prog;
    if (tags.has('ctx') || btfIsProgCtxType(line => env.log.print(line), btf, id, type, env.kernel.btf)) {
      if (!only('ctx')) return combination();
      if (tags.has('ctx') && !btfValidateProgCtxType(env, btf, id, i, type, attachType)) return EINVAL;
      return { argType: ARG_PTR_TO_CTX, memSize: 0, btfId: 0 };
    }
    if (btfIsDynptrPtr(btf, id)) {
      return tags.size > 0 ? combination() : { argType: ARG_PTR_TO_DYNPTR | MEM_RDONLY, memSize: 0, btfId: 0 };
    }
    if (tags.has('trusted')) {
      if (tags.has('nonnull')) return combination();
      const btfId = ptrToBtfId(env, i, btf, id);
      if (btfId < 0) return -btfId;
      const nullable = tags.has('nullable') ? PTR_MAYBE_NULL : 0;
      return { argType: ARG_PTR_TO_BTF_ID | PTR_TRUSTED | nullable, memSize: 0, btfId };
    }
    if (tags.has('arena')) {
      if (only('arena')) return { argType: ARG_PTR_TO_ARENA, memSize: 0, btfId: 0 };
      env.say('argArenaCombination', i);
      return EINVAL;
    }
    if (isGlobal) {
      if (tags.has('nullable')) return combination();
      const target = underModifiers(btf, btf.types.third(id));
      const memSize = btfResolveSize(btf, target);
      if (memSize < 0) {
        env.say('argReferenceSize', i, btfTypeStr(btf, target), btf.nameOf(target), memSize);
        return EINVAL;
      }
      return { argType: ARG_PTR_TO_MEM | (tags.has('nonnull') ? 0 : PTR_MAYBE_NULL), memSize, btfId: 0 };
    }
  }
  if (tags.size > 0) {
    env.say('argNotPointerTag', i);
    return EINVAL;
  }
  if (isNumber(btf, id)) return { argType: ARG_ANYTHING, memSize: 0, btfId: 0 };
  if (isGlobal) env.say('argTypeUnsupported', i, btfTypeStr(btf, id), name);
  return EINVAL;
}
