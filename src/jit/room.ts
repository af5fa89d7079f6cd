/** What is kept for the next function; one that took more gives its memory back. */
const KEPT_BYTES = 1 << 20;

/**
 * Memory for arrays that live no longer than one pass over one function. Arrays of their own would cost a short function
 * more than everything that is done with them: a view takes 20 ns, an allocation of more than 64 bytes 500.
 *
 * Whoever calls {@link clear} ends the life of every array handed out before.
 */
export class Room {
  #buffer = new ArrayBuffer(0);
  #usedBytes = 0;

  clear(): void {
    this.#usedBytes = 0;
    if (this.#buffer.byteLength > KEPT_BYTES) this.#buffer = new ArrayBuffer(0);
  }

  #take(sizeBytes: number): number {
    const at = this.#usedBytes;
    if (at + sizeBytes <= this.#buffer.byteLength) {
      this.#usedBytes = at + sizeBytes;
      return at;
    }
    // Arrays handed out keep the buffer they are in.
    this.#buffer = new ArrayBuffer(Math.max(1 << 14, 2 * this.#buffer.byteLength, 2 * sizeBytes));
    this.#usedBytes = sizeBytes;
    return 0;
  }

  /** `length` zeroes. */
  bytes(length: number): Uint8Array {
    const at = this.#take((length + 3) & ~3);
    return new Uint8Array(this.#buffer, at, length).fill(0);
  }

  /** `length` zeroes, or as many of `value`. */
  ints(length: number, value = 0): Int32Array {
    const at = this.#take(4 * length);
    return new Int32Array(this.#buffer, at, length).fill(value);
  }
}
