import { decodeText, FarcallError, type Where } from '../util/index.ts';

/**
 * How many bytes of text one table may yield, as a multiple of its size: strings may share tails, so a hostile table
 * of n bytes and n symbols could otherwise yield n²/2 characters. Linkers that merge tails stay below 2.
 */
const YIELD_FACTOR = 16;
const YIELD_BASE_BYTES = 1 << 20;

/** NUL-terminated strings at byte offsets (SHT_STRTAB). Strings are decoded once, when first asked for. */
export class StringTable {
  readonly bytes: Uint8Array;
  readonly where: Where;
  readonly #known = new Map<number, string>();
  readonly #lastNul: number;
  #budgetBytes: number;

  constructor(bytes: Uint8Array, where: Where) {
    this.bytes = bytes;
    this.where = where;
    this.#lastNul = bytes.lastIndexOf(0);
    this.#budgetBytes = bytes.length * YIELD_FACTOR + YIELD_BASE_BYTES;
  }

  /** The string at `off`, or undefined when the offset is outside, no NUL follows, or the table yields absurdly much. */
  find(off: number): string | undefined {
    const known = this.#known.get(off);
    if (known !== undefined) return known;
    if (off > this.#lastNul || this.#budgetBytes < 0) return undefined;
    const end = this.bytes.indexOf(0, off);
    this.#budgetBytes -= end - off;
    if (this.#budgetBytes < 0) return undefined;
    const text = decodeText(this.bytes.subarray(off, end));
    this.#known.set(off, text);
    return text;
  }

  /** The string at `off`. Throws `elf.string`; `user` says whose name it is. */
  at(off: number, user: string, where: Where = this.where): string {
    const text = this.find(off);
    if (text !== undefined) return text;
    throw new FarcallError({
      code: 'elf.string',
      message: `the name of ${user} is not in the string table`,
      expected: `a NUL-terminated string at +0x${off.toString(16)}`,
      found:
        this.#budgetBytes < 0 ? 'a table whose strings overlap without end' : `a table of ${this.bytes.length} bytes`,
      where,
    });
  }
}
