import type { LinearMemory } from '../mem/index.ts';
import { FIELDS_TABLE } from './layout.ts';
import type { MapDef, MapField } from './types.ts';

const RUN_BYTES = 8;
const FIELD_BYTES = 12;

const isLock = ({ kind }: MapField): boolean => kind === 'spin_lock' || kind === 'res_spin_lock';

/** The special fields of a map's values. Operations copy around them and let them die as {@link FIELDS_TABLE} says. */
export class ValueFields {
  readonly all: readonly MapField[];
  readonly hasSpinLock: boolean;
  readonly #sizeBytes: number;

  constructor(def: MapDef) {
    this.#sizeBytes = def.valueSizeBytes;
    this.all = (def.fields ?? []).filter(field => field.offBytes + field.sizeBytes <= def.valueSizeBytes);
    this.hasSpinLock = this.all.some(isLock);
  }

  /** Offset and length of every run of ordinary bytes. */
  #runs(): (readonly [number, number])[] {
    const runs: [number, number][] = [];
    let at = 0;
    for (const { offBytes, sizeBytes } of this.all) {
      if (offBytes > at) runs.push([at, offBytes - at]);
      at = Math.max(at, offBytes + sizeBytes);
    }
    if (at < this.#sizeBytes) runs.push([at, this.#sizeBytes - at]);
    return runs;
  }

  /** The words of the {@link FIELDS_TABLE}. */
  table(): Int32Array {
    const runs = this.#runs();
    const words = new Int32Array((FIELDS_TABLE.entries + RUN_BYTES * runs.length + FIELD_BYTES * this.all.length) >> 2);
    words[FIELDS_TABLE.runs >> 2] = runs.length;
    words[FIELDS_TABLE.fields >> 2] = this.all.length;
    words[FIELDS_TABLE.hasSpinLock >> 2] = this.hasSpinLock ? 1 : 0;
    words[FIELDS_TABLE.spinLock >> 2] = this.all.find(isLock)?.offBytes ?? 0;
    let at = FIELDS_TABLE.entries >> 2;
    for (const [off, size] of runs) {
      words[at++] = off;
      words[at++] = size;
    }
    for (const field of this.all) {
      words[at++] = field.offBytes;
      words[at++] = field.sizeBytes;
      words[at++] = isLock(field) ? 1 : 0;
    }
    return words;
  }

  /** A value as user space sees it: a copy with zeros for special fields. */
  read(mem: LinearMemory, addr: number): Uint8Array {
    const bytes = mem.read(addr, this.#sizeBytes);
    for (const { offBytes, sizeBytes } of this.all) bytes.fill(0, offBytes, offBytes + sizeBytes);
    return bytes;
  }
}
