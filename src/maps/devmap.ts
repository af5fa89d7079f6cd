import { bpf_map_type, ERRNO } from '../uapi/index.ts';
import { roundUpPow2, updateFlagsKnown } from './alloc-check.ts';
import { BUCKETS_LAYOUT, BucketMap } from './bucket-map.ts';
import { checkSlots, SLOT_FLAGS, SlotArrayMap, type SlotRules } from './slot-array.ts';
import type { MapDef, MapHost, TargetMap } from './types.ts';

/** `struct bpf_devmap_val`: the device, then the program to run on its packets (descriptor in, id out). */
export const DEVMAP_VALUE = { ifindex: 0, prog: 4 } as const;

/** `kernel/bpf/devmap.c: dev_map_alloc_check` */
export function checkDevmap(def: MapDef): number {
  const errno = checkSlots(def, [4, 8], SLOT_FLAGS);
  if (errno !== 0) return errno;
  const hash = def.type === bpf_map_type.BPF_MAP_TYPE_DEVMAP_HASH;
  return hash && def.maxEntries > 2 ** 31 ? -ERRNO.EINVAL : 0;
}

/**
 * `BPF_MAP_TYPE_DEVMAP`.
 *
 * Differs from Linux: every interface number but 0 is a device, and the program is given by its id.
 */
export class DevmapMap extends SlotArrayMap {
  protected override readonly rules: SlotRules = {
    alwaysExists: true,
    deleteOutside: -ERRNO.EINVAL,
    deleteEmpty: 0,
    readable: true,
  };

  // __dev_map_update_elem
  protected override accept(_keyAddr: number, valueAddr: number): number {
    const prog = this.def.valueSizeBytes === 8 ? this.load(valueAddr + DEVMAP_VALUE.prog) : 0;
    if (this.load(valueAddr + DEVMAP_VALUE.ifindex) === 0) return prog > 0 ? -ERRNO.EINVAL : 0;
    if (prog > 0 && this.host.checkProg(this, prog) !== 0) return -ERRNO.EINVAL;
    if (prog < 0) this.store(valueAddr + DEVMAP_VALUE.prog, 0);
    return 1;
  }
}

/** `BPF_MAP_TYPE_DEVMAP_HASH`: any number as key, whose low bits choose the bucket; otherwise as {@link DevmapMap}. */
export class DevmapHashMap extends BucketMap implements TargetMap {
  constructor(host: MapHost, def: MapDef, id: number) {
    super(host, def, id, {
      handleBytes: BUCKETS_LAYOUT.end,
      bucketCount: roundUpPow2(def.maxEntries),
      maxNodes: def.maxEntries,
      valuesWritable: false,
    });
  }

  protected override makeSeed(): number {
    return 0;
  }
  protected override hashOf(keyAddr: number): number {
    return this.load(keyAddr);
  }

  holds(keyAddr: number): boolean {
    return this.lookup(keyAddr) !== 0;
  }
  override lookup(keyAddr: number): number {
    const node = this.find(keyAddr, this.hashOf(keyAddr));
    return node === 0 ? 0 : this.valueAt(node);
  }

  // __dev_map_hash_update_elem
  protected override sysUpdate(keyAddr: number, valueAddr: number, flags: number): number {
    if (!updateFlagsKnown(flags, false) || this.load(valueAddr + DEVMAP_VALUE.ifindex) === 0) return -ERRNO.EINVAL;
    const hash = this.hashOf(keyAddr);
    const old = this.find(keyAddr, hash);
    if (old !== 0 && (flags & 1) !== 0) return -ERRNO.EEXIST;
    const prog = this.def.valueSizeBytes === 8 ? this.load(valueAddr + DEVMAP_VALUE.prog) : 0;
    if (prog > 0 && this.host.checkProg(this, prog) !== 0) return -ERRNO.EINVAL;
    if (prog < 0) this.store(valueAddr + DEVMAP_VALUE.prog, 0);
    if (old === 0 && this.count >= this.def.maxEntries) return -ERRNO.E2BIG;
    if (old !== 0) {
      this.unlink(old);
      this.freeNode(old);
    }
    const node = this.newNode();
    if (node === 0) return -ERRNO.ENOMEM;
    this.setKey(node, keyAddr, hash);
    this.ops.value_copy(this.addr, this.valueAt(node), valueAddr);
    this.link(node);
    return 0;
  }

  override delete(keyAddr: number): number {
    const node = this.find(keyAddr, this.hashOf(keyAddr));
    if (node === 0) return -ERRNO.ENOENT;
    this.unlink(node);
    this.freeNode(node);
    return 0;
  }
}
