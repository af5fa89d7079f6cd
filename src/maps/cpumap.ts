import { BPF_FLAGS, ERRNO } from '../uapi/index.ts';
import { checkSlots, SlotArrayMap, type SlotRules } from './slot-array.ts';
import type { MapDef } from './types.ts';

/** `NR_CPUS` of distribution kernels for x86. */
const NR_CPUS = 8192;
const MAX_QUEUE_SIZE = 16384;

/** `struct bpf_cpumap_val`: length of the queue to the CPU, then the program to run there. */
export const CPUMAP_VALUE = { qsize: 0, prog: 4 } as const;

/** `kernel/bpf/cpumap.c: cpu_map_alloc` */
export function checkCpumap(def: MapDef): number {
  return checkSlots(def, [4, 8], BPF_FLAGS.BPF_F_NUMA_NODE) || (def.maxEntries > NR_CPUS ? -ERRNO.E2BIG : 0);
}

/**
 * `BPF_MAP_TYPE_CPUMAP`.
 *
 * Differs from Linux: no frames are carried to other CPUs; the program is given by its id.
 */
export class CpumapMap extends SlotArrayMap {
  protected override readonly rules: SlotRules = {
    alwaysExists: true,
    deleteOutside: -ERRNO.EINVAL,
    deleteEmpty: 0,
    readable: false,
  };

  // cpu_map_update_elem
  protected override accept(keyAddr: number, valueAddr: number): number {
    const qsize = this.loadU32(valueAddr + CPUMAP_VALUE.qsize);
    if (qsize > MAX_QUEUE_SIZE) return -ERRNO.EOVERFLOW;
    if (this.loadU32(keyAddr) >= this.host.cpuCount) return -ERRNO.ENODEV;
    if (qsize === 0) return 0;
    const prog = this.def.valueSizeBytes === 8 ? this.load(valueAddr + CPUMAP_VALUE.prog) : 0;
    // __cpu_map_entry_alloc has no other way to say no.
    if (prog > 0 && this.host.checkProg(this, prog) !== 0) return -ERRNO.ENOMEM;
    return 1;
  }
}
