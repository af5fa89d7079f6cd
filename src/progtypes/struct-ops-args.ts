import type { Btf, BtfFuncProto } from '../btf/index.ts';
import { PTR_MAYBE_NULL, PTR_TO_BTF_ID, PTR_TRUSTED } from '../helpers/index.ts';
import type { ProgFacts } from './contract.ts';
import type { CtxArgInfo } from './iter-targets.ts';

const SUFFIX = '__nullable';
const CACHE = new WeakMap<Btf, Map<string, readonly CtxArgInfo[]>>();

/**
 * Arguments of a struct_ops member that may be null: those the kernel's stub function `<struct>__<member>` names
 * `…__nullable`.
 *
 * Differs from Linux: stubs are found by that name, where Linux has their addresses; stubs called otherwise name no
 * argument so in 6.12.
 *
 * Source: `kernel/bpf/bpf_struct_ops.c: prepare_arg_info`.
 */
export function structOpsArgInfos(prog: ProgFacts): readonly CtxArgInfo[] {
  const btf = prog.attachBtf ?? prog.kernelBtf;
  if (btf === undefined || prog.structOps === undefined) return [];
  const stub = `${prog.structOps.structName}__${prog.structOps.member}`;
  let infos = CACHE.get(btf);
  if (infos === undefined) CACHE.set(btf, (infos = new Map()));
  let found = infos.get(stub);
  if (found === undefined) infos.set(stub, (found = argInfos(btf, stub, prog.attachFuncProtoId)));
  return found;
}

function argInfos(btf: Btf, stub: string, protoId: number): readonly CtxArgInfo[] {
  const func = btf.typeById(btf.findByName(stub, 'FUNC'));
  const proto = btf.typeById(protoId);
  if (func.kind !== 'FUNC' || proto.kind !== 'FUNC_PROTO') return [];
  const { params } = btf.typeById(func.typeId) as BtfFuncProto;
  if (params.length !== proto.params.length) return [];
  const found: CtxArgInfo[] = [];
  let offBytes = 0;
  for (let i = 0; i < params.length; i++) {
    const { typeId } = proto.params[i];
    if (params[i].name.endsWith(SUFFIX)) {
      const pointer = btf.typeById(btf.skipModifiers(typeId));
      if (pointer.kind !== 'PTR') return [];
      const btfId = btf.skipModifiers(pointer.typeId);
      found.push({ offBytes, regType: PTR_TRUSTED | PTR_TO_BTF_ID | PTR_MAYBE_NULL, btf, btfId });
    }
    const size = btf.trySizeOf(typeId);
    offBytes += typeof size === 'number' ? Math.ceil(size / 8) * 8 : 0;
  }
  return found;
}
