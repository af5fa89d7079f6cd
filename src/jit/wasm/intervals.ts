/**
 * Blocks and loops for code whose order is already the one WebAssembly needs: jumps back make loops that are intervals, one
 * in another, and nothing jumps into the middle of one. Compilers' output is like that. Finding it out takes walks over
 * the jumps alone and no graph; what is not like that takes the graph.
 */
export interface Intervals {
  /**
   * By slot of the function, and one behind it: what ends in front of it, and what begins.
   *
   * ```
   *    7           2    1      0
   *   +-------------+------+-------+
   *   | loops that  | loop | block |
   *   | end         | here | ends  |
   *   +-------------+------+-------+
   * ```
   */
  readonly marks: Uint8Array;
  /**
   * Slots that blocks opened at a loop's head, or at the function's beginning, end in front of: of loop n, counted from 1 in
   * the order of their heads, `targets[first[n]]` up to the next loop's, the last slot first; 0 is the function.
   */
  readonly first: Int32Array;
  readonly targets: Int32Array;
}

export const BLOCK_ENDS = 1;
export const LOOP_BEGINS = 2;
/** How many loops end: `marks >> LOOPS_END`. */
export const LOOPS_END = 2;

const MOST_LOOP_ENDS = 63;
const MOST_UNTIDY_LOOPS = 64;

/**
 * @param count slots of the function
 * @param from, to jumps: their slots, ascending, and where they go
 * @returns undefined where loops have several entrances or the order does not do
 */
export function findIntervals(count: number, from: Int32Array, to: Int32Array, jumps: number): Intervals | undefined {
  const marks = new Uint8Array(count + 1);
  const loopEnd = new Int32Array(count);
  const source = new Int32Array(count);
  const heads = new Int32Array(jumps);
  const ends = new Int32Array(jumps);
  let loops = 0;
  let blocks = 0;
  for (let j = 0; j < jumps; j++) {
    const target = to[j];
    const slot = from[j];
    if (target <= slot) {
      if ((marks[target] & LOOP_BEGINS) === 0) {
        marks[target] |= LOOP_BEGINS;
        heads[loops++] = target;
      }
      loopEnd[target] = slot;
    } else if ((marks[target] & BLOCK_ENDS) === 0) {
      marks[target] |= BLOCK_ENDS;
      source[target] = slot;
      ends[blocks++] = target;
    }
  }
  heads.subarray(0, loops).sort();
  ends.subarray(0, blocks).sort();
  if (!nestLoops(heads, loops, loopEnd)) return undefined;
  // Targets by the interval they lie in: counted, then placed from the last to the first.
  const owner = new Int32Array(blocks);
  const first = new Int32Array(loops + 2);
  const open: number[] = [];
  let loop = 0;
  const enter = (before: number): void => {
    for (; loop < loops && heads[loop] < before; loop++) {
      const head = heads[loop];
      while (open.length > 0 && loopEnd[heads[open[open.length - 1]]] < head) open.pop();
      open.push(loop);
    }
    while (open.length > 0 && loopEnd[heads[open[open.length - 1]]] < before) open.pop();
  };
  for (let k = 0; k < blocks; k++) {
    const target = ends[k];
    enter(target);
    const inner = open.length > 0 ? open[open.length - 1] : -1;
    if (inner >= 0 && source[target] < heads[inner]) return undefined;
    owner[k] = inner + 1;
    first[inner + 2]++;
  }
  for (let k = 0; k < loops; k++) {
    const behind = loopEnd[heads[k]] + 1;
    if (marks[behind] >> LOOPS_END === MOST_LOOP_ENDS) return undefined;
    marks[behind] += 1 << LOOPS_END;
  }
  for (let k = 0; k <= loops; k++) first[k + 1] += first[k];
  const next = first.slice(1);
  const targets = new Int32Array(blocks);
  for (let k = 0; k < blocks; k++) targets[--next[owner[k]]] = ends[k];
  return { marks, first, targets };
}

/** Loops that begin in others and end behind them make those as long. False where too many are like that. */
function nestLoops(heads: Int32Array, loops: number, loopEnd: Int32Array): boolean {
  const open: number[] = [];
  for (let changed = true; changed; ) {
    changed = false;
    open.length = 0;
    for (let k = 0; k < loops; k++) {
      const head = heads[k];
      while (open.length > 0 && loopEnd[open[open.length - 1]] < head) open.pop();
      const outer = open.length > 0 ? open[open.length - 1] : -1;
      if (outer >= 0 && loopEnd[outer] < loopEnd[head]) {
        // Such code is rare; once more around for what lies outside of it.
        loopEnd[outer] = loopEnd[head];
        changed = true;
      }
      open.push(head);
    }
    if (changed && loops > MOST_UNTIDY_LOOPS) return false;
  }
  return true;
}
