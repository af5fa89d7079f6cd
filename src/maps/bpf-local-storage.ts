import { BPF_FLAGS, ERRNO, bpf_map_type as T } from '../uapi/index.ts';
import { checkPresence, LOCAL_STORAGE_MAX_VALUE_SIZE, updateFlagsKnown } from './alloc-check.ts';
import { BUCKETS_LAYOUT, BucketMap } from './bucket-map.ts';
import type { BpfMap, LocalStorageMap, MapDef, MapHost } from './types.ts';

const CREATE_FLAGS = BPF_FLAGS.BPF_F_NO_PREALLOC | BPF_FLAGS.BPF_F_CLONE;
/** `BPF_LOCAL_STORAGE_GET_F_CREATE` */
const GET_F_CREATE = 1;
const BUCKETS = 256;
/** Nodes hold the object's id as 64 bits. */
const OBJECT_KEY_BYTES = 8;

/** `kernel/bpf/bpf_local_storage.c: bpf_local_storage_map_alloc_check` */
export function checkLocalStorage(def: MapDef): number {
  const bad =
    (def.flags & ~CREATE_FLAGS) !== 0 ||
    (def.flags & BPF_FLAGS.BPF_F_NO_PREALLOC) === 0 ||
    def.maxEntries !== 0 ||
    def.keySizeBytes !== 4 ||
    def.valueSizeBytes === 0;
  if (bad) return -ERRNO.EINVAL;
  return def.valueSizeBytes > LOCAL_STORAGE_MAX_VALUE_SIZE ? -ERRNO.E2BIG : 0;
}

/**
 * `BPF_MAP_TYPE_SK_STORAGE`, `_INODE_STORAGE`, `_TASK_STORAGE` and `_CGRP_STORAGE`: a table keyed by the number the
 * machine gives an object.
 *
 * Differs from Linux: values lie in the map instead of hanging on the object; whoever ends an object calls
 * {@link remove}. User space's 4-byte key is the object's number where Linux takes a descriptor. Missing BTF ids of key and
 * value do not stop creation.
 */
export class LocalStorageMapImpl extends BucketMap implements LocalStorageMap {
  #key = 0;

  constructor(host: MapHost, def: MapDef, id: number) {
    super(host, def, id, {
      handleBytes: BUCKETS_LAYOUT.end,
      bucketCount: BUCKETS,
      keyBytes: OBJECT_KEY_BYTES,
      maxNodes: 2 ** 31,
    });
  }

  override setUp(): void {
    super.setUp();
    this.#key = this.block(OBJECT_KEY_BYTES);
  }

  /** Stages an object's id as key. */
  #stage(objectId: number): number {
    const { view } = this.mem;
    view.setUint32(this.#key + (this.little ? 0 : 4), objectId >>> 0, this.little);
    view.setUint32(this.#key + (this.little ? 4 : 0), Math.floor(objectId / 2 ** 32), this.little);
    return this.#key;
  }
  #nodeOf(objectId: number): number {
    const key = this.#stage(objectId);
    return this.find(key, this.hashOf(key));
  }
  /** A linked node whose value is not yet written; 0 when memory is spent. */
  #add(objectId: number): number {
    const node = this.newNode();
    if (node === 0) return 0;
    const key = this.#stage(objectId);
    this.setKey(node, key, this.hashOf(key));
    this.link(node);
    return node;
  }
  #drop(node: number): void {
    this.unlink(node);
    this.freeNodeFields(node);
    this.freeNode(node);
  }

  get(objectId: number, initAddr: number, flags: number): number {
    if ((flags & ~GET_F_CREATE) !== 0) return 0;
    let node = this.#nodeOf(objectId);
    if (node !== 0) return this.valueAt(node);
    if ((flags & GET_F_CREATE) === 0 || (node = this.#add(objectId)) === 0) return 0;
    const value = this.valueAt(node);
    if (initAddr === 0) this.mem.u8.fill(0, value, value + this.cells.cellBytes);
    else this.ops.value_copy_new(this.addr, value, initAddr);
    return value;
  }

  remove(objectId: number): number {
    const node = this.#nodeOf(objectId);
    if (node === 0) return -ERRNO.ENOENT;
    this.#drop(node);
    return 0;
  }

  override delete(_keyAddr: number): number {
    return -ERRNO.EOPNOTSUPP;
  }

  protected override sysLookup(keyAddr: number): Uint8Array | null {
    const node = this.#nodeOf(this.loadU32(keyAddr));
    return node === 0 ? null : this.readValue(this.valueAt(node));
  }

  // bpf_local_storage_update
  protected override sysUpdate(keyAddr: number, valueAddr: number, flags: number): number {
    if (!updateFlagsKnown(flags, true)) return -ERRNO.EINVAL;
    const objectId = this.loadU32(keyAddr);
    const old = this.#nodeOf(objectId);
    const errno = checkPresence(old !== 0, flags);
    if (errno !== 0) return errno;
    if (old !== 0 && (flags & BPF_FLAGS.BPF_F_LOCK) !== 0) {
      this.ops.value_copy(this.addr, this.valueAt(old), valueAddr);
      return 0;
    }
    const node = this.#add(objectId);
    if (node === 0) return -ERRNO.ENOMEM;
    this.ops.value_copy_new(this.addr, this.valueAt(node), valueAddr);
    if (old !== 0) this.#drop(old);
    return 0;
  }

  protected override sysDelete(keyAddr: number): number {
    return this.remove(this.loadU32(keyAddr));
  }
  // notsupp_get_next_key
  protected override sysNextKey(_keyAddr: number, _nextAddr: number): number {
    return -ERRNO.ENOTSUPP;
  }
}

const TYPES: ReadonlySet<number> = new Set([
  T.BPF_MAP_TYPE_SK_STORAGE,
  T.BPF_MAP_TYPE_INODE_STORAGE,
  T.BPF_MAP_TYPE_TASK_STORAGE,
  T.BPF_MAP_TYPE_CGRP_STORAGE,
]);

/** Whether its values belong to kernel objects. */
export function isLocalStorageMap(map: BpfMap | undefined): map is LocalStorageMap {
  return map !== undefined && TYPES.has(map.def.type);
}
