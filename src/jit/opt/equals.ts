import type { Room } from '../room.ts';
import type { Blocks } from '../rows/index.ts';
import { CALL_HELPER, type Ir, MOV, NOP, PACKET, TAIL } from '../rows/ir.ts';

/** R0 to R9: what holds R10's value is left to say so. */
export const REGISTERS = 10;
/** Rounds before giving up: registers stop being equal one by one, for each loop nested in another. */
const MOST_ROUNDS = 24;

/** What registers hold where blocks end: what a register held where the block began, or a number of its own. */
function leftBy(rows: Ir, { count, start }: Blocks, room: Room): Int32Array {
  const { kind, a, d } = rows;
  const left = room.ints(count * REGISTERS);
  for (let at = 0; at < count; at++) {
    const base = at * REGISTERS;
    for (let r = 0; r < REGISTERS; r++) left[base + r] = r;
    let fresh = REGISTERS;
    for (let i = start[at]; i < start[at + 1]; i++) {
      const k = kind[i];
      if (k === NOP) continue;
      if ((k >= CALL_HELPER && k <= TAIL) || k === PACKET) for (let r = 0; r <= 5; r++) left[base + r] = fresh++;
      else if (d[i] < REGISTERS) left[base + d[i]] = k === MOV && a[i] < REGISTERS ? left[base + a[i]] : fresh++;
    }
  }
  return left;
}

/**
 * Registers that hold the same wherever control comes from: by block and register (`REGISTERS` entries a block) the first
 * register that holds what this one does. Undefined where no two do.
 */
export function equalsAt(rows: Ir, blocks: Blocks, room: Room): Int32Array | undefined {
  const { count, taken, next } = blocks;
  if (count === 1) return undefined;
  const left = leftBy(rows, blocks, room);
  const equal = room.ints(count * REGISTERS, -1);
  for (let r = 0; r < REGISTERS; r++) equal[r] = r;
  // Blocks of which more is known than what they lead to has been told.
  const fresh = room.bytes(count);
  fresh[0] = 1;
  const ends = new Int32Array(REGISTERS);
  const values = new Int32Array(REGISTERS);
  for (let rounds = 0, changed = true; changed; rounds++) {
    if (rounds === MOST_ROUNDS) return undefined;
    changed = false;
    for (let at = 0; at < count; at++) {
      const from = at * REGISTERS;
      if (fresh[at] === 0) continue;
      fresh[at] = 0;
      for (let r = 0; r < REGISTERS; r++) {
        const value = left[from + r];
        values[r] = value < REGISTERS ? equal[from + value] : value;
        let first = 0;
        while (values[first] !== values[r]) first++;
        ends[r] = first;
      }
      for (let side = 0; side < 2; side++) {
        const to = side === 0 ? next[at] : taken[at];
        if (to < 0 || !meet(equal, to * REGISTERS, ends)) continue;
        fresh[to] = 1;
        changed = true;
      }
    }
  }
  return equal.some((first, i) => first >= 0 && first !== i % REGISTERS) ? equal : undefined;
}

/** Takes apart what is not equal in both. Returns whether anything was not. */
function meet(equal: Int32Array, base: number, ends: Int32Array): boolean {
  if (equal[base] < 0) {
    equal.set(ends, base);
    return true;
  }
  let changed = false;
  for (let r = REGISTERS - 1; r > 0; r--) {
    const first = equal[base + r];
    if (first === r || ends[first] === ends[r]) continue;
    // The first of those that were equal and still are.
    let now = first;
    while (equal[base + now] !== first || ends[now] !== ends[r]) now++;
    equal[base + r] = now;
    changed = true;
  }
  return changed;
}
