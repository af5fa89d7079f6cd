import { type Btf, kindNumber } from '../../btf/index.ts';
import { MEM_PERCPU, MEM_RCU, MEM_USER, PTR_UNTRUSTED } from '../../helpers/index.ts';
import { ERRNO } from '../../uapi/index.ts';
import type { VerifierEnv } from '../env.ts';

const INT = kindNumber('INT');
const PTR = kindNumber('PTR');
const ARRAY = kindNumber('ARRAY');
const STRUCT = kindNumber('STRUCT');
const UNION = kindNumber('UNION');
const TYPE_TAG = kindNumber('TYPE_TAG');
const MODIFIERS: ReadonlySet<number> = new Set(
  (['TYPEDEF', 'VOLATILE', 'CONST', 'RESTRICT', 'TYPE_TAG'] as const).map(kindNumber),
);
const SIZED: ReadonlySet<number> = new Set(
  (['INT', 'STRUCT', 'UNION', 'ENUM', 'FLOAT', 'ENUM64'] as const).map(kindNumber),
);

const POINTER_BYTES = 8;
const U32_MAX = 0xffffffff;
const MAX_RESOLVE_DEPTH = 32;
/** Structs within structs: no BTF the kernel takes has more. */
export const MAX_NESTING = 64;

/** What a walk ended at (`enum bpf_struct_walk_result`). */
export const WALK_SCALAR = 0;
export const WALK_PTR = 1;
export const WALK_STRUCT = 2;

/** What a walk finds besides; flags are gathered over several walks. */
export class StructWalk {
  /** WALK_PTR: the struct pointed to. WALK_STRUCT: the struct that begins there. */
  btfId = 0;
  flag = 0;
  /** WALK_PTR: name of the pointer. */
  fieldName = '';
}

const isStruct = (kind: number): boolean => kind === STRUCT || kind === UNION;

/** Name of a type or member in messages. Source: `__btf_name_by_offset`. */
const nameAt = (btf: Btf, off: number): string => (off === 0 ? '(anon)' : (btf.strings.at(off) ?? '(anon)'));

/** A member's type as `__btf_resolve_size` of `kernel/bpf/btf.c` resolves it. */
const member = {
  size: 0,
  /** The outermost array, or the type under the qualifiers. */
  typeId: 0,
  /** Under the qualifiers of an array's elements. */
  elemTypeId: 0,
  /** As the innermost array names it; 0 without arrays. */
  elemId: 0,
  nelems: 1,
  /** The last type a qualifier led to; the member's own without qualifiers. */
  id: 0,
};

function resolveMember(btf: Btf, typeId: number): boolean {
  const { types } = btf;
  let id = typeId;
  let arrayId = 0;
  member.elemId = 0;
  member.nelems = 1;
  member.id = typeId;
  for (let i = 0; i < MAX_RESOLVE_DEPTH; i++) {
    const kind = types.kind(id);
    if (SIZED.has(kind) || kind === PTR) {
      const size = kind === PTR ? POINTER_BYTES : types.third(id);
      if (size * member.nelems > U32_MAX) return false;
      member.size = size * member.nelems;
      member.elemTypeId = id;
      member.typeId = arrayId === 0 ? id : arrayId;
      return true;
    }
    if (MODIFIERS.has(kind)) {
      id = types.third(id);
      member.id = id;
    } else if (kind === ARRAY) {
      if (arrayId === 0) arrayId = id;
      const nelems = types.extra(id, 2);
      if (member.nelems * nelems > U32_MAX) return false;
      member.nelems *= nelems;
      id = types.extra(id, 0);
      member.elemId = id;
    } else {
      return false;
    }
  }
  return false;
}

const TAG_FLAGS: ReadonlyMap<string, number> = new Map([
  ['user', MEM_USER],
  ['percpu', MEM_PERCPU],
  ['rcu', MEM_RCU],
]);

/** An access beyond the struct: into an array without length at its end. The element's type, or 0. */
function flexibleElement(btf: Btf, structId: number, off: number): number {
  const { types } = btf;
  const count = types.vlen(structId);
  if (count === 0) return 0;
  const array = btf.skipModifiers(types.item(structId, count - 1, 1));
  if (types.kind(array) !== ARRAY || types.extra(array, 2) !== 0) return 0;
  if (off >>> 0 < types.memberBitOffset(structId, count - 1) >>> 3) return 0;
  const elem = btf.skipModifiers(types.extra(array, 0));
  const kind = types.kind(elem);
  return kind === INT || (isStruct(kind) && types.third(elem) !== 0) ? elem : 0;
}

/**
 * Finds what `size` bytes at `off` of a struct are, down through the structs inside it: a number, a pointer to a struct,
 * or a struct that begins there. Says what is wrong with the access where it is none of them.
 *
 * Source: `kernel/bpf/btf.c: btf_struct_walk`.
 * @returns `WALK_*`, or a negative errno
 */
export function btfStructWalk(
  env: VerifierEnv,
  btf: Btf,
  typeId: number,
  off: number,
  size: number,
  walk: StructWalk,
): number {
  const { types } = btf;
  let id = typeId;
  again: for (let depth = 0; depth < MAX_NESTING; depth++) {
    id = btf.skipModifiers(id);
    const kind = types.kind(id);
    const name = types.nameOff(id);
    if (!isStruct(kind)) {
      env.say('structWalkNoStruct', nameAt(btf, name));
      return -ERRNO.EINVAL;
    }
    const count = types.vlen(id);
    // Which member of a union is in use, nobody knows.
    if (kind === UNION && count !== 1) walk.flag |= PTR_UNTRUSTED;

    if ((off + size) >>> 0 > types.third(id)) {
      const elem = flexibleElement(btf, id, off);
      if (elem === 0) {
        env.say('structWalkBeyond', nameAt(btf, name), off >>> 0, size >>> 0);
        return -ERRNO.EACCES;
      }
      if (types.kind(elem) === INT) return WALK_SCALAR;
      off = ((off - (types.memberBitOffset(id, count - 1) >>> 3)) >>> 0) % types.third(elem);
      id = elem;
      continue;
    }

    for (let i = 0; i < count; i++) {
      const bitOff = types.memberBitOffset(id, i);
      let start = bitOff >>> 3;
      if (off + size <= start) break;
      const bits = types.memberBitSize(id, i);
      if (bits !== 0) {
        // Unnamed bit-fields before it are no members, so it may be in the middle of what is read.
        if (off <= start && (bitOff + bits + 7) >>> 3 <= off + size) return WALK_SCALAR;
        continue;
      }
      if (off < start) break;
      const fieldName = types.item(id, i, 0);
      if (!resolveMember(btf, types.item(id, i, 1))) {
        env.say('structWalkNoSize', nameAt(btf, fieldName));
        return -ERRNO.EFAULT;
      }
      const end = start + member.size;
      if (off >= end) continue;
      let fieldSize = member.size;
      let fieldId = member.typeId;
      let nestedId = member.id;
      if (types.kind(fieldId) === ARRAY) {
        if (start === end) continue;
        fieldSize = Math.trunc(fieldSize / member.nelems);
        start += Math.trunc((off - start) / fieldSize) * fieldSize;
        fieldId = member.elemTypeId;
        nestedId = member.elemId;
      }
      const fieldKind = types.kind(fieldId);
      if (isStruct(fieldKind)) {
        if (off === start) {
          walk.btfId = nestedId;
          return WALK_STRUCT;
        }
        off -= start;
        id = fieldId;
        continue again;
      }
      if (fieldKind === PTR) {
        if (fieldSize !== size || off !== start) {
          env.say('structWalkPtrMember', nameAt(btf, fieldName), start, nameAt(btf, name), off, size);
          return -ERRNO.EACCES;
        }
        const pointee = types.third(fieldId);
        const tag = types.kind(pointee) === TYPE_TAG ? (TAG_FLAGS.get(nameAt(btf, types.nameOff(pointee))) ?? 0) : 0;
        const targetId = btf.skipModifiers(pointee);
        if (isStruct(types.kind(targetId))) {
          walk.btfId = targetId;
          walk.flag |= tag;
          walk.fieldName = nameAt(btf, fieldName);
          return WALK_PTR;
        }
      }
      // Within an array of numbers any access will do.
      if (off + size > end && (walk.flag & PTR_UNTRUSTED) === 0) {
        env.say('structWalkBeyondMember', nameAt(btf, fieldName), end, nameAt(btf, name), off, size);
        return -ERRNO.EACCES;
      }
      return WALK_SCALAR;
    }
    env.say('structWalkNoField', nameAt(btf, name), off);
    return -ERRNO.EINVAL;
  }
  return -ERRNO.EINVAL;
}
