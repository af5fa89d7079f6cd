import { InternalError } from '../util/index.ts';

/** Where functions without a recorded place are put: this many bytes behind `_etext`, rounded to 64 KiB, and on. */
const ZONE_BYTES = 1 << 26;
const ALIGN_BYTES = 16;
const SLOTS = ZONE_BYTES / ALIGN_BYTES;
const ZONE_ALIGN_BYTES = 1 << 16;

/** FNV-1a over UTF-16 code units, 32 bits. */
function hash(text: string): number {
  let h = 0x811c9dc5 | 0;
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 0x01000193);
  return h >>> 0;
}

/**
 * Places for functions a recording does not have: past the text, 16 bytes aligned, each name where its hash says, so
 * that it is the same in every process whatever was asked before. Two names that hash alike are told apart by who came
 * first; among a thousand names that happens once in some eight runs.
 */
export class SyntheticText {
  /** Distances from `__bpf_call_base` of the zone's first byte and of the byte behind its last. */
  readonly startOffset: number;
  readonly endOffset: number;
  readonly #slotOf = new Map<string, number>();
  readonly #nameAt = new Map<number, string>();

  constructor(etextOffset: number) {
    this.startOffset = Math.ceil(etextOffset / ZONE_ALIGN_BYTES) * ZONE_ALIGN_BYTES + ZONE_ALIGN_BYTES;
    this.endOffset = this.startOffset + ZONE_BYTES;
  }

  offsetOf(name: string): number {
    let slot = this.#slotOf.get(name);
    if (slot === undefined) {
      if (this.#slotOf.size >= SLOTS / 2) throw new InternalError('half a million functions without a place');
      slot = hash(name) % SLOTS;
      while (this.#nameAt.has(slot)) slot = (slot + 1) % SLOTS;
      this.#slotOf.set(name, slot);
      this.#nameAt.set(slot, name);
    }
    return this.startOffset + slot * ALIGN_BYTES;
  }

  nameAt(offset: number): string | undefined {
    return this.#nameAt.get((offset - this.startOffset) / ALIGN_BYTES);
  }
}
