import { BPF_FLAGS, bpf_map_type, ERRNO } from '../uapi/index.ts';
import { FdArrayMap } from './fd-array.ts';
import type { BpfMap, PerfEventArrayMap, PerfRecord } from './types.ts';

/** What a consumer may leave unread before records are lost. */
const MAX_QUEUED_BYTES = 64 << 20;
/** `struct perf_event_header` and the sample's size: what a record of any length costs. */
const RECORD_OVERHEAD_BYTES = 16;

/**
 * `BPF_MAP_TYPE_PERF_EVENT_ARRAY`. Elements hold 1 more than the number user space wrote, which stands for the descriptor
 * of an open event.
 *
 * Differs from Linux: any number is an open event; the event of element `i` is one for BPF output on CPU `i`, as libbpf
 * opens them; its buffer is a queue outside the linear memory, of 64 MiB for the whole map.
 */
export class PerfEventArrayMapImpl extends FdArrayMap implements PerfEventArrayMap {
  #records: PerfRecord[] = [];
  #queuedBytes = 0;
  #lost = 0;

  openAll(): void {
    const count = Math.min(this.host.cpuCount, this.def.maxEntries);
    for (let index = 0; index < count; index++) this.store(this.values + index * this.elemBytes, index + 1);
  }

  output(index: number, data: Uint8Array): number {
    const at = index === BPF_FLAGS.BPF_F_CURRENT_CPU ? this.host.cpu : index;
    if (at >= this.def.maxEntries) return -ERRNO.E2BIG;
    if (this.wordAt(at) === 0) return -ERRNO.ENOENT;
    if (at !== this.host.cpu) return -ERRNO.EOPNOTSUPP;
    const size = data.length + RECORD_OVERHEAD_BYTES;
    if (this.#queuedBytes + size > MAX_QUEUED_BYTES) {
      this.#lost++;
      return -ERRNO.ENOSPC;
    }
    this.#queuedBytes += size;
    this.#records.push({ index: at, data });
    return 0;
  }

  takeRecords(): PerfRecord[] {
    const records = this.#records;
    this.#records = [];
    this.#queuedBytes = 0;
    return records;
  }
  get lost(): number {
    return this.#lost;
  }

  protected override take(fd: number): number {
    return fd >= 0x7fffffff ? -ERRNO.EBADF : fd + 1;
  }
}

/** Whether records can be put out through it. */
export function isPerfEventArrayMap(map: BpfMap | undefined): map is PerfEventArrayMap {
  return map?.def.type === bpf_map_type.BPF_MAP_TYPE_PERF_EVENT_ARRAY;
}
