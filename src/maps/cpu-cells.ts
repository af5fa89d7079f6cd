import type { LinearMemory } from '../mem/index.ts';

/** Where the values of all CPUs are that belong to one key. User space sees them one behind another. */
export interface CpuCells {
  readonly count: number;
  /** Bytes of one as user space sees it: the value's size, rounded up to 8. */
  readonly cellBytes: number;
  /** Bytes from one CPU's to the next one's. */
  readonly strideBytes: number;
}

/** A copy of all cells. @param at the first CPU's */
export function readCells(mem: LinearMemory, at: number, { count, cellBytes, strideBytes }: CpuCells): Uint8Array {
  const bytes = new Uint8Array(count * cellBytes);
  for (let cell = 0; cell < count; cell++) {
    const start = at + cell * strideBytes;
    bytes.set(mem.u8.subarray(start, start + cellBytes), cell * cellBytes);
  }
  return bytes;
}

/** Writes all cells. @param from address of values one behind another */
export function writeCells(mem: LinearMemory, at: number, from: number, cells: CpuCells): void {
  const { count, cellBytes, strideBytes } = cells;
  for (let cell = 0; cell < count; cell++) {
    const start = from + cell * cellBytes;
    mem.u8.copyWithin(at + cell * strideBytes, start, start + cellBytes);
  }
}
