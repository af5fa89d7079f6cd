import { ERRNO } from '../uapi/index.ts';
import { checkSlots, SLOT_FLAGS, SlotArrayMap, type SlotRules } from './slot-array.ts';
import type { MapDef } from './types.ts';

/** `net/xdp/xskmap.c: xsk_map_alloc` */
export function checkXskmap(def: MapDef): number {
  return checkSlots(def, [4], SLOT_FLAGS);
}

/**
 * `BPF_MAP_TYPE_XSKMAP`.
 *
 * Differs from Linux: any number up to 2^31 - 1 stands for an AF_XDP socket, and a program's look-up finds that number
 * where Linux has the socket's `queue_id`.
 */
export class XskmapMap extends SlotArrayMap {
  protected override readonly rules: SlotRules = {
    alwaysExists: false,
    deleteOutside: -ERRNO.EINVAL,
    deleteEmpty: 0,
    readable: true,
  };

  protected override accept(_keyAddr: number, valueAddr: number): number {
    return this.load(valueAddr) < 0 ? -ERRNO.EBADF : 1;
  }
  // xsk_map_lookup_elem_sys_only
  protected override sysLookup(_keyAddr: number): number {
    return -ERRNO.EOPNOTSUPP;
  }
}
