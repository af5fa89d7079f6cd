import { ERRNO } from '../uapi/index.ts';
import { checkArray } from './arraymap.ts';
import { SlotArrayMap, type SlotRules } from './slot-array.ts';
import { checkSocketFd } from './sock-map.ts';
import type { MapDef } from './types.ts';

/** `kernel/bpf/reuseport_array.c: reuseport_array_alloc_check` */
export function checkReuseportArray(def: MapDef): number {
  return def.valueSizeBytes !== 4 && def.valueSizeBytes !== 8 ? -ERRNO.EINVAL : checkArray(def);
}

/**
 * `BPF_MAP_TYPE_REUSEPORT_SOCKARRAY`.
 *
 * Differs from Linux: any number is a bound socket of a reuseport group, and its own cookie.
 */
export class ReuseportArrayMap extends SlotArrayMap {
  protected override readonly rules: SlotRules = {
    alwaysExists: false,
    deleteOutside: -ERRNO.E2BIG,
    deleteEmpty: -ERRNO.ENOENT,
    readable: false,
  };

  protected override accept(_keyAddr: number, valueAddr: number): number {
    return checkSocketFd(this.mem.view, valueAddr, this.def.valueSizeBytes, this.little) || 1;
  }
  // bpf_fd_reuseport_array_lookup_elem
  protected override sysLookup(keyAddr: number): Uint8Array | null | number {
    return this.def.valueSizeBytes === 8 ? super.sysLookup(keyAddr) : -ERRNO.ENOSPC;
  }
}
