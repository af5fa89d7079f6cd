import { concatBytes, encodeText } from '../util/index.ts';

/** Collects strings into a SHT_STRTAB: each once, the empty one at offset 0. Tails are not merged. */
export class StringTableBuilder {
  readonly #offsets = new Map<string, number>([['', 0]]);
  readonly #parts: Uint8Array[] = [new Uint8Array(1)];
  #lengthBytes = 1;

  get length(): number {
    return this.#lengthBytes;
  }
  /** The offset of `text`, adding it when it is new. */
  add(text: string): number {
    const known = this.#offsets.get(text);
    if (known !== undefined) return known;
    const off = this.#lengthBytes;
    const part = encodeText(`${text}\0`);
    this.#offsets.set(text, off);
    this.#parts.push(part);
    this.#lengthBytes += part.length;
    return off;
  }
  finish(): Uint8Array {
    return concatBytes(this.#parts);
  }
}
