import { BPF_FLAGS, ERRNO } from '../uapi/index.ts';
import { MAP_HANDLE } from './layout.ts';
import { MapBase } from './map-base.ts';
import type { MapDef, MapHost } from './types.ts';

/** The handle of struct_ops maps, from `MAP_HANDLE.end`. */
export const STRUCT_OPS_LAYOUT = {
  /** Address of the one value: `struct bpf_struct_ops_*`, which begins with `refcnt` and `state`. */
  value: MAP_HANDLE.end,
  handleBytes: MAP_HANDLE.end + 8,
} as const;

/** `struct bpf_struct_ops_common_value` */
export const STRUCT_OPS_VALUE = { refcnt: 0, state: 4, sizeBytes: 8 } as const;

/** `enum bpf_struct_ops_state` */
const STATE = { init: 0, inuse: 1, tobefree: 2, ready: 3 } as const;
const EINPROGRESS = 115;
const CREATE_FLAGS = BPF_FLAGS.BPF_F_LINK | BPF_FLAGS.BPF_F_VTYPE_BTF_OBJ_FD;

/** `kernel/bpf/bpf_struct_ops.c: bpf_struct_ops_map_alloc_check` */
export function checkStructOps(def: MapDef): number {
  const bad =
    def.keySizeBytes !== 4 ||
    def.maxEntries !== 1 ||
    (def.flags & ~CREATE_FLAGS) !== 0 ||
    def.valueSizeBytes < STRUCT_OPS_VALUE.sizeBytes;
  return bad ? -ERRNO.EINVAL : 0;
}

/**
 * `BPF_MAP_TYPE_STRUCT_OPS`: one value, written once, which registers it.
 *
 * Differs from Linux: there is no subsystem to register with, and members and program descriptors in the value are not
 * checked, for that takes the kernel's types.
 */
export class StructOpsMap extends MapBase {
  #value = 0;

  constructor(host: MapHost, def: MapDef, id: number) {
    super(host, def, id, STRUCT_OPS_LAYOUT.handleBytes);
  }

  override setUp(): void {
    this.#value = this.block(this.def.valueSizeBytes);
    this.store(this.addr + STRUCT_OPS_LAYOUT.value, this.#value);
  }

  get #state(): number {
    return this.load(this.#value + STRUCT_OPS_VALUE.state);
  }
  get #linked(): boolean {
    return (this.def.flags & BPF_FLAGS.BPF_F_LINK) !== 0;
  }

  protected override sysLookup(keyAddr: number): Uint8Array | null {
    return this.load(keyAddr) === 0 ? this.mem.read(this.#value, this.def.valueSizeBytes) : null;
  }

  // bpf_struct_ops_map_update_elem
  protected override sysUpdate(keyAddr: number, valueAddr: number, flags: number): number {
    if (flags !== 0) return -ERRNO.EINVAL;
    if (this.load(keyAddr) !== 0) return -ERRNO.E2BIG;
    const given = valueAddr + STRUCT_OPS_VALUE.refcnt;
    if (this.load(given) !== 0 || this.load(valueAddr + STRUCT_OPS_VALUE.state) !== 0) return -ERRNO.EINVAL;
    if (this.#state !== STATE.init) return -ERRNO.EBUSY;
    this.mem.u8.copyWithin(this.#value, valueAddr, valueAddr + this.def.valueSizeBytes);
    this.store(this.#value + STRUCT_OPS_VALUE.refcnt, this.#linked ? 0 : 1);
    this.store(this.#value + STRUCT_OPS_VALUE.state, this.#linked ? STATE.ready : STATE.inuse);
    return 0;
  }

  // bpf_struct_ops_map_delete_elem
  override delete(_keyAddr: number): number {
    if (this.#linked) return -ERRNO.EOPNOTSUPP;
    const state = this.#state;
    if (state === STATE.init) return -ERRNO.ENOENT;
    if (state !== STATE.inuse) return -EINPROGRESS;
    this.store(this.#value + STRUCT_OPS_VALUE.state, STATE.tobefree);
    this.store(this.#value + STRUCT_OPS_VALUE.refcnt, 0);
    return 0;
  }

  protected override sysNextKey(keyAddr: number, nextAddr: number): number {
    if (keyAddr !== 0 && this.load(keyAddr) === 0) return -ERRNO.ENOENT;
    this.store(nextAddr, 0);
    return 0;
  }

  override freeze(): number {
    return -ERRNO.ENOTSUPP;
  }
}
