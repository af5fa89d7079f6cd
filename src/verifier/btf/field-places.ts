import type { Btf } from '../../btf/index.ts';
import type { MapField, MapFieldKind } from '../../maps/index.ts';
import { BPF_FLAGS } from '../../uapi/index.ts';
import {
  BPF_KPTR_PERCPU,
  BPF_KPTR_REF,
  BPF_KPTR_UNREF,
  BPF_LIST_HEAD,
  BPF_LIST_NODE,
  BPF_RB_NODE,
  BPF_RB_ROOT,
  BPF_REFCOUNT,
  BPF_SPIN_LOCK,
  BPF_TIMER,
  BPF_WORKQUEUE,
} from '../state/record.ts';
import { btfFindField, type FoundField, fieldTypeSize } from './field-finder.ts';
import { BPF_GRAPH_ROOT, MAP_FIELDS, OBJECT_FIELDS } from './parse-fields.ts';
import { fieldsAllowed } from './record.ts';

const KINDS: Readonly<Record<number, MapFieldKind>> = {
  [BPF_SPIN_LOCK]: 'spin_lock',
  [BPF_TIMER]: 'timer',
  [BPF_WORKQUEUE]: 'workqueue',
  [BPF_KPTR_UNREF]: 'kptr',
  [BPF_KPTR_REF]: 'kptr',
  [BPF_KPTR_PERCPU]: 'kptr',
  [BPF_LIST_HEAD]: 'list_head',
  [BPF_LIST_NODE]: 'list_node',
  [BPF_RB_ROOT]: 'rb_root',
  [BPF_RB_NODE]: 'rb_node',
  [BPF_REFCOUNT]: 'refcount',
};

/** Ascending; none where they overlap, reach outside, or lists have no lock: the kernel takes such a type for one without. */
function placesOf(found: readonly FoundField[] | number, sizeBytes: number): readonly MapField[] {
  if (typeof found === 'number') return [];
  const places = found
    .map(({ type, offBytes }) => ({ kind: KINDS[type], offBytes, sizeBytes: fieldTypeSize(type) }))
    .sort((a, b) => a.offBytes - b.offBytes);
  let end = 0;
  for (const place of places) {
    if (place.offBytes < end || place.offBytes + place.sizeBytes > sizeBytes) return [];
    end = place.offBytes + place.sizeBytes;
  }
  const roots = found.some(({ type }) => (type & BPF_GRAPH_ROOT) !== 0);
  return roots && !found.some(({ type }) => type === BPF_SPIN_LOCK) ? [] : places;
}

/**
 * Where the special fields of a map's values lie, as far as running programs is concerned: `recordOfMap` without the kernel's
 * types. None for maps a kernel would make without their BTF.
 *
 * @param mapType `BPF_MAP_TYPE_*`
 */
export function mapFieldPlaces(
  btf: Btf,
  valueTypeId: number,
  def: { readonly type: number; readonly flags: number; readonly valueSizeBytes: number },
): readonly MapField[] {
  if (valueTypeId <= 0 || valueTypeId >= btf.typeCount) return [];
  if (btf.trySizeOf(valueTypeId) !== def.valueSizeBytes) return [];
  if ((def.flags & (BPF_FLAGS.BPF_F_RDONLY_PROG | BPF_FLAGS.BPF_F_WRONLY_PROG)) !== 0) return [];
  const found = btfFindField(btf, btf.skipModifiers(valueTypeId), MAP_FIELDS);
  if (
    typeof found !== 'number' &&
    !fieldsAllowed(
      found.reduce((mask, { type }) => mask | type, 0),
      def.type,
    )
  )
    return [];
  return placesOf(found, def.valueSizeBytes);
}

/** Where the special fields of a struct of a program's own lie: of what `bpf_obj_new()` makes. */
export function objectFieldPlaces(btf: Btf, structId: number): readonly MapField[] {
  const size = btf.trySizeOf(structId);
  return typeof size === 'number' ? placesOf(btfFindField(btf, structId, OBJECT_FIELDS), size) : [];
}
