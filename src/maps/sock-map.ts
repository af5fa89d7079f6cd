import { ERRNO } from '../uapi/index.ts';
import { checkPresence, MAX_BPF_STACK, updateFlagsKnown } from './alloc-check.ts';
import { BUCKETS_LAYOUT, BucketMap } from './bucket-map.ts';
import { checkSlots, SLOT_FLAGS, SlotArrayMap, type SlotRules } from './slot-array.ts';
import type { MapDef, MapHost, TargetMap } from './types.ts';

const MAX_BUCKETS = 0xffffffff / 16;

/** `net/core/sock_map.c: sock_map_alloc` */
export function checkSockmap(def: MapDef): number {
  return checkSlots(def, [4, 8], SLOT_FLAGS);
}

/** `net/core/sock_map.c: sock_hash_alloc` */
export function checkSockhash(def: MapDef): number {
  const bad =
    def.maxEntries === 0 ||
    def.keySizeBytes === 0 ||
    (def.valueSizeBytes !== 4 && def.valueSizeBytes !== 8) ||
    (def.flags & ~SLOT_FLAGS) !== 0;
  if (bad) return -ERRNO.EINVAL;
  if (def.keySizeBytes > MAX_BPF_STACK) return -ERRNO.E2BIG;
  return def.maxEntries > MAX_BUCKETS / 2 ? -ERRNO.EINVAL : 0;
}

/** A descriptor as user space writes it: 4 bytes, or 8 whose value must be one. */
export function checkSocketFd(view: DataView, valueAddr: number, sizeBytes: number, little: boolean): number {
  if (sizeBytes === 4) return view.getInt32(valueAddr, little) < 0 ? -ERRNO.EBADF : 0;
  const high = view.getUint32(valueAddr + (little ? 4 : 0), little);
  const low = view.getInt32(valueAddr + (little ? 0 : 4), little);
  return high !== 0 || low < 0 ? -ERRNO.EINVAL : 0;
}

/**
 * `BPF_MAP_TYPE_SOCKMAP`.
 *
 * Differs from Linux: any number is a socket and its own cookie; programs find no socket when they look one up, and
 * cannot put one in.
 */
export class SockmapMap extends SlotArrayMap {
  protected override readonly rules: SlotRules = {
    alwaysExists: false,
    deleteOutside: -ERRNO.EINVAL,
    deleteEmpty: -ERRNO.EINVAL,
    readable: false,
  };

  protected override accept(_keyAddr: number, valueAddr: number): number {
    return checkSocketFd(this.mem.view, valueAddr, this.def.valueSizeBytes, this.little) || 1;
  }
  // sock_map_lookup_sys: there is a cookie to read only where it fits.
  protected override sysLookup(keyAddr: number): Uint8Array | null | number {
    return this.def.valueSizeBytes === 8 ? super.sysLookup(keyAddr) : -ERRNO.ENOSPC;
  }
}

/** `BPF_MAP_TYPE_SOCKHASH`: otherwise as {@link SockmapMap}. */
export class SockhashMap extends BucketMap implements TargetMap {
  constructor(host: MapHost, def: MapDef, id: number) {
    super(host, def, id, { handleBytes: BUCKETS_LAYOUT.end, maxNodes: def.maxEntries, exposeValues: false });
  }

  protected override makeSeed(): number {
    return 0;
  }

  holds(keyAddr: number): boolean {
    return this.find(keyAddr, this.hashOf(keyAddr)) !== 0;
  }

  protected override sysLookup(keyAddr: number): Uint8Array | null | number {
    if (this.def.valueSizeBytes !== 8) return -ERRNO.ENOSPC;
    const node = this.find(keyAddr, this.hashOf(keyAddr));
    return node === 0 ? null : this.mem.read(this.valueAt(node), 8);
  }

  // sock_hash_update_common
  protected override sysUpdate(keyAddr: number, valueAddr: number, flags: number): number {
    const errno = checkSocketFd(this.mem.view, valueAddr, this.def.valueSizeBytes, this.little);
    if (errno !== 0) return errno;
    if (!updateFlagsKnown(flags, false)) return -ERRNO.EINVAL;
    const hash = this.hashOf(keyAddr);
    const old = this.find(keyAddr, hash);
    const refused = checkPresence(old !== 0, flags);
    if (refused !== 0) return refused;
    if (old !== 0) {
      this.ops.value_copy(this.addr, this.valueAt(old), valueAddr);
      return 0;
    }
    if (this.count >= this.def.maxEntries) return -ERRNO.E2BIG;
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
