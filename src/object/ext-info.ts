import type { BtfExt, BtfExtGroup, BtfExtTable } from '../btf/index.ts';
import { INSN_SIZE_BYTES } from '../isa/index.ts';
import type { ObjectFunction } from './functions.ts';
import type { CoreReloSpec, FuncInfo, LineInfo } from './types.ts';

type TableName = 'funcInfo' | 'lineInfo' | 'coreRelo';

/** One section's records of one table, found by instruction. */
class SectionRecords {
  readonly words: Uint32Array;
  readonly recWords: number;
  readonly count: number;
  /** Records by offset; the file's order where that is ascending already. */
  readonly order: Uint32Array | undefined;

  constructor(group: BtfExtGroup, recWords: number) {
    this.words = group.words;
    this.recWords = recWords;
    this.count = group.count;
    let ascending = true;
    for (let i = 1; i < this.count && ascending; i++) ascending = this.#off(i - 1) <= this.#off(i);
    if (!ascending) {
      this.order = Uint32Array.from({ length: this.count }, (_, i) => i).sort(
        (a, b) => this.#off(a) - this.#off(b) || a - b,
      );
    }
  }
  #off(record: number): number {
    return this.words[record * this.recWords];
  }
  record(position: number): number {
    return this.order === undefined ? position : this.order[position];
  }
  /** The first position whose record is at or after byte `off`. */
  lowerBound(off: number): number {
    let low = 0;
    let high = this.count;
    while (low < high) {
      const mid = (low + high) >> 1;
      if (this.#off(this.record(mid)) < off) low = mid + 1;
      else high = mid;
    }
    return low;
  }
}

/** The records of `.BTF.ext` by function. Source: `tools/lib/bpf/libbpf.c: adjust_prog_btf_ext_info`. */
export class ExtInfo {
  readonly #tables: Readonly<Record<TableName, ReadonlyMap<string, readonly SectionRecords[]>>>;

  constructor(ext: BtfExt | undefined) {
    this.#tables = {
      funcInfo: bySection(ext?.funcInfo),
      lineInfo: bySection(ext?.lineInfo),
      coreRelo: bySection(ext?.coreRelo),
    };
  }

  /** `atIdx` is where the function's first instruction lies in the program. */
  funcInfo(fn: ObjectFunction, atIdx: number, out: FuncInfo[]): number {
    return this.#each('funcInfo', fn, atIdx, (insnIdx, words, at) => out.push({ insnIdx, typeId: words[at + 1] }));
  }
  lineInfo(fn: ObjectFunction, atIdx: number, out: LineInfo[]): number {
    return this.#each('lineInfo', fn, atIdx, (insnIdx, words, at) =>
      out.push({
        insnIdx,
        fileNameOff: words[at + 1],
        lineOff: words[at + 2],
        line: words[at + 3] >>> 10,
        column: words[at + 3] & 0x3ff,
      }),
    );
  }
  coreRelos(fn: ObjectFunction, atIdx: number, out: CoreReloSpec[]): number {
    return this.#each('coreRelo', fn, atIdx, (insnIdx, words, at, index) =>
      out.push({ insnIdx, typeId: words[at + 1], accessStrOff: words[at + 2], kind: words[at + 3], index }),
    );
  }

  #each(
    table: TableName,
    fn: ObjectFunction,
    atIdx: number,
    visit: (insnIdx: number, words: Uint32Array, at: number, index: number) => void,
  ): number {
    const start = fn.startIdx * INSN_SIZE_BYTES;
    const end = start + fn.insns.length * INSN_SIZE_BYTES;
    let visited = 0;
    for (const records of this.#tables[table].get(fn.section.name) ?? []) {
      for (let i = records.lowerBound(start); i < records.count; i++) {
        const index = records.record(i);
        const at = index * records.recWords;
        const off = records.words[at];
        if (off >= end) break;
        visit(atIdx + Math.floor((off - start) / INSN_SIZE_BYTES), records.words, at, index);
        visited++;
      }
    }
    return visited;
  }
}

function bySection(table: BtfExtTable | undefined): Map<string, SectionRecords[]> {
  const map = new Map<string, SectionRecords[]>();
  for (const group of table?.groups ?? []) {
    const records = new SectionRecords(group, table?.recWords ?? 0);
    const list = map.get(group.section);
    if (list === undefined) map.set(group.section, [records]);
    else list.push(records);
  }
  return map;
}
