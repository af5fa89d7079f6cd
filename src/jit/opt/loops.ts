import { Room } from '../room.ts';
import { type Ir, JA, JCC_K, JCC_X, MAY_GOTO, NOP } from '../rows/ir.ts';

/** Rows `head` to `end` of a function: the last one jumps back to the first, nothing else does or gets in between. */
export interface Loop {
  readonly head: number;
  readonly end: number;
  /** How many of the rows do something. */
  readonly size: number;
}

const jumps = (kind: number): boolean => (kind >= JA && kind <= JCC_X) || kind === MAY_GOTO;

/** The rows between are of the kinds a loop may have, and jump forward or out of it. */
function sizeOf({ kind, aux }: Ir, head: number, end: number): number {
  let size = 0;
  for (let i = head; i <= end; i++) {
    if (kind[i] > JCC_X) return -1;
    if (kind[i] !== NOP) size++;
    if (i < end && jumps(kind[i]) && aux[i] >= head && aux[i] <= i) return -1;
  }
  return size;
}

/**
 * Innermost loops that lie in one piece and call nothing, in the order of their rows.
 *
 * @param mostRows longest to look for
 * @param room to work in; default one of its own
 */
export function findLoops(rows: Ir, mostRows: number, room = new Room()): Loop[] {
  const { n, kind, aux } = rows;
  const ends: number[] = [];
  for (let i = 0; i < n; i++) {
    const back = (kind[i] === JA || kind[i] === JCC_K || kind[i] === JCC_X) && aux[i] <= i && i - aux[i] < mostRows;
    if (back) ends.push(i);
  }
  if (ends.length === 0) return [];
  // From where each row is jumped to: the first and the last such row.
  const mark = room.mark();
  const first = room.ints(n + 1, n);
  const last = room.ints(n + 1, -1);
  for (let i = 0; i < n; i++) {
    if (!jumps(kind[i])) continue;
    first[aux[i]] = Math.min(first[aux[i]], i);
    last[aux[i]] = i;
  }
  const loops: Loop[] = [];
  for (const end of ends) {
    const head = aux[end];
    const size = sizeOf(rows, head, end);
    let closed = size > 0;
    for (let i = head + 1; i <= end && closed; i++) closed = first[i] >= head && last[i] <= end;
    if (closed) loops.push({ head, end, size });
  }
  room.release(mark);
  return loops;
}
