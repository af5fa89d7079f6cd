import { type Btf, btfIsPtr, underModifiers } from '../../btf/index.ts';

const ITER_PREFIX = 'bpf_iter_';

/**
 * Id of the `struct bpf_iter_…` an argument of a function points to; 0 where it points to something else.
 * Source: `kernel/bpf/btf.c: btf_check_iter_arg`.
 */
export function btfCheckIterArg(btf: Btf, protoId: number, argIdx: number): number {
  if (btf.types.vlen(protoId) <= argIdx) return 0;
  const typeId = underModifiers(btf, btf.types.item(protoId, argIdx, 1));
  if (!btfIsPtr(btf, typeId)) return 0;
  const id = underModifiers(btf, btf.types.third(typeId));
  return btf.kindOf(id) === 'STRUCT' && btf.nameOf(id).startsWith(ITER_PREFIX) ? id : 0;
}
