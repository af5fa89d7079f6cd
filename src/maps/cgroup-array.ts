import { bpf_map_type, ERRNO } from '../uapi/index.ts';
import { FdArrayMap } from './fd-array.ts';
import type { BpfMap, CgroupArrayMap } from './types.ts';

/**
 * `BPF_MAP_TYPE_CGROUP_ARRAY`.
 *
 * Differs from Linux: user space writes the id of a cgroup, at least 1 and below 2^31, in place of a descriptor.
 */
export class CgroupArrayMapImpl extends FdArrayMap implements CgroupArrayMap {
  cgroupAt(index: number): number | undefined {
    return index < this.def.maxEntries ? this.wordAt(index) : undefined;
  }
  protected override take(cgroupId: number): number {
    return cgroupId === 0 || cgroupId > 0x7fffffff ? -ERRNO.EBADF : cgroupId;
  }
}

/** Whether it holds cgroups to test membership of. */
export function isCgroupArrayMap(map: BpfMap | undefined): map is CgroupArrayMap {
  return map?.def.type === bpf_map_type.BPF_MAP_TYPE_CGROUP_ARRAY;
}
