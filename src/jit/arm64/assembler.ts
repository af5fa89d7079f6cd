import { hi32, InternalError, lo32 } from '../../util/index.ts';
import { addImm, b, bCond, cb, movk, movz, SP, X } from './encode.ts';

/** Instructions, and branches between them. */
export class Code {
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
  branch(label: string, encode: (off: number) => number = b): this {
    this.#branches.push({ at: this.words.length, label, encode });
    return this.emit(0);
  }
  bytes(): Uint8Array {
    for (const { at, label, encode } of this.#branches) this.words[at] = encode(this.offsetOf(label) - 4 * at);
    return wordBytes(this.words);
  }
}

/** Branches on a register, or a condition, for {@link Code.branch}. */
export const zero = (rt: number) => (off: number) => cb(X, 0, rt, off);
export const nonzero = (rt: number) => (off: number) => cb(X, 1, rt, off);
export const when = (cond: number) => (off: number) => bCond(cond, off);
/** Copies of the stack pointer, and to it. */
export const fromSp = (rd: number) => addImm(X, rd, SP, 0);
export const toSp = (rn: number) => addImm(X, SP, rn, 0);

/** A number of 64 bits in four instructions. */
export function imm64(reg: number, value: bigint): number[] {
  const [hi, lo] = [hi32(value), lo32(value)];
  return [movz(X, reg, lo), movk(X, reg, lo >>> 16, 1), movk(X, reg, hi, 2), movk(X, reg, hi >>> 16, 3)];
}

export function wordBytes(words: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(4 * words.length);
  const view = new DataView(bytes.buffer);
  words.forEach((word, i) => void view.setUint32(4 * i, word >>> 0, true));
  return bytes;
}
