import { type Blocks, ir, liveOut } from '../../rows/index.ts';

/** Stands for R0 where its value does not leave the block it is made in: a register of its own, most often r2. */
export const LOCAL_R0 = 13;

/** Rows that need R0 in one register before and behind them. */
const pins = (rows: ir.Ir, i: number): boolean =>
  rows.kind[i] === ir.CMPXCHG || (rows.kind[i] === ir.ATOMIC && rows.d[i] === 0);

/** Gives values of R0 that live within one block to {@link LOCAL_R0}, so that they need not share a place with others. */
export function splitResult(rows: ir.Ir, blocks: Blocks, live: Int32Array): void {
  const { kind, d, a, b } = rows;
  for (let at = 0; at < blocks.count; at++) {
    let global = (liveOut(blocks, live, at) & 0x10001) !== 0;
    /** Rows behind this one that read the value, down to the one that makes it. */
    let readers: number[] = [];
    for (let i = blocks.start[at + 1] - 1; i >= blocks.start[at]; i--) {
      if (kind[i] === ir.NOP) continue;
      if (pins(rows, i)) {
        readers = [];
        global = true;
        continue;
      }
      if (d[i] === 0) {
        if (!global) {
          d[i] = LOCAL_R0;
          for (const reader of readers) {
            if (a[reader] === 0) a[reader] = LOCAL_R0;
            if (b[reader] === 0) b[reader] = LOCAL_R0;
          }
        }
        readers = [];
        global = false;
      }
      if (a[i] === 0 || b[i] === 0) readers.push(i);
    }
  }
}
