import type { LineInfo } from '../object/index.ts';
import type { InfoTable } from './structure-input.ts';

/**
 * The records of line_info (`struct bpf_line_info`): where each begins changes while the fixups move instructions, what it
 * says does not.
 */
export class LineTable {
  /** Slot each record begins at, ascending. */
  slots: Int32Array;
  /** Which record of the table as loaded. */
  #ids: Int32Array;
  readonly #words: Uint32Array;
  readonly #stride: number;

  constructor(table: InfoTable | undefined) {
    const count = table?.count ?? 0;
    this.#words = table?.words ?? new Uint32Array(0);
    this.#stride = (table?.recSizeBytes ?? 0) >> 2;
    this.slots = new Int32Array(count);
    this.#ids = new Int32Array(count);
    for (let i = 0; i < count; i++) {
      this.slots[i] = this.#words[i * this.#stride];
      this.#ids[i] = i;
    }
  }

  get count(): number {
    return this.slots.length;
  }
  fileNameOff(i: number): number {
    return this.#words[this.#ids[i] * this.#stride + 1];
  }
  lineOff(i: number): number {
    return this.#words[this.#ids[i] * this.#stride + 2];
  }
  /** Line in bits 10 to 31, column below. */
  lineColumn(i: number): number {
    return this.#words[this.#ids[i] * this.#stride + 3];
  }

  /** Every slot has moved. */
  move(place: (slot: number) => number): void {
    const { slots } = this;
    for (let i = 0; i < slots.length; i++) slots[i] = place(slots[i]);
  }

  /**
   * Slots go: their lines are forgotten, but for the last of a range, which becomes that of the slot behind the range where
   * that has none of its own. Slots are still the old ones. Source: `bpf_adj_linfo_after_remove`.
   */
  remove(gone: Uint8Array): void {
    const { slots } = this;
    let kept = 0;
    for (let i = 0; i < slots.length; i++) {
      let slot = slots[i];
      if (gone[slot] !== 0) {
        while (slot < gone.length && gone[slot] !== 0) slot++;
        if (slot === gone.length || (i + 1 < slots.length && slots[i + 1] <= slot)) continue;
      }
      slots[kept] = slot;
      this.#ids[kept++] = this.#ids[i];
    }
    this.slots = slots.subarray(0, kept);
  }

  toList(): LineInfo[] {
    return Array.from(this.slots, (insnIdx, i) => {
      const lineColumn = this.lineColumn(i);
      return {
        insnIdx,
        fileNameOff: this.fileNameOff(i),
        lineOff: this.lineOff(i),
        line: lineColumn >>> 10,
        column: lineColumn & 0x3ff,
      };
    });
  }
}
