import type { Btf } from '../../btf/index.ts';
import { BPF_FLAGS, bpf_map_type, ERRNO } from '../../uapi/index.ts';
import {
  BPF_KPTR,
  BPF_LIST_HEAD,
  BPF_RB_ROOT,
  BPF_REFCOUNT,
  BPF_SPIN_LOCK,
  BPF_TIMER,
  BPF_WORKQUEUE,
  type BtfRecord,
} from '../state/record.ts';
import { btfParseFields, MAP_FIELDS } from './parse-fields.ts';
import { btfCheckAndFixupFields, loadStructMetas } from './struct-metas.ts';

export { btfFieldTypeName } from './field-finder.ts';
export { BPF_GRAPH_ROOT, btfParseFields, DTOR_KFUNCS, MAP_FIELDS, OBJECT_FIELDS } from './parse-fields.ts';
export { btfCheckAndFixupFields, btfFindStructMeta, loadStructMetas } from './struct-metas.ts';

const M = bpf_map_type;
const LOCAL_STORAGE = [
  M.BPF_MAP_TYPE_SK_STORAGE,
  M.BPF_MAP_TYPE_INODE_STORAGE,
  M.BPF_MAP_TYPE_TASK_STORAGE,
  M.BPF_MAP_TYPE_CGRP_STORAGE,
];
const LOCKS = [M.BPF_MAP_TYPE_HASH, M.BPF_MAP_TYPE_ARRAY, M.BPF_MAP_TYPE_CGROUP_STORAGE, ...LOCAL_STORAGE];
const TIMERS = [M.BPF_MAP_TYPE_HASH, M.BPF_MAP_TYPE_LRU_HASH, M.BPF_MAP_TYPE_ARRAY];
const KPTRS = [
  ...TIMERS,
  M.BPF_MAP_TYPE_PERCPU_HASH,
  M.BPF_MAP_TYPE_LRU_PERCPU_HASH,
  M.BPF_MAP_TYPE_PERCPU_ARRAY,
  ...LOCAL_STORAGE,
];

/** Which map types may have which special fields. */
const ALLOWED: readonly (readonly [mask: number, mapTypes: readonly number[]])[] = [
  [BPF_SPIN_LOCK, LOCKS],
  [BPF_TIMER | BPF_WORKQUEUE, TIMERS],
  [BPF_KPTR | BPF_REFCOUNT, KPTRS],
  [BPF_LIST_HEAD | BPF_RB_ROOT, TIMERS],
];

/** Whether maps of a type may have special fields of the kinds in `mask`. */
export const fieldsAllowed = (mask: number, mapType: number): boolean =>
  ALLOWED.every(([kinds, mapTypes]) => (mask & kinds) === 0 || mapTypes.includes(mapType));

/** What {@link recordOfMap} looks at. */
export interface MapRecordSource {
  readonly btf: Btf;
  readonly valueTypeId: number;
  readonly valueSize: number;
  /** `BPF_MAP_TYPE_*` */
  readonly mapType: number;
  /** `BPF_F_*` of its creation; default 0. */
  readonly mapFlags?: number;
  /** The kernel the map is made in. */
  readonly kernelBtf: Btf | undefined;
}

/**
 * The special fields of a map's values: undefined for none, or a negative errno with which the kernel refuses to make the
 * map with its BTF (libbpf then makes it without). A value type that is malformed is no reason to refuse: the map has no
 * special fields then. What the map's own type asks of key and value (`map_check_btf` of its operations) is not asked here.
 *
 * Source: `kernel/bpf/syscall.c: map_check_btf`.
 */
export function recordOfMap(source: MapRecordSource): BtfRecord | undefined | number {
  const { btf, valueTypeId, valueSize, mapType, kernelBtf } = source;
  const failed = loadStructMetas(btf, kernelBtf);
  if (failed < 0) return failed;
  if (valueTypeId >= btf.typeCount || btf.trySizeOf(valueTypeId) !== valueSize) return -ERRNO.EINVAL;
  const record = btfParseFields(btf, btf.skipModifiers(valueTypeId), MAP_FIELDS, valueSize, kernelBtf);
  if (record === undefined || typeof record === 'number') return undefined;
  const flags = source.mapFlags ?? 0;
  if ((flags & (BPF_FLAGS.BPF_F_RDONLY_PROG | BPF_FLAGS.BPF_F_WRONLY_PROG)) !== 0) return -ERRNO.EACCES;
  if (!fieldsAllowed(record.fieldMask, mapType)) return -ERRNO.EOPNOTSUPP;
  const cyclic = btfCheckAndFixupFields(btf, record);
  return cyclic < 0 ? cyclic : record;
}
