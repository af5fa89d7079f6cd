/**
 * Blocks and loops for code whose order is already the one WebAssembly needs: jumps back make loops that are intervals, one
 * in another, and nothing jumps into the middle of one. Compilers' output is like that. Finding it out takes two walks over
 * the jumps and no graph; what is not like that takes the graph.
 */
export interface Intervals {
  /** By slot of the function, and one behind it: how many blocks end in front of it, of loops how many end there. */
  readonly endsBlock: Uint8Array;
  readonly endsLoops: Uint8Array;
  /** By slot: 1 where a loop begins. */
  readonly isLoop: Uint8Array;
  /**
   * Slots that blocks opened at a loop's head, or at the function's beginning, end in front of: of the interval that begins at
   * slot s, `targets[first[s]]` down to its end, the last first.
   */
  readonly first: Int32Array;
  readonly targets: Int32Array;
}

/**
 * @param count slots of the function
 * @param from, to jumps: their slots, and where they go
 * @returns undefined where loops have several entrances or the order does not do
 */
export function findIntervals(count: number, from: Int32Array, to: Int32Array, jumps: number): Intervals | undefined {
  const loopEnd = new Int32Array(count).fill(-1);
  const source = new Int32Array(count + 1).fill(count);
  for (let j = 0; j < jumps; j++) {
    const target = to[j];
    if (target <= from[j]) {
      if (from[j] > loopEnd[target]) loopEnd[target] = from[j];
    } else if (from[j] < source[target]) source[target] = from[j];
  }
  const endsBlock = new Uint8Array(count + 1);
  const endsLoops = new Uint8Array(count + 1);
  const isLoop = new Uint8Array(count);
  const openHead: number[] = [];
  const openEnd: number[] = [];
  // Loops that begin in others and end behind them make those as long.
  for (let slot = count - 1; slot >= 0; slot--) {
    if (loopEnd[slot] < 0) continue;
    openHead.push(slot);
  }
  for (let changed = true; changed; ) {
    changed = false;
    openEnd.length = 0;
    for (let k = openHead.length - 1; k >= 0; k--) {
      const head = openHead[k];
      while (openEnd.length > 0 && loopEnd[openEnd[openEnd.length - 1]] < head) openEnd.pop();
      const outer = openEnd.length > 0 ? openEnd[openEnd.length - 1] : -1;
      if (outer >= 0 && loopEnd[outer] < loopEnd[head]) {
        // Such code is rare; once more around for what lies outside of it.
        loopEnd[outer] = loopEnd[head];
        changed = true;
      }
      openEnd.push(head);
    }
    if (changed && openHead.length > MOST_UNTIDY_LOOPS) return undefined;
  }
  // Targets by the interval they lie in: counted, then placed from the last to the first.
  const owner = new Int32Array(count + 1);
  const first = new Int32Array(count + 2);
  const open: number[] = [];
  for (let slot = 0; slot < count; slot++) {
    while (open.length > 0 && loopEnd[open[open.length - 1]] < slot) open.pop();
    if (source[slot] < count) {
      const head = open.length > 0 ? open[open.length - 1] : 0;
      if (open.length > 0 && source[slot] < head) return undefined;
      endsBlock[slot] = 1;
      owner[slot] = open.length > 0 ? head + 1 : 0;
      first[owner[slot] + 1]++;
    }
    if (loopEnd[slot] >= 0) {
      isLoop[slot] = 1;
      if (endsLoops[loopEnd[slot] + 1] === 255) return undefined;
      endsLoops[loopEnd[slot] + 1]++;
      open.push(slot);
    }
  }
  for (let k = 0; k <= count; k++) first[k + 1] += first[k];
  const next = first.slice(1);
  const targets = new Int32Array(first[count + 1]);
  for (let slot = 0; slot < count; slot++) if (endsBlock[slot] === 1) targets[--next[owner[slot]]] = slot;
  return { endsBlock, endsLoops, isLoop, first, targets };
}

const MOST_UNTIDY_LOOPS = 64;
