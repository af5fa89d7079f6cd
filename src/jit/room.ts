/** What is kept for the next function; one that took more gives its memory back. */
const KEPT_BYTES = 1 << 23;

/** Elements up to which a loop is faster than `fill`, which costs 100 ns however few they are. */
const SHORT = 64;

/** The array, all elements set. */
export function filled<T extends Uint8Array | Uint16Array | Int32Array>(array: T, value: number): T {
  const { length } = array;
  if (length > SHORT) array.fill(value);
  else for (let i = 0; i < length; i++) array[i] = value;
  return array;
}

/**
 * Memory for arrays that live no longer than one pass over one function. Arrays of their own would cost a short function
 * more than everything that is done with them: a view takes 20 ns, an allocation of more than 64 bytes 500.
 *
 * Whoever calls {@link clear} ends the life of every array handed out before.
 */
export class Room {
  #buffer: ArrayBuffer;
  #usedBytes = 0;
  /** Bytes handed out of other buffers before this one, since it was cleared last. */
  #before = 0;
  /** Bytes from here on were never handed out: they are zeroes. */
  #freshFrom = 0;

  /** @param sizeBytes what there is room for from the start */
  constructor(sizeBytes = 0) {
    this.#buffer = new ArrayBuffer(sizeBytes);
  }

  /** What there is room for without new memory. */
  get sizeBytes(): number {
    return this.#buffer.byteLength;
  }

  /** Where the next array will be; see {@link release}. */
  mark(): number {
    return this.#before + this.#usedBytes;
  }

  /** Ends the life of all arrays handed out since a mark was made. */
  release(mark: number): void {
    this.#usedBytes = Math.max(0, mark - this.#before);
  }

  clear(): void {
    this.#usedBytes = 0;
    this.#before = 0;
    if (this.#buffer.byteLength > KEPT_BYTES) {
      this.#buffer = new ArrayBuffer(0);
      this.#freshFrom = 0;
    }
  }

  #take(sizeBytes: number): number {
    const at = this.#usedBytes;
    if (at + sizeBytes <= this.#buffer.byteLength) {
      this.#usedBytes = at + sizeBytes;
      return at;
    }
    // Arrays handed out keep the buffer they are in.
    this.#before += at;
    this.#buffer = new ArrayBuffer(Math.max(1 << 13, 2 * this.#buffer.byteLength, 2 * sizeBytes));
    this.#usedBytes = sizeBytes;
    this.#freshFrom = 0;
    return 0;
  }

  /** Whether bytes handed out at `at` have to be cleared; remembers that they are in use now. */
  #isUsed(at: number): boolean {
    const used = at < this.#freshFrom;
    if (this.#usedBytes > this.#freshFrom) this.#freshFrom = this.#usedBytes;
    return used;
  }

  /** `length` zeroes, or as many of `value`. */
  bytes(length: number, value = 0): Uint8Array {
    const at = this.#take((length + 3) & ~3);
    const array = new Uint8Array(this.#buffer, at, length);
    return this.#isUsed(at) || value !== 0 ? filled(array, value) : array;
  }

  /** `length` zeroes, or as many of `value`. */
  shorts(length: number, value = 0): Uint16Array {
    const at = this.#take((2 * length + 3) & ~3);
    const array = new Uint16Array(this.#buffer, at, length);
    return this.#isUsed(at) || value !== 0 ? filled(array, value) : array;
  }

  /** `length` zeroes, or as many of `value`. */
  ints(length: number, value = 0): Int32Array {
    const at = this.#take(4 * length);
    const array = new Int32Array(this.#buffer, at, length);
    return this.#isUsed(at) || value !== 0 ? filled(array, value) : array;
  }
}

/** A copy of an array, in a room. */
export function intsIn(room: Room, array: Int32Array): Int32Array {
  const copy = room.ints(array.length);
  copy.set(array);
  return copy;
}
