import { type ByteOrder, ByteWriter, encodeText } from '../../util/index.ts';

/** Read-only data of an executable as it grows, at addresses known from the start. Everything is aligned to 8. */
export class ExeData {
  readonly base: bigint;
  readonly #out: ByteWriter;
  readonly #strings = new Map<string, bigint>();

  constructor(base: bigint, order: ByteOrder) {
    this.base = base;
    this.#out = new ByteWriter(order, 4096);
  }

  /** Where the next piece goes. */
  get here(): bigint {
    return this.base + BigInt(this.#out.length);
  }
  /** Doublewords; returns their address. */
  words(values: readonly (bigint | number)[]): bigint {
    const at = this.here;
    for (const value of values) this.#out.u64(BigInt(value));
    return at;
  }
  bytes(bytes: Uint8Array): bigint {
    const at = this.here;
    this.#out.put(bytes).align(8);
    return at;
  }
  /** A text and its NUL, once however often it is asked for. */
  text(text: string): bigint {
    let at = this.#strings.get(text);
    if (at === undefined) {
      at = this.bytes(Uint8Array.of(...encodeText(text), 0));
      this.#strings.set(text, at);
    }
    return at;
  }
  finish(): Uint8Array {
    return this.#out.finish();
  }
}
