import type { Btf } from '../../btf/index.ts';
import type { InfoTable } from '../structure-input.ts';
import type { SourcePlace } from './types.ts';

/** Index of the last record that begins at or before a slot; -1 for none. Records ascend. */
function lastRecord({ count, recSizeBytes, words }: InfoTable, insnIdx: number): number {
  const stride = recSizeBytes >>> 2;
  let low = 0;
  let high = Math.min(count, Math.floor(words.length / Math.max(stride, 1)));
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (words[middle * stride] <= insnIdx) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

/** Lines and functions of a program, by slot, as its tables say; whatever they say, nothing is thrown. */
export class SourcePlaces {
  readonly #btf: Btf | undefined;
  readonly #lines: InfoTable | undefined;
  readonly #funcs: InfoTable | undefined;

  constructor(btf: Btf | undefined, lines: InfoTable | undefined, funcs: InfoTable | undefined) {
    this.#btf = btf;
    this.#lines = lines;
    this.#funcs = funcs;
  }

  lineOf(insnIdx: number): SourcePlace | undefined {
    const lines = this.#lines;
    const btf = this.#btf;
    if (lines === undefined || btf === undefined) return undefined;
    const record = lastRecord(lines, insnIdx);
    if (record < 0) return undefined;
    const at = (record * lines.recSizeBytes) >>> 2;
    const { words } = lines;
    try {
      const file = btf.stringAt(words[at + 1]);
      // Text is shown as it stands in the file: the column counts its blanks.
      const text = btf.stringAt(words[at + 2]).replace(/[\r\n]+$/, '');
      const line = words[at + 3] >>> 10;
      // Line 0: code the compiler made of several lines.
      return line === 0 ? undefined : { file, line, column: words[at + 3] & 0x3ff, text };
    } catch {
      return undefined;
    }
  }

  /** Name of the function a slot belongs to; '' where nobody knows. */
  functionOf(insnIdx: number): string {
    const funcs = this.#funcs;
    if (funcs === undefined || this.#btf === undefined) return '';
    const record = lastRecord(funcs, insnIdx);
    if (record < 0) return '';
    try {
      return this.#btf.nameOf(funcs.words[((record * funcs.recSizeBytes) >>> 2) + 1]);
    } catch {
      return '';
    }
  }
}
