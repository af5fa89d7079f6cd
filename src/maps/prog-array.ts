import { bpf_map_type, ERRNO } from '../uapi/index.ts';
import { FdArrayMap } from './fd-array.ts';
import type { BpfMap, ProgArrayMap } from './types.ts';

/** `BPF_MAP_TYPE_PROG_ARRAY`: elements are ids of loaded programs, which user space writes in place of descriptors. */
export class ProgArrayMapImpl extends FdArrayMap implements ProgArrayMap {
  progAt(index: number): number {
    return this.wordAt(index);
  }
  protected override take(progId: number): number {
    if (progId === 0 || progId > 0x7fffffff) return -ERRNO.EBADF;
    return this.host.checkProg(this, progId) || progId;
  }
  protected override give(progId: number): number {
    return progId;
  }
}

/** Whether it holds programs to tail-call. */
export function isProgArrayMap(map: BpfMap | undefined): map is ProgArrayMap {
  return map?.def.type === bpf_map_type.BPF_MAP_TYPE_PROG_ARRAY;
}
