/** What a translated program's module exports; `EntryName` says what each does. */
export interface Exports {
  readonly main: (...args: bigint[]) => bigint;
  readonly ready: () => number;
  readonly run: (ctx: number, r2: number) => number;
  readonly repeat: (ctx: number, count: number) => number;
  readonly packet?: (data: number, sizeBytes: number) => number;
  readonly nth?: (index: number) => number;
  readonly batch?: (list: number, count: number, verdicts: number) => void;
  readonly all?: () => void;
}
