import type { Btf } from '../../btf/index.ts';
import { PTR_TO_BTF_ID, SCALAR_VALUE } from '../../helpers/index.ts';
import { ERRNO } from '../../uapi/index.ts';
import { typeIsAlloc } from '../check/pointer-kinds.ts';
import type { VerifierEnv } from '../env.ts';
import type { RegState } from '../state/reg.ts';
import { btfFieldTypeName } from './field-name.ts';
import { btfFindStructMeta } from './record.ts';
import { btfStructWalk, MAX_NESTING, StructWalk, WALK_PTR, WALK_SCALAR, WALK_STRUCT } from './struct-walk.ts';

export { btfStructWalk, StructWalk, WALK_PTR, WALK_SCALAR, WALK_STRUCT };

/** What an access to a struct gives. */
export interface StructAccess {
  /** SCALAR_VALUE or PTR_TO_BTF_ID. */
  readonly type: number;
  /** PTR_TO_BTF_ID: the struct pointed to, flags that follow from where the pointer is, and its name. */
  readonly btfId: number;
  readonly flag: number;
  readonly fieldName: string;
}

const SCALAR: StructAccess = { type: SCALAR_VALUE, btfId: 0, flag: 0, fieldName: '' };

/** Accesses that were found, by BTF; what is refused is walked again for what it says. */
const found = new WeakMap<Btf, Map<number, StructAccess>>();
const MAX_FOUND = 1 << 16;
/** What fits a key: offsets of `OFF_LIMIT` bytes, sizes up to 8, ids up to 2^29. */
const OFF_LIMIT = 1 << 20;
const SIZE_LIMIT = 16;

function foundIn(btf: Btf): Map<number, StructAccess> {
  let map = found.get(btf);
  if (map === undefined) {
    map = new Map();
    found.set(btf, map);
  }
  if (map.size >= MAX_FOUND) map.clear();
  return map;
}

function walkDown(env: VerifierEnv, btf: Btf, btfId: number, off: number, size: number): StructAccess {
  const walk = new StructWalk();
  let id = btfId;
  let at = off;
  for (let depth = 0; depth < MAX_NESTING; depth++) {
    const result = btfStructWalk(env, btf, id, at, size, walk);
    if (result < 0) env.fail(-result);
    if (result === WALK_SCALAR) return SCALAR;
    if (result === WALK_PTR) {
      return { type: PTR_TO_BTF_ID, btfId: walk.btfId, flag: walk.flag, fieldName: walk.fieldName };
    }
    id = walk.btfId;
    at = 0;
  }
  env.fail(ERRNO.EINVAL);
}

/**
 * What an access to the struct gives that a register points to. Refuses what is no member, and special fields of a
 * program's own objects.
 *
 * Source: `kernel/bpf/btf.c: btf_struct_access`.
 */
export function btfStructAccess(
  env: VerifierEnv,
  btf: Btf,
  btfId: number,
  regType: number,
  off: number,
  size: number,
): StructAccess {
  const own = typeIsAlloc(regType);
  if (own) {
    const record = btfFindStructMeta(btf, btfId);
    for (const field of record?.fields ?? []) {
      if (off < field.offBytes + field.sizeBytes && field.offBytes < off + size) {
        env.refuse('btfAccessSpecialField', btfFieldTypeName(field.type));
      }
    }
  }
  let access: StructAccess | undefined;
  if (off < OFF_LIMIT && size < SIZE_LIMIT) {
    const known = foundIn(btf);
    const key = (btfId * OFF_LIMIT + off) * SIZE_LIMIT + size;
    access = known.get(key);
    if (access === undefined) {
      access = walkDown(env, btf, btfId, off, size);
      known.set(key, access);
    }
  } else {
    access = walkDown(env, btf, btfId, off, size);
  }
  // What a program's own object points to is a number.
  return own ? SCALAR : access;
}

/** One type, perhaps seen from two BTFs of which one continues the other. Source: `btf_types_are_same`. */
export const btfTypesAreSame = (btf1: Btf, id1: number, btf2: Btf, id2: number): boolean =>
  id1 === id2 && (btf1 === btf2 || btf1.types.owner(id1) === btf2.types.owner(id2));

/**
 * Whether at `off` of a struct there is an object of a type: the struct itself, or, unless `strict`, one that begins
 * there. A walk that fails leaves its words in the log.
 *
 * Source: `kernel/bpf/btf.c: btf_struct_ids_match`.
 */
export function btfStructIdsMatch(
  env: VerifierEnv,
  btf: Btf,
  btfId: number,
  off: number,
  needBtf: Btf,
  needBtfId: number,
  strict: boolean,
): boolean {
  if (off === 0 && btfTypesAreSame(btf, btfId, needBtf, needBtfId)) return true;
  if (strict) return false;
  const walk = new StructWalk();
  let id = btfId;
  let at = off;
  for (let depth = 0; depth < MAX_NESTING; depth++) {
    if (btfStructWalk(env, btf, id, at, 1, walk) !== WALK_STRUCT) return false;
    id = walk.btfId;
    if (btfTypesAreSame(btf, id, needBtf, needBtfId)) return true;
    at = 0;
  }
  return false;
}

/** Members of `<struct><suffix>` that are pointers, by name: what they point to. By suffix, then struct. */
const safeMembers = new WeakMap<Btf, Map<string, Map<number, ReadonlyMap<string, ReadonlySet<number>>>>>();
/** `btf_nested_type_is_trusted`: names of 64 bytes and more are none. */
const SAFE_NAME_BYTES = 64;

function safeMembersOf(btf: Btf, structId: number, suffix: string): ReadonlyMap<string, ReadonlySet<number>> {
  const members = new Map<string, Set<number>>();
  const name = btf.nameOf(structId) + suffix;
  const safeId = name.length >= SAFE_NAME_BYTES ? 0 : btf.findByName(name, btf.kindOf(structId));
  const { types } = btf;
  for (let i = 0; safeId !== 0 && i < types.vlen(safeId); i++) {
    const pointer = types.item(safeId, i, 1);
    if (btf.kindOf(pointer) !== 'PTR') continue;
    const field = btf.stringAt(types.item(safeId, i, 0));
    const targets = members.get(field) ?? new Set();
    members.set(field, targets.add(btf.skipModifiers(types.third(pointer))));
  }
  return members;
}

/**
 * Whether the kernel lists a pointer in a struct among those to trust: it has a struct of the same name with a suffix, and
 * in it a pointer of that name to that type.
 *
 * Source: `kernel/bpf/btf.c: btf_nested_type_is_trusted`.
 */
export function btfNestedTypeIsTrusted(
  _env: VerifierEnv,
  reg: RegState,
  fieldName: string,
  btfId: number,
  suffix: string,
): boolean {
  const { btf, btfId: structId } = reg.info;
  if (btf === undefined) return false;
  let bySuffix = safeMembers.get(btf);
  if (bySuffix === undefined) {
    bySuffix = new Map();
    safeMembers.set(btf, bySuffix);
  }
  let byStruct = bySuffix.get(suffix);
  if (byStruct === undefined) {
    byStruct = new Map();
    bySuffix.set(suffix, byStruct);
  }
  let members = byStruct.get(structId);
  if (members === undefined) {
    members = safeMembersOf(btf, structId, suffix);
    byStruct.set(structId, members);
  }
  return members.get(fieldName)?.has(btfId) ?? false;
}

const NOCAST_ALIAS_SUFFIX = '___init';

/**
 * Whether one type is the other before its set-up: `nf_conn___init` is no `nf_conn`, though C could cast it.
 *
 * Source: `kernel/bpf/btf.c: btf_type_ids_nocast_alias`.
 */
export function btfTypeIdsNocastAlias(_env: VerifierEnv, btf1: Btf, id1: number, btf2: Btf, id2: number): boolean {
  const a = btf1.nameOf(id1);
  const b = btf2.nameOf(id2);
  if (a.length === b.length) return false;
  const [short, long] = a.length < b.length ? [a, b] : [b, a];
  return long === short + NOCAST_ALIAS_SUFFIX && long.indexOf(NOCAST_ALIAS_SUFFIX) === short.length;
}
