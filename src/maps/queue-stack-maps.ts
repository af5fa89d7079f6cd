import { BPF_FLAGS, bpf_map_type, ERRNO } from '../uapi/index.ts';
import { ACCESS_MASK, flagsAllowed, KMALLOC_MAX_SIZE } from './alloc-check.ts';
import { MAP_HANDLE } from './layout.ts';
import { MapBase } from './map-base.ts';
import type { BpfMap, MapDef, MapHost, QueueStackMap } from './types.ts';

const CREATE_FLAGS = BPF_FLAGS.BPF_F_NUMA_NODE | ACCESS_MASK;

/**
 * The handle of queues and stacks, from `MAP_HANDLE.end`. Elements lie in a ring of `size` slots of the value's size, one of
 * which is always empty: the oldest is in slot `tail`, the newest in the one before `head`.
 */
export const QUEUE_LAYOUT = {
  head: MAP_HANDLE.end,
  tail: MAP_HANDLE.end + 4,
  /** max_entries + 1 */
  size: MAP_HANDLE.end + 8,
  elements: MAP_HANDLE.end + 12,
  handleBytes: MAP_HANDLE.end + 16,
} as const;

/** `kernel/bpf/queue_stack_maps.c: queue_stack_map_alloc_check` */
export function checkQueueStack(def: MapDef): number {
  const bad =
    def.maxEntries === 0 || def.keySizeBytes !== 0 || def.valueSizeBytes === 0 || !flagsAllowed(def, CREATE_FLAGS);
  if (bad) return -ERRNO.EINVAL;
  return def.valueSizeBytes > KMALLOC_MAX_SIZE ? -ERRNO.E2BIG : 0;
}

/** `BPF_MAP_TYPE_QUEUE` and `BPF_MAP_TYPE_STACK`: one ring, read from the one end or the other. */
export class QueueStackMapImpl extends MapBase implements QueueStackMap {
  readonly #isStack: boolean;
  readonly #slots: number;
  #elements = 0;

  constructor(host: MapHost, def: MapDef, id: number) {
    super(host, def, id, QUEUE_LAYOUT.handleBytes);
    this.#isStack = def.type === bpf_map_type.BPF_MAP_TYPE_STACK;
    this.#slots = def.maxEntries + 1;
  }

  override setUp(): void {
    this.#elements = this.block(this.#slots * this.def.valueSizeBytes);
    this.store(this.addr + QUEUE_LAYOUT.size, this.#slots);
    this.store(this.addr + QUEUE_LAYOUT.elements, this.#elements);
  }

  #slot(index: number): number {
    return this.#elements + index * this.def.valueSizeBytes;
  }
  #after(index: number): number {
    return index + 1 >= this.#slots ? 0 : index + 1;
  }

  contents(): Uint8Array[] {
    const head = this.loadU32(this.addr + QUEUE_LAYOUT.head);
    const values: Uint8Array[] = [];
    for (let at = this.loadU32(this.addr + QUEUE_LAYOUT.tail); at !== head; at = this.#after(at)) {
      values.push(this.mem.read(this.#slot(at), this.def.valueSizeBytes));
    }
    return this.#isStack ? values.reverse() : values;
  }

  override update(_keyAddr: number, _valueAddr: number, _flags: number): number {
    return -ERRNO.EINVAL;
  }
  override delete(_keyAddr: number): number {
    return -ERRNO.EINVAL;
  }

  protected override sysLookup(_keyAddr: number): Uint8Array | null {
    const at = this.valueScratch();
    return this.peek(at) === 0 ? this.mem.read(at, this.def.valueSizeBytes) : null;
  }
  protected override sysLookupAndDelete(_keyAddr: number): Uint8Array | null {
    const at = this.valueScratch();
    return this.pop(at) === 0 ? this.mem.read(at, this.def.valueSizeBytes) : null;
  }
  protected override sysUpdate(_keyAddr: number, valueAddr: number, flags: number): number {
    return this.push(valueAddr, flags);
  }
  protected override sysNextKey(_keyAddr: number, _nextAddr: number): number {
    return -ERRNO.EINVAL;
  }
}

/** Whether its values can only be pushed and popped. */
export function isQueueStackMap(map: BpfMap | undefined): map is QueueStackMap {
  const type = map?.def.type;
  return type === bpf_map_type.BPF_MAP_TYPE_QUEUE || type === bpf_map_type.BPF_MAP_TYPE_STACK;
}
