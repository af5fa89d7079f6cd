import { BPF_CMPXCHG } from '../../../isa/index.ts';
import type { Room } from '../../room.ts';
import { CALL_RESULT, RESULT } from './registers.ts';
import { K, type Scan } from './scan.ts';

/** Where R0 is. */
export interface Results {
  /** Register that each slot reads it in. */
  readonly into: Uint8Array;
  /** Register it is in behind each slot. */
  readonly out: Uint8Array;
}

/**
 * Calls return R0 where R1 is passed. Values of R0 that no R1 is live beside stay there, so that neither calls nor
 * returns need a copy; others are in a register of their own.
 *
 * A value is what definitions reach common uses: slots are joined (union-find) along every way on which R0 is live.
 *
 * @param live registers live behind each slot
 * @param kept where the answer lives
 * @param room for what it is found with
 */
export function placeResults(scan: Scan, live: Uint16Array, kept: Room, room: Room): Results {
  const { n, kind, d, a, b, to, insns } = scan;
  const parent = room.ints(n);
  for (let i = 0; i < n; i++) parent[i] = i;
  const find = (slot: number): number => {
    let at = slot;
    while (parent[at] !== at) {
      parent[at] = parent[parent[at]];
      at = parent[at];
    }
    return at;
  };
  /** The value slot `i` reads: some slot behind which it is; −1 while none is known. */
  const reads = room.ints(n, -1);
  const defines = (i: number): boolean => d[i] === 0 && kind[i] !== K.nothing;
  const swaps = (i: number): boolean => kind[i] === K.atomic && insns[i].imm === BPF_CMPXCHG;
  const wants = (i: number): boolean =>
    (kind[i] !== K.nothing && (a[i] === 0 || b[i] === 0 || swaps(i))) || (!defines(i) && (live[i] & 1) !== 0);
  const join = (x: number, y: number): void => {
    const [low, high] = [find(x), find(y)];
    if (low < high) parent[high] = low;
    else parent[low] = high;
  };
  const edge = (from: number, i: number): void => {
    if (!wants(i)) return;
    if (reads[i] < 0) reads[i] = from;
    else join(reads[i], from);
    // What is not set here goes on, and what is changed in its place stays in it.
    if (!defines(i) || swaps(i)) join(from, i);
  };
  for (let i = 0; i < n; i++) {
    if (i + 1 < n && kind[i] !== K.jump && kind[i] !== K.exit) edge(i, i + 1);
    if (kind[i] === K.jump || kind[i] === K.branch) edge(i, to[i]);
  }
  const apart = room.bytes(n);
  for (let i = 0; i < n; i++) {
    if (((live[i] & 1) !== 0 || defines(i)) && ((live[i] & 2) !== 0 || (d[i] === 1 && kind[i] !== K.nothing))) {
      apart[find(i)] = 1;
    }
  }
  const into = kept.bytes(n, RESULT);
  const out = kept.bytes(n);
  for (let i = 0; i < n; i++) {
    out[i] = apart[find(i)] === 1 ? RESULT : CALL_RESULT;
    if (reads[i] >= 0) into[i] = apart[find(reads[i])] === 1 ? RESULT : CALL_RESULT;
  }
  return { into, out };
}
