/** What a translated program's module exports. */
export interface Exports {
  readonly main: (...args: bigint[]) => bigint;
  readonly run: (ctx: number, r2: number) => number;
  readonly repeat: (ctx: number, count: number) => number;
  readonly packet?: (data: number, sizeBytes: number) => number;
  readonly batch?: (list: number, count: number, verdicts: number) => void;
}
