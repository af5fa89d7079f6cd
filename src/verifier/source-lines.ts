import type { Btf } from '../btf/index.ts';
import type { LineRecord } from './btf-info.ts';
import type { VerifierLog } from './verifier-log.ts';

/** The kernel writes at most so many characters at once (`BPF_VERIFIER_TMP_LOG_SIZE`). */
const MAX_PIECE = 1023;

/**
 * Prints the source line of an instruction before a message about it, each line once in a row.
 *
 * Source: `kernel/bpf/log.c: verbose_linfo, find_linfo`.
 */
export class SourceLines {
  readonly #lines: readonly LineRecord[];
  readonly #btf: Btf | undefined;
  readonly #log: VerifierLog;
  #last: LineRecord | undefined;

  constructor(lines: readonly LineRecord[], btf: Btf | undefined, log: VerifierLog) {
    this.#lines = lines;
    this.#btf = btf;
    this.#log = log;
  }

  /** The next line is logged even if it was the last one. */
  forget(): void {
    this.#last = undefined;
  }

  /** Logs `<prefix><line> @ <file>:<number>` unless the line was the last one logged or nobody knows it. */
  print(idx: number, prefix: string): void {
    if (!this.#log.needed) return;
    const record = this.#recordAt(idx);
    const last = this.#last;
    if (record === undefined || this.#btf === undefined || record === last) return;
    const line = record.lineColumn >>> 10;
    if (last !== undefined && record.fileNameOff === last.fileNameOff && line === last.lineColumn >>> 10) return;
    const text = this.#btf
      .stringAt(record.lineOff)
      .replace(/^[ \t\n\v\f\r\u00a0]+/, '')
      .slice(0, MAX_PIECE);
    const file = this.#btf.stringAt(record.fileNameOff);
    this.#log.print(`${prefix}${text} @ ${file.slice(file.lastIndexOf('/') + 1)}:${line}`);
    this.#last = record;
  }

  /** The record that covers a slot. */
  #recordAt(idx: number): LineRecord | undefined {
    let low = 0;
    let high = this.#lines.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#lines[middle].insnIdx <= idx) low = middle + 1;
      else high = middle;
    }
    return this.#lines[Math.max(low - 1, 0)];
  }
}
