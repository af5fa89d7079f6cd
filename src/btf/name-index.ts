import { encodeText } from '../util/index.ts';
import type { StringTable } from './string-table.ts';
import type { TypeTable } from './type-table.ts';

const UNDERSCORE = 0x5f;

/**
 * How much of a name CO-RE compares: everything before the last `___`, if something other than `_` stands on both sides
 * of it (`task_struct___old` → 11). Source: `tools/lib/bpf/libbpf.c: bpf_core_essential_name_len`.
 */
export function essentialNameLength(name: string): number {
  for (let i = name.length - 5; i >= 0; i--) {
    if (name.startsWith('___', i + 1) && name[i] !== '_' && name[i + 4] !== '_') return i + 1;
  }
  return name.length;
}

/** A name without its CO-RE flavor. */
export function essentialName(name: string): string {
  return name.slice(0, essentialNameLength(name));
}

/** Length of the NUL-terminated name at `start` and of its essential part, by bytes. */
function essentialEnd(bytes: Uint8Array, start: number): number {
  let essential = -1;
  let run = 0;
  let at = start;
  for (; at < bytes.length && bytes[at] !== 0; at++) {
    if (bytes[at] === UNDERSCORE) run++;
    else {
      if (run === 3 && at - 3 > start) essential = at - 3;
      run = 0;
    }
  }
  return essential < 0 ? at : essential;
}

function hashRange(bytes: Uint8Array, start: number, end: number): number {
  let hash = 0x811c9dc5;
  for (let at = start; at < end; at++) hash = Math.imul(hash ^ bytes[at], 0x01000193);
  return (hash ^ (hash >>> 15)) >>> 0;
}

/**
 * Own named types of one table by the hash of their essential name, so that one index serves exact look-ups and CO-RE
 * candidate searches. Chains run in ascending id order. Typed arrays only: 8 bytes a type and 4 to 8 for the buckets.
 */
export class NameIndex {
  readonly #types: TypeTable;
  readonly #strings: StringTable;
  readonly #heads: Int32Array;
  readonly #next: Int32Array;
  readonly #mask: number;

  constructor(types: TypeTable, strings: StringTable) {
    this.#types = types;
    this.#strings = strings;
    const count = types.endId - types.startId;
    let buckets = 16;
    while (buckets < count) buckets *= 2;
    this.#mask = buckets - 1;
    this.#heads = new Int32Array(buckets);
    this.#next = new Int32Array(count);
    for (let id = types.endId - 1; id >= types.startId; id--) {
      const off = types.nameOff(id);
      if (off === 0) continue;
      const { bytes, startOff } = strings.owner(off);
      const start = off - startOff;
      const bucket = hashRange(bytes, start, essentialEnd(bytes, start)) & this.#mask;
      this.#next[id - types.startId] = this.#heads[bucket];
      this.#heads[bucket] = id;
    }
  }

  /**
   * Calls `visit` for every own type of exactly this name, or of this essential name if `essential`, in ascending id
   * order, until it returns true.
   */
  visit(name: string, essential: boolean, visit: (id: number) => boolean): void {
    const wanted = encodeText(essential ? essentialName(name) : name);
    if (wanted.length === 0 || wanted.includes(0)) return;
    const hashEnd = essential ? wanted.length : essentialEnd(wanted, 0);
    const types = this.#types;
    let id = this.#heads[hashRange(wanted, 0, hashEnd) & this.#mask];
    while (id !== 0) {
      if (this.#matches(types.nameOff(id), wanted, essential) && visit(id)) return;
      id = this.#next[id - types.startId];
    }
  }

  #matches(off: number, wanted: Uint8Array, essential: boolean): boolean {
    const { bytes, startOff } = this.#strings.owner(off);
    const start = off - startOff;
    for (let i = 0; i < wanted.length; i++) if (bytes[start + i] !== wanted[i]) return false;
    const end = start + wanted.length;
    return bytes[end] === 0 || (essential && essentialEnd(bytes, start) === end);
  }
}
