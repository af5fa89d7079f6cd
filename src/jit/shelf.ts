/** Bytes of a board, and the largest piece that is cut from one. */
const BOARD_BYTES = 1 << 14;
const MOST_PIECE_BYTES = 1 << 11;

/**
 * Memory for good, for arrays that are made by the thousand: short ones share boards, as programs in Linux share packs, because an
 * ArrayBuffer of its own costs as much as fifty instructions take to compile.
 */
export class Shelf {
  /** What {@link take} cut from last. */
  memory = new ArrayBuffer(0);
  #board = this.memory;
  #usedBytes = 0;

  /** Offset in {@link memory} of a piece of zeroes nobody else has; a multiple of 4. */
  take(sizeBytes: number): number {
    if (sizeBytes > MOST_PIECE_BYTES) {
      this.memory = new ArrayBuffer(sizeBytes);
      return 0;
    }
    if (this.#usedBytes + sizeBytes > this.#board.byteLength) {
      this.#board = new ArrayBuffer(BOARD_BYTES);
      this.#usedBytes = 0;
    }
    this.memory = this.#board;
    const at = this.#usedBytes;
    this.#usedBytes = at + ((sizeBytes + 3) & ~3);
    return at;
  }
}
