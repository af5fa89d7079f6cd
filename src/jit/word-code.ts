import { type ByteOrder, InternalError } from '../util/index.ts';

/** Instructions of 4 bytes, and branches between them by name. */
export class WordCode {
  readonly words: number[] = [];
  readonly #labels = new Map<string, number>();
  readonly #branches: { readonly at: number; readonly label: string; readonly encode: (off: number) => number }[] = [];

  get here(): number {
    return 4 * this.words.length;
  }
  emit(...words: number[]): this {
    this.words.push(...words);
    return this;
  }
  label(name: string): this {
    this.#labels.set(name, this.here);
    return this;
  }
  offsetOf(label: string): number {
    const at = this.#labels.get(label);
    if (at === undefined) throw new InternalError(`no label ${label}`);
    return at;
  }
  /** @param encode makes the instruction from its distance in bytes */
  branch(label: string, encode: (off: number) => number): this {
    this.#branches.push({ at: this.words.length, label, encode });
    return this.emit(0);
  }
  bytes(order: ByteOrder = 'little'): Uint8Array {
    for (const { at, label, encode } of this.#branches) this.words[at] = encode(this.offsetOf(label) - 4 * at);
    return wordBytes(this.words, order);
  }
}

export function wordBytes(words: readonly number[], order: ByteOrder = 'little'): Uint8Array {
  const bytes = new Uint8Array(4 * words.length);
  const view = new DataView(bytes.buffer);
  words.forEach((word, i) => void view.setUint32(4 * i, word >>> 0, order === 'little'));
  return bytes;
}
