import { BPF_FLAGS, ERRNO, bpf_map_type as T } from '../uapi/index.ts';
import {
  ACCESS_MASK,
  flagsAllowed,
  LOCAL_STORAGE_MAX_VALUE_SIZE,
  PCPU_MIN_UNIT_SIZE,
  updateFlagsKnown,
} from './alloc-check.ts';
import { BUCKETS_LAYOUT, BucketMap } from './bucket-map.ts';
import type { BpfMap, CgroupStorageMap, MapDef, MapHost } from './types.ts';

const CREATE_FLAGS = BPF_FLAGS.BPF_F_NUMA_NODE | ACCESS_MASK;
const BUCKETS = 64;

/** `struct bpf_cgroup_storage_key`; the key may also be the 8 bytes of the cgroup's id alone. */
export const CGROUP_STORAGE_KEY = { cgroupId: 0, attachType: 8, sizeBytes: 16 } as const;

const isPercpu = (def: MapDef): boolean => def.type === T.BPF_MAP_TYPE_PERCPU_CGROUP_STORAGE;

/** `kernel/bpf/local_storage.c: cgroup_storage_map_alloc` */
export function checkCgroupStorage(def: MapDef): number {
  const max = isPercpu(def) ? PCPU_MIN_UNIT_SIZE : LOCAL_STORAGE_MAX_VALUE_SIZE;
  if (def.keySizeBytes !== CGROUP_STORAGE_KEY.sizeBytes && def.keySizeBytes !== 8) return -ERRNO.EINVAL;
  if (def.valueSizeBytes === 0) return -ERRNO.EINVAL;
  if (def.valueSizeBytes > max) return -ERRNO.E2BIG;
  return !flagsAllowed(def, CREATE_FLAGS) || def.maxEntries !== 0 ? -ERRNO.EINVAL : 0;
}

/**
 * `BPF_MAP_TYPE_CGROUP_STORAGE` and `BPF_MAP_TYPE_PERCPU_CGROUP_STORAGE`: storage exists for what a program has been
 * attached to; user space changes it but neither makes nor removes it.
 *
 * Differs from Linux: walks go by bucket, not by age.
 */
export class CgroupStorageMapImpl extends BucketMap implements CgroupStorageMap {
  #key = 0;

  constructor(host: MapHost, def: MapDef, id: number) {
    super(host, def, id, {
      handleBytes: BUCKETS_LAYOUT.end,
      bucketCount: BUCKETS,
      cells: isPercpu(def) ? host.cpuCount : undefined,
      maxNodes: 2 ** 31,
    });
  }

  override setUp(): void {
    super.setUp();
    this.#key = this.block(CGROUP_STORAGE_KEY.sizeBytes);
  }

  #stage(cgroupId: number, attachType: number): number {
    const { view } = this.mem;
    const at = this.#key + CGROUP_STORAGE_KEY.cgroupId;
    view.setUint32(at + (this.little ? 0 : 4), cgroupId >>> 0, this.little);
    view.setUint32(at + (this.little ? 4 : 0), Math.floor(cgroupId / 2 ** 32), this.little);
    this.store(this.#key + CGROUP_STORAGE_KEY.attachType, attachType);
    return this.#key;
  }
  /** The node of a key of user space, whose padding means nothing. */
  #nodeOfKey(keyAddr: number): number {
    if (this.def.keySizeBytes === CGROUP_STORAGE_KEY.sizeBytes) this.store(keyAddr + 12, 0);
    return this.find(keyAddr, this.hashOf(keyAddr));
  }

  attach(cgroupId: number, attachType: number): number {
    const key = this.#stage(cgroupId, attachType);
    const hash = this.hashOf(key);
    if (this.find(key, hash) !== 0) return 0;
    const node = this.newNode();
    if (node === 0) return -ERRNO.ENOMEM;
    this.setKey(node, this.#key, hash);
    const value = this.valueAt(node);
    this.mem.u8.fill(0, value, value + this.cells.count * this.cells.cellBytes);
    this.link(node);
    return 0;
  }

  localStorage(cgroupId: number, attachType: number): number {
    const key = this.#stage(cgroupId, attachType);
    const node = this.find(key, this.hashOf(key));
    if (node === 0) return 0;
    return this.valueAt(node) + (isPercpu(this.def) ? this.host.cpu * this.cells.strideBytes : 0);
  }

  override get userValueSizeBytes(): number {
    return isPercpu(this.def) ? this.cells.cellBytes * this.cells.count : this.def.valueSizeBytes;
  }

  protected override sysLookup(keyAddr: number): Uint8Array | null {
    const node = this.#nodeOfKey(keyAddr);
    if (node === 0) return null;
    const value = this.valueAt(node);
    return isPercpu(this.def) ? this.mem.read(value, this.userValueSizeBytes) : this.readValue(value);
  }

  protected override sysUpdate(keyAddr: number, valueAddr: number, flags: number): number {
    const known = updateFlagsKnown(flags, !isPercpu(this.def)) && (flags & BPF_FLAGS.BPF_NOEXIST) === 0;
    if (!known) return -ERRNO.EINVAL;
    const node = this.#nodeOfKey(keyAddr);
    if (node === 0) return -ERRNO.ENOENT;
    const value = this.valueAt(node);
    if (isPercpu(this.def)) this.mem.u8.copyWithin(value, valueAddr, valueAddr + this.userValueSizeBytes);
    else this.ops.value_copy(this.addr, value, valueAddr);
    return 0;
  }

  override delete(_keyAddr: number): number {
    return -ERRNO.EINVAL;
  }
}

/** Whether its values belong to cgroups that programs are attached to. */
export function isCgroupStorageMap(map: BpfMap | undefined): map is CgroupStorageMap {
  const type = map?.def.type;
  return type === T.BPF_MAP_TYPE_CGROUP_STORAGE || type === T.BPF_MAP_TYPE_PERCPU_CGROUP_STORAGE;
}
