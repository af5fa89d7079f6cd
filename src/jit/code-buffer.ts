import { type ByteOrder, InternalError } from '../util/index.ts';
import type { Cuts } from './cuts.ts';
import type { Room } from './room.ts';
import { Shelf } from './shelf.ts';

/** How a fixup's place is filled in once its label has an offset: target's own number. */
export type FixupKind = number;

/** Writes a resolved distance into code: `off` bytes is where the fixup stands, `distance` how far its label lies. */
export type Patch = (buffer: CodeBuffer, kind: FixupKind, off: number, distance: number) => void;

const UNBOUND = -1;
/** Ints of one fixup: offset, label, kind. */
const FIXUP_INTS = 3;

/** Room that is always kept, and how much is needed for a label at most as a rule. */
const KEPT_BYTES = 1 << 20;
const LABEL_BYTES = 32;
const isTooLarge = (sizeBytes: number, labelCount: number): boolean =>
  sizeBytes > KEPT_BYTES && sizeBytes > 4 * LABEL_BYTES * labelCount;

/** Elements up to which a loop copies faster than `set`, which needs a view. */
const SHORT = 32;

const SHELF = new Shelf();
const NO_OFFS = new Int32Array(0);

/**
 * Code being written: bytes in one byte order, labels, and places that wait for a label. Offsets are in bytes from its
 * start. Labels are small numbers, the first `slotCount` of them by agreement the slots of a function.
 */
export class CodeBuffer {
  readonly order: ByteOrder;
  #bytes: Uint8Array;
  #length = 0;
  readonly #little: boolean;
  #labels: Int32Array;
  #labelCount: number;
  #fixups = new Int32Array(64 * FIXUP_INTS);
  #fixupCount = 0;

  /** @param labelCount labels made from the start: 0 … labelCount − 1 */
  constructor(order: ByteOrder, labelCount = 0, capacityBytes = 256) {
    this.order = order;
    this.#little = order === 'little';
    this.#bytes = new Uint8Array(Math.max(64, capacityBytes));
    this.#labels = new Int32Array(labelCount + 8).fill(UNBOUND);
    this.#labelCount = labelCount;
  }

  /** Empty again, with `labelCount` labels that stand nowhere; keeps its room, unless that is more than it is likely to need. */
  reset(labelCount: number): void {
    this.#length = 0;
    this.#fixupCount = 0;
    if (this.#labels.length < labelCount || isTooLarge(4 * this.#labels.length, labelCount)) {
      this.#labels = new Int32Array(labelCount + 8);
    }
    const labels = this.#labels;
    if (labelCount > SHORT) labels.fill(UNBOUND, 0, labelCount);
    else for (let i = 0; i < labelCount; i++) labels[i] = UNBOUND;
    this.#labelCount = labelCount;
    if (isTooLarge(this.#bytes.length, labelCount)) this.#bytes = new Uint8Array(1 << 16);
    if (isTooLarge(4 * this.#fixups.length, labelCount)) this.#fixups = new Int32Array(64 * FIXUP_INTS);
  }

  /** Bytes written: the offset of what comes next. */
  get length(): number {
    return this.#length;
  }

  #grow(end: number): void {
    const grown = new Uint8Array(Math.max(end, this.#bytes.length * 2));
    grown.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = grown;
  }

  u8(value: number): void {
    if (this.#length === this.#bytes.length) this.#grow(this.#length + 1);
    this.#bytes[this.#length++] = value;
  }

  u16(value: number): void {
    const low = value & 0xff;
    const high = (value >>> 8) & 0xff;
    this.u8(this.#little ? low : high);
    this.u8(this.#little ? high : low);
  }

  u32(value: number): void {
    const at = this.#length;
    if (at + 4 > this.#bytes.length) this.#grow(at + 4);
    this.#length = at + 4;
    this.patchU32(at, value);
  }

  /** 64 bits from halves. */
  u64(high: number, low: number): void {
    this.u32(this.#little ? low : high);
    this.u32(this.#little ? high : low);
  }

  put(bytes: Uint8Array): void {
    const at = this.#length;
    if (at + bytes.length > this.#bytes.length) this.#grow(at + bytes.length);
    this.#bytes.set(bytes, at);
    this.#length = at + bytes.length;
  }

  /** A byte written earlier. */
  peekU8(off: number): number {
    return this.#bytes[off];
  }

  /** Overwrites a byte written earlier. */
  patchU8(off: number, value: number): void {
    this.#bytes[off] = value;
  }

  /** Overwrites four bytes written earlier. */
  patchU32(off: number, value: number): void {
    const bytes = this.#bytes;
    if (this.#little) {
      bytes[off] = value;
      bytes[off + 1] = value >>> 8;
      bytes[off + 2] = value >>> 16;
      bytes[off + 3] = value >>> 24;
    } else {
      bytes[off] = value >>> 24;
      bytes[off + 1] = value >>> 16;
      bytes[off + 2] = value >>> 8;
      bytes[off + 3] = value;
    }
  }

  /** Four bytes written earlier, as an int32. */
  peekU32(off: number): number {
    const b = this.#bytes;
    return this.#little
      ? b[off] | (b[off + 1] << 8) | (b[off + 2] << 16) | (b[off + 3] << 24)
      : (b[off] << 24) | (b[off + 1] << 16) | (b[off + 2] << 8) | b[off + 3];
  }

  /** A new label without a place. */
  label(): number {
    if (this.#labelCount === this.#labels.length) {
      const grown = new Int32Array(this.#labels.length * 2);
      grown.set(this.#labels);
      this.#labels = grown;
    }
    this.#labels[this.#labelCount] = UNBOUND;
    return this.#labelCount++;
  }

  /** The label stands here. */
  bind(label: number): void {
    this.#labels[label] = this.#length;
  }

  /** The label stands where another does. */
  bindAs(label: number, other: number): void {
    this.#labels[label] = this.#labels[other];
  }

  /** Where the label stands; -1 while nobody bound it. */
  offsetOf(label: number): number {
    return this.#labels[label];
  }

  /** What comes next waits for `label`: {@link resolve} hands it to the target's patch. */
  fixup(label: number, kind: FixupKind): void {
    const at = this.#fixupCount * FIXUP_INTS;
    if (at === this.#fixups.length) {
      const grown = new Int32Array(at * 2);
      grown.set(this.#fixups);
      this.#fixups = grown;
    }
    this.#fixups[at] = this.#length;
    this.#fixups[at + 1] = label;
    this.#fixups[at + 2] = kind;
    this.#fixupCount++;
  }

  // ---- shortening, once everything is written: fixups by their number, in the order they were made

  get fixupCount(): number {
    return this.#fixupCount;
  }
  fixupOff(n: number): number {
    return this.#fixups[n * FIXUP_INTS];
  }
  fixupLabel(n: number): number {
    return this.#fixups[n * FIXUP_INTS + 1];
  }
  fixupKind(n: number): FixupKind {
    return this.#fixups[n * FIXUP_INTS + 2];
  }
  /** A fixup stands elsewhere, between the same others, and is of another kind. */
  changeFixup(n: number, off: number, kind: FixupKind): void {
    this.#fixups[n * FIXUP_INTS] = off;
    this.#fixups[n * FIXUP_INTS + 2] = kind;
  }

  /** Takes bytes out of what was written; labels and fixups go with the bytes they stand in front of. */
  cut(cuts: Cuts): void {
    if (cuts.count === 0) return;
    const bytes = this.#bytes;
    let to = cuts.start(0);
    for (let n = 0; n < cuts.count; n++) {
      const from = cuts.end(n);
      const end = n + 1 < cuts.count ? cuts.start(n + 1) : this.#length;
      // `copyWithin` costs 50 ns however few they are.
      if (end - from > 64) bytes.copyWithin(to, from, end);
      else for (let i = from, j = to; i < end; i++, j++) bytes[j] = bytes[i];
      to += end - from;
    }
    this.#length = to;
    for (let label = 0; label < this.#labelCount; label++) {
      if (this.#labels[label] !== UNBOUND) this.#labels[label] = cuts.moved(this.#labels[label]);
    }
    for (let at = 0; at < this.#fixupCount * FIXUP_INTS; at += FIXUP_INTS) {
      this.#fixups[at] = cuts.moved(this.#fixups[at]);
    }
  }

  /** Patches every fixup, in the order they were made. A label nobody bound is an InternalError. */
  resolve(patch: Patch): void {
    const fixups = this.#fixups;
    for (let i = 0; i < this.#fixupCount * FIXUP_INTS; i += FIXUP_INTS) {
      const target = this.#labels[fixups[i + 1]];
      if (target < 0) throw new InternalError(`code refers to label ${fixups[i + 1]}, which stands nowhere`);
      patch(this, fixups[i + 2], fixups[i], target - fixups[i]);
    }
  }

  /** A copy of what was written, in a room. */
  finishIn(room: Room): Uint8Array {
    const copy = room.bytes(this.#length);
    this.#copyTo(copy);
    return copy;
  }

  /**
   * Copies of what was written and of where its slots begin, for good; or of what was written alone.
   *
   * @param slotCount labels 0 … slotCount − 1 stand where slots begin, and label slotCount where the last one ends
   * @param draft room for what is only written to see how long it gets
   */
  finishSlots(
    slotCount: number,
    draft: Room | undefined,
  ): { readonly bytes: Uint8Array; readonly slotOffs: Int32Array } {
    if (draft !== undefined) return { bytes: this.finishIn(draft), slotOffs: NO_OFFS };
    const labels = this.#labels;
    const count = slotCount + 1;
    const at = SHELF.take(4 * count + this.#length);
    const slotOffs = new Int32Array(SHELF.memory, at, count);
    if (count > SHORT) slotOffs.set(labels.subarray(0, count));
    else for (let i = 0; i < count; i++) slotOffs[i] = labels[i];
    const bytes = new Uint8Array(SHELF.memory, at + 4 * count, this.#length);
    this.#copyTo(bytes);
    return { bytes, slotOffs };
  }
  #copyTo(copy: Uint8Array): void {
    const length = this.#length;
    const bytes = this.#bytes;
    if (length > SHORT) copy.set(bytes.subarray(0, length));
    else for (let i = 0; i < length; i++) copy[i] = bytes[i];
  }

  /** A copy of what was written; `same` itself if that is what was written. */
  finish(same?: Uint8Array): Uint8Array {
    if (same !== undefined && this.#holds(same)) return same;
    return this.#bytes.slice(0, this.#length);
  }

  #holds(other: Uint8Array): boolean {
    const bytes = this.#bytes;
    if (other.length !== this.#length) return false;
    for (let i = 0; i < other.length; i++) if (other[i] !== bytes[i]) return false;
    return true;
  }
}
