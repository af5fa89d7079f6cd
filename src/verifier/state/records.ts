/** A record is 16 int32 words, a cache line: word `w` of record `r` is `words[(r << RECORD_BITS) | w]`. Record 0 is none. */
export const RECORD_BITS = 4;
const FIRST_RECORDS = 32;

/** Room for the first records. */
export const firstRecords = (): Int32Array => new Int32Array(FIRST_RECORDS << RECORD_BITS);

/** Twice the room, with the same records. */
export function moreRecords(words: Int32Array): Int32Array {
  const twice = new Int32Array(2 * words.length);
  twice.set(words);
  return twice;
}

const PAGE_BITS = 11;
const PAGE_RECORDS = 1 << PAGE_BITS;

/** As many values of a kind for each record, in pages; undefined until set. */
export class RecordValues<T> {
  readonly #each: number;
  readonly #pages: T[][];
  /** Records there is room for. */
  #capacity = FIRST_RECORDS;

  constructor(each: number) {
    this.#each = each;
    this.#pages = [new Array(FIRST_RECORDS * each)];
  }

  /** Makes room for `count` records. */
  reserve(count: number): void {
    while (this.#capacity < count) this.#grow();
  }

  #grow(): void {
    const pages = this.#pages;
    if (this.#capacity >= PAGE_RECORDS) {
      pages.push(new Array(PAGE_RECORDS * this.#each));
      this.#capacity += PAGE_RECORDS;
      return;
    }
    this.#capacity *= 2;
    // Of its final size at once: what grows by itself is moved more often.
    const twice = new Array<T>(this.#capacity * this.#each);
    for (let i = 0; i < pages[0].length; i++) twice[i] = pages[0][i];
    pages[0] = twice;
  }

  get(record: number, n: number): T {
    return this.#pages[record >> PAGE_BITS][(record & (PAGE_RECORDS - 1)) * this.#each + n];
  }
  set(record: number, n: number, value: T): void {
    this.#pages[record >> PAGE_BITS][(record & (PAGE_RECORDS - 1)) * this.#each + n] = value;
  }
  /** The page a record's values are in; they begin at {@link startOf}. */
  pageOf(record: number): T[] {
    return this.#pages[record >> PAGE_BITS];
  }
  startOf(record: number): number {
    return (record & (PAGE_RECORDS - 1)) * this.#each;
  }
}
