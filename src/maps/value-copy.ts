import type { LinearMemory } from '../mem/index.ts';
import { copyBytes } from './copy.ts';
import type { BpfMap, MapDef, MapField, MapHost } from './types.ts';

/**
 * How values of one map are copied: whole, or around the special fields (`copy_map_value`, `zero_map_value`,
 * `bpf_obj_free_fields` of `include/linux/bpf.h`).
 */
export class ValueCopy {
  readonly sizeBytes: number;
  readonly fields: readonly MapField[];
  readonly hasSpinLock: boolean;
  readonly #mem: LinearMemory;
  /** Offset and length of every run of ordinary bytes. */
  readonly #runs: readonly (readonly [number, number])[];

  constructor(mem: LinearMemory, def: MapDef) {
    this.#mem = mem;
    this.sizeBytes = def.valueSizeBytes;
    this.fields = (def.fields ?? []).filter(field => field.offBytes + field.sizeBytes <= def.valueSizeBytes);
    this.hasSpinLock = this.fields.some(field => field.kind === 'spin_lock' || field.kind === 'res_spin_lock');
    const runs: [number, number][] = [];
    let at = 0;
    for (const field of this.fields) {
      if (field.offBytes > at) runs.push([at, field.offBytes - at]);
      at = Math.max(at, field.offBytes + field.sizeBytes);
    }
    if (at < this.sizeBytes) runs.push([at, this.sizeBytes - at]);
    this.#runs = runs;
  }

  /** Copies a value; special fields at `dst` keep their bytes. */
  copy(dst: number, src: number): void {
    if (this.fields.length === 0) {
      copyBytes(this.#mem, dst, src, this.sizeBytes);
      return;
    }
    for (const [off, size] of this.#runs) copyBytes(this.#mem, dst + off, src + off, size);
  }

  /** Copies into a cell that held no value: special fields begin as zeros. */
  copyNew(dst: number, src: number): void {
    this.copy(dst, src);
    if (this.fields.length === 0) return;
    const u8 = this.#mem.u8;
    for (const field of this.fields) u8.fill(0, dst + field.offBytes, dst + field.offBytes + field.sizeBytes);
  }

  /** The value as user space sees it: a copy with zeros for special fields. */
  read(addr: number): Uint8Array {
    const bytes = this.#mem.read(addr, this.sizeBytes);
    for (const field of this.fields) bytes.fill(0, field.offBytes, field.offBytes + field.sizeBytes);
    return bytes;
  }

  /** The value at `addr` dies: tells the host of its fields and zeroes all but locks. */
  freeFields(host: MapHost, map: BpfMap, addr: number): void {
    for (const field of this.fields) {
      if (field.kind === 'spin_lock' || field.kind === 'res_spin_lock') continue;
      const at = addr + field.offBytes;
      host.freeField?.(map, field, at);
      this.#mem.u8.fill(0, at, at + field.sizeBytes);
    }
  }
}
