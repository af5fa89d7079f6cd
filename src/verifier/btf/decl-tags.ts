import type { Btf } from '../../btf/index.ts';

const KIND_DECL_TAG = 17;

/** Declaration tags of one BTF by what they are attached to, ascending by id. */
const CACHE = new WeakMap<Btf, ReadonlyMap<number, readonly number[]>>();

function declTags(btf: Btf): ReadonlyMap<number, readonly number[]> {
  const known = CACHE.get(btf);
  if (known !== undefined) return known;
  const tags = new Map<number, number[]>();
  for (let id = 1; id < btf.typeCount; id++) {
    if (btf.types.kind(id) !== KIND_DECL_TAG) continue;
    const target = btf.types.third(id);
    const list = tags.get(target);
    if (list === undefined) tags.set(target, [id]);
    else list.push(id);
  }
  CACHE.set(btf, tags);
  return tags;
}

/** Component a tag is about: member or parameter, or -1 for the whole. */
const componentOf = (btf: Btf, tag: number): number => btf.types.extra(tag, 0) | 0;

/**
 * The next declaration tag after `lastId` of a type (or its component) whose text begins with `key`; 0 for none.
 * Source: `kernel/bpf/btf.c: btf_find_next_decl_tag`.
 */
export function btfFindNextDeclTag(btf: Btf, typeId: number, component: number, key: string, lastId: number): number {
  const tags = declTags(btf).get(typeId);
  if (tags === undefined) return 0;
  for (let i = firstAfter(tags, lastId); i < tags.length; i++) {
    if (componentOf(btf, tags[i]) === component && btf.nameOf(tags[i]).startsWith(key)) return tags[i];
  }
  return 0;
}

/** Place of the first id above `lastId`. */
function firstAfter(ids: readonly number[], lastId: number): number {
  let low = 0;
  let high = ids.length;
  while (low < high) {
    const mid = (low + high) >>> 1;
    if (ids[mid] > lastId) high = mid;
    else low = mid + 1;
  }
  return low;
}

/**
 * What follows `key` in the one declaration tag that begins so; undefined if there is none, `'twice'` as a failure if
 * there are several. Source: `kernel/bpf/btf.c: btf_find_decl_tag_value`.
 */
export function btfFindDeclTagValue(
  btf: Btf,
  typeId: number,
  component: number,
  key: string,
): { readonly value: string } | undefined | 'twice' {
  const tag = btfFindNextDeclTag(btf, typeId, component, key, 0);
  if (tag === 0) return undefined;
  if (btfFindNextDeclTag(btf, typeId, component, key, tag) !== 0) return 'twice';
  return { value: btf.nameOf(tag).slice(key.length) };
}
