import { bpf_map_type, ERRNO } from '../uapi/index.ts';
import { FdArrayMap } from './fd-array.ts';
import { ARRAY_LAYOUT } from './layout.ts';
import type { BpfMap, MapDef, MapHost, ProgArrayMap } from './types.ts';

/** Where `struct bpf_array`'s `ptrs` begin in the handle of a prog array: 8 bytes an element. */
export const PROG_ARRAY_PTRS = ARRAY_LAYOUT.handleBytes;

/**
 * `BPF_MAP_TYPE_PROG_ARRAY`: elements are addresses of programs' handles; user space writes ids in place of descriptors.
 * They lie in the map's own handle, as in Linux, so that compiled code reaches a program from the map's address alone.
 */
export class ProgArrayMapImpl extends FdArrayMap implements ProgArrayMap {
  constructor(host: MapHost, def: MapDef, id: number) {
    super(host, def, id, 8 * def.maxEntries);
  }
  protected override makeElements(): number {
    return this.addr + PROG_ARRAY_PTRS;
  }
  progAt(index: number): number {
    const handle = this.wordAt(index);
    return handle === 0 ? 0 : this.host.progIdAt(handle);
  }
  protected override take(progId: number): number {
    if (progId === 0 || progId > 0x7fffffff) return -ERRNO.EBADF;
    return this.host.checkProg(this, progId) || this.host.progHandle(progId);
  }
  protected override give(handle: number): number {
    return this.host.progIdAt(handle);
  }
}

/** Whether it holds programs to tail-call. */
export function isProgArrayMap(map: BpfMap | undefined): map is ProgArrayMap {
  return map?.def.type === bpf_map_type.BPF_MAP_TYPE_PROG_ARRAY;
}
