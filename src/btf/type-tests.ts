import type { Btf } from './btf.ts';
import { isIn, K, kindMask, MODIFIER_MASK } from './kind.ts';

// Questions about a type by its id, without making it an object. Ids are not checked: `openBtf` checked those in types.

const STRUCT_LIKE = kindMask(K.STRUCT, K.UNION);

/** A typedef, qualifier or type tag. Source: `kernel/bpf/btf.c: btf_type_is_modifier`. */
export const btfIsModifier = (btf: Btf, id: number): boolean => isIn(MODIFIER_MASK, btf.types.kind(id));
export const btfIsPtr = (btf: Btf, id: number): boolean => btf.types.kind(id) === K.PTR;
/** Struct or union. Source: `btf_type_is_struct`. */
export const btfIsStructLike = (btf: Btf, id: number): boolean => isIn(STRUCT_LIKE, btf.types.kind(id));

/** {@link Btf.skipModifiers} that never throws: in a loop, which no kernel takes, it ends at one of its types. */
export function underModifiers(btf: Btf, id: number): number {
  for (let left = btf.typeCount; left > 0 && btfIsModifier(btf, id); left--) id = btf.types.third(id);
  return id;
}

/** The same, but typedefs stay. */
export function underQualifiers(btf: Btf, id: number): number {
  for (let left = btf.typeCount; left > 0 && btfIsModifier(btf, id) && btf.types.kind(id) !== K.TYPEDEF; left--)
    id = btf.types.third(id);
  return id;
}
