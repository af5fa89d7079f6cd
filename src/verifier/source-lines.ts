import type { Btf } from '../btf/index.ts';
import type { LineTable } from './line-table.ts';
import type { VerifierLog } from './verifier-log.ts';

/** The kernel writes at most so many characters at once (`BPF_VERIFIER_TMP_LOG_SIZE`). */
const MAX_PIECE = 1023;

/**
 * Prints the source line of an instruction before a message about it, each line once in a row.
 *
 * Source: `kernel/bpf/log.c: verbose_linfo, find_linfo`.
 */
export class SourceLines {
  readonly #lines: LineTable;
  readonly #btf: Btf | undefined;
  readonly #log: VerifierLog;
  /** Record logged last, -1 for none. */
  #last = -1;

  constructor(lines: LineTable, btf: Btf | undefined, log: VerifierLog) {
    this.#lines = lines;
    this.#btf = btf;
    this.#log = log;
  }

  /** The next line is logged even if it was the last one. */
  forget(): void {
    this.#last = -1;
  }

  /** Logs `<prefix><line> @ <file>:<number>` unless the line was the last one logged or nobody knows it. */
  print(idx: number, prefix: string): void {
    if (!this.#log.needed) return;
    const lines = this.#lines;
    const record = this.#recordAt(idx);
    const last = this.#last;
    if (record < 0 || this.#btf === undefined || record === last) return;
    const line = lines.lineColumn(record) >>> 10;
    if (last >= 0 && lines.fileNameOff(record) === lines.fileNameOff(last) && line === lines.lineColumn(last) >>> 10)
      return;
    const text = this.#btf
      .stringAt(lines.lineOff(record))
      .replace(/^[ \t\n\v\f\r\u00a0]+/, '')
      .slice(0, MAX_PIECE);
    const file = this.#btf.stringAt(lines.fileNameOff(record));
    this.#log.print(`${prefix}${text} @ ${file.slice(file.lastIndexOf('/') + 1)}:${line}`);
    this.#last = record;
  }

  /** The record that covers a slot; -1 where there are none. */
  #recordAt(idx: number): number {
    const { slots } = this.#lines;
    let low = 0;
    let high = slots.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (slots[middle] <= idx) low = middle + 1;
      else high = middle;
    }
    return slots.length === 0 ? -1 : Math.max(low - 1, 0);
  }
}
