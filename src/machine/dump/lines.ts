import type { Btf } from '../../btf/index.ts';
import type { ProgInfo } from '../../jit/index.ts';

type LineInfo = ProgInfo['lineInfo'][number];

/** A record of line information with its texts. */
export interface DumpLine {
  /** Blanks at its start removed; undefined when the BTF has no such string. */
  readonly text: string | undefined;
  readonly file: string | undefined;
  readonly line: number;
  readonly column: number;
}

/**
 * Line records as a dump walks over them. Each `next` asks about a place further on and uses up one record when it
 * answers, which is what bpftool does: a record that no place matches makes the one before it appear again.
 *
 * Source: `tools/lib/bpf/bpf_prog_linfo.c`.
 */
export class LineWalk {
  readonly #places: readonly (number | bigint)[];
  readonly #records: readonly LineInfo[];
  #skip = 0;

  constructor(records: readonly LineInfo[], places: readonly (number | bigint)[]) {
    this.#records = records;
    this.#places = places;
  }

  next(place: number | bigint): LineInfo | undefined {
    let last = this.#skip;
    if (last >= this.#places.length || place < this.#places[last]) return undefined;
    while (last + 1 < this.#places.length && this.#places[last + 1] <= place) last++;
    this.#skip++;
    // Records of one address are one place: the last of them spoke for it.
    while (this.#skip <= last && this.#places[this.#skip] === this.#places[this.#skip - 1]) this.#skip++;
    return this.#records[last];
  }
}

/** Line information of a program, cut into its functions. */
export class LineTable {
  readonly #info: ProgInfo;
  readonly #btf: Btf;
  /** First record of each function in the order of `jitedKsyms`, and the end; undefined without addresses. */
  readonly #starts: readonly number[] | undefined;

  private constructor(info: ProgInfo, btf: Btf, starts: readonly number[] | undefined) {
    this.#info = info;
    this.#btf = btf;
    this.#starts = starts;
  }

  /**
   * Undefined when there are no lines, or when the addresses of lines do not go up from one to the next within functions,
   * or leave a function out; bpftool then says so and does without.
   *
   * Differs from bpftool unless `asBpftool`: two lines may share an address, which happens where an instruction needs no
   * code. On PowerPC that costs bpftool every source line of a program.
   */
  static of(info: ProgInfo, btf: Btf | undefined, asBpftool = false): LineTable | undefined {
    if (info.lineInfo.length === 0 || btf === undefined) return undefined;
    const withAddresses =
      info.jitedKsyms.length > 0 &&
      info.jitedLineInfo.length === info.lineInfo.length &&
      info.jitedFuncLens.length === info.jitedKsyms.length;
    if (!withAddresses) return new LineTable(info, btf, undefined);
    const starts = cutIntoFunctions(info, asBpftool);
    return starts === undefined ? undefined : new LineTable(info, btf, starts);
  }

  /** Over the slots of the whole program. */
  walkSlots(): LineWalk {
    const { lineInfo } = this.#info;
    return new LineWalk(
      lineInfo,
      lineInfo.map(line => line.insnIdx),
    );
  }

  /** The record a slot belongs to: the last one at or before it. */
  at(insnIdx: number): LineInfo | undefined {
    const { lineInfo } = this.#info;
    let low = 0;
    let high = lineInfo.length;
    while (low < high) {
      const mid = (low + high) >> 1;
      if (lineInfo[mid].insnIdx <= insnIdx) low = mid + 1;
      else high = mid;
    }
    return lineInfo[low - 1];
  }

  /** Over the addresses of one function; undefined without addresses. */
  walkFunction(index: number): LineWalk | undefined {
    const starts = this.#starts;
    if (starts === undefined || index + 1 >= starts.length) return undefined;
    const { lineInfo, jitedLineInfo } = this.#info;
    const [start, end] = [starts[index], starts[index + 1]];
    return new LineWalk(lineInfo.slice(start, end), jitedLineInfo.slice(start, end));
  }

  textOf(record: LineInfo): DumpLine {
    const stringAt = (off: number): string | undefined => this.#btf.strings.at(off);
    return {
      text: stringAt(record.lineOff)?.replace(/^[ \t\n\v\f\r]+/, ''),
      file: stringAt(record.fileNameOff),
      line: record.line,
      column: record.column,
    };
  }
}

/** Where the records of each function begin, and the end of the last. */
function cutIntoFunctions(
  { jitedKsyms, jitedFuncLens, jitedLineInfo }: ProgInfo,
  asBpftool: boolean,
): number[] | undefined {
  if (jitedLineInfo[0] !== jitedKsyms[0]) return undefined;
  const starts = [0];
  for (let i = 1; i < jitedLineInfo.length && starts.length < jitedKsyms.length; i++) {
    const func = starts.length;
    const [last, addr] = [jitedLineInfo[i - 1], jitedLineInfo[i]];
    if (addr === jitedKsyms[func]) {
      if (last - jitedKsyms[func - 1] + 1n > BigInt(jitedFuncLens[func - 1])) return undefined;
      starts.push(i);
    } else if (addr < last || (asBpftool && addr === last)) return undefined;
  }
  if (starts.length !== jitedKsyms.length) return undefined;
  return [...starts, jitedLineInfo.length];
}
