import type { Btf } from '../../btf/index.ts';
import type { ProgramSpec } from '../../object/index.ts';

/** The source line an instruction came from. */
export interface SourceLine {
  readonly file: string;
  readonly line: number;
  readonly column: number;
  /** The text of the line as the compiler recorded it, blanks at its ends removed. */
  readonly text: string;
}

/** Looks up source lines of one program by slot. */
export class SourceLines {
  readonly #btf: Btf | undefined;
  readonly #prog: ProgramSpec;

  constructor(prog: ProgramSpec, btf: Btf | undefined) {
    this.#prog = prog;
    this.#btf = btf;
  }

  #lineAt(index: number): SourceLine | undefined {
    const info = this.#prog.lineInfo[index];
    if (info === undefined || this.#btf === undefined) return undefined;
    return {
      file: this.#btf.stringAt(info.fileNameOff),
      line: info.line,
      column: info.column,
      text: this.#btf.stringAt(info.lineOff).trim(),
    };
  }

  /** The line that begins exactly at this slot. */
  startingAt(insnIdx: number): SourceLine | undefined {
    const index = this.#last(insnIdx);
    return this.#prog.lineInfo[index]?.insnIdx === insnIdx ? this.#lineAt(index) : undefined;
  }

  /** The line this slot belongs to: the last one that begins at or before it. */
  of(insnIdx: number): SourceLine | undefined {
    return this.#lineAt(this.#last(insnIdx));
  }

  /** Index of the last record at or before a slot, -1 when there is none. */
  #last(insnIdx: number): number {
    const { lineInfo } = this.#prog;
    let low = 0;
    let high = lineInfo.length;
    while (low < high) {
      const mid = (low + high) >> 1;
      if (lineInfo[mid].insnIdx <= insnIdx) low = mid + 1;
      else high = mid;
    }
    return low - 1;
  }
}

/** The function of a program that holds a slot, and where in it. */
export function functionAt(prog: ProgramSpec, insnIdx: number): { name: string; insnIdx: number } | undefined {
  const found = prog.subprogs.find(sub => insnIdx >= sub.insnIdx && insnIdx < sub.insnIdx + sub.insnCount);
  return found === undefined ? undefined : { name: found.name, insnIdx: insnIdx - found.insnIdx };
}
