import { type Blocks, blockAt } from '../rows/index.ts';
import { BARRIER, CALL_HELPER, FP, type Ir, LOAD, NONE, STORE, STORE_K, STORE_REL, ZERO_FRAME } from '../rows/ir.ts';

/** Takes the bytes that straight-line code from row `i` on sets before anything can read them out of `bytes`. */
function takeSet(rows: Ir, i: number, end: number, bytes: Uint8Array, frameBytes: number): void {
  const { kind, a, sub, off, aux } = rows;
  const read = new Uint8Array(bytes.length);
  let addressTaken = false;
  for (let at = i; at < end; at++) {
    const k = kind[at];
    if (k >= CALL_HELPER && k !== BARRIER) return;
    if (k >= LOAD && k <= STORE_REL) {
      const direct = a[at] === FP && (k > STORE_K || aux[at] <= 0);
      const writes = k === STORE || k === STORE_K || k === STORE_REL;
      if (a[at] === NONE) continue;
      if (!direct) {
        if (!writes && (addressTaken || a[at] === FP)) return;
        continue;
      }
      const from = frameBytes + off[at];
      for (let b = from; b < from + (1 << (sub[at] & 3)); b++) {
        if (!writes) read[b] = 1;
        else if (read[b] === 0) bytes[b] = 0;
      }
    } else if (a[at] === FP || rows.b[at] === FP) addressTaken = true;
  }
}

/** Bytes that something may read before they are set; those of {@link unsetWords}. */
function unsetBytes(rows: Ir, blocks: Blocks, touched: Uint8Array, frameBytes: number, row: number): Uint8Array {
  const bytes = touched.slice();
  const end = blocks.start[blockAt(blocks, row) + 1];
  takeSet(rows, rows.kind[row] === ZERO_FRAME ? row + 1 : row, end, bytes, frameBytes);
  return bytes;
}

/**
 * Words of a frame that have to be zeros when a function begins, as something may read a byte of theirs before it is set:
 * their distances from the frame's first byte, ascending, from `bottom` on and below `top`.
 *
 * @param touched bytes that may be touched at all, from the frame's end
 * @param row the row the function begins at: the first one, or a {@link ZERO_FRAME}
 */
export function unsetWords(
  rows: Ir,
  blocks: Blocks,
  touched: Uint8Array,
  frameBytes: number,
  row: number,
  bottom: number,
  top: number,
): number[] {
  const unset = unsetBytes(rows, blocks, touched, frameBytes, row);
  const words: number[] = [];
  for (let at = bottom; at < top; at += 8) if (unset.subarray(at, at + 8).includes(1)) words.push(at);
  return words;
}
