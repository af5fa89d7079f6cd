import { Room } from '../room.ts';
import { type Blocks, blockAt } from '../rows/index.ts';
import { BARRIER, CALL_HELPER, FP, type Ir, LOAD, NONE, STORE, STORE_K, STORE_REL, ZERO_FRAME } from '../rows/ir.ts';

/**
 * Takes the bytes that straight-line code from row `i` on sets before anything can read them out of `bytes`.
 *
 * @param read as many zeros
 */
function takeSet(rows: Ir, i: number, end: number, bytes: Uint8Array, read: Uint8Array, frameBytes: number): void {
  const { kind, a, b, sub, off, aux } = rows;
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
      for (let byte = from; byte < from + (1 << (sub[at] & 3)); byte++) {
        if (!writes) read[byte] = 1;
        else if (read[byte] === 0) bytes[byte] = 0;
      }
    } else if (a[at] === FP || b[at] === FP) addressTaken = true;
  }
}

/**
 * Words of a frame that have to be zeros when a function begins, as something may read a byte of theirs before it is set:
 * their distances from the frame's first byte, ascending, from `bottom` on and below `top`.
 *
 * @param touched bytes that may be touched at all, from the frame's end
 * @param row the row the function begins at: the first one, or a {@link ZERO_FRAME}
 * @param room to work in; default one of its own
 */
export function unsetWords(
  rows: Ir,
  blocks: Blocks,
  touched: Uint8Array,
  frameBytes: number,
  row: number,
  bottom: number,
  top: number,
  room = new Room(2 * touched.length + 8),
): number[] {
  const mark = room.mark();
  const unset = room.bytes(touched.length);
  unset.set(touched);
  const end = blocks.start[blockAt(blocks, row) + 1];
  const first = rows.kind[row] === ZERO_FRAME ? row + 1 : row;
  takeSet(rows, first, end, unset, room.bytes(touched.length), frameBytes);
  const words: number[] = [];
  for (let at = bottom; at < top; at += 8) {
    let any = 0;
    for (let byte = at; byte < at + 8; byte++) any |= unset[byte];
    if (any !== 0) words.push(at);
  }
  room.release(mark);
  return words;
}
