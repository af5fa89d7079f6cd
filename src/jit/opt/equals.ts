import type { Room } from '../room.ts';
import type { Blocks } from '../rows/index.ts';
import { CALL_HELPER, type Ir, MOV, NOP, PACKET, TAIL } from '../rows/ir.ts';

/** R0 to R9: what holds R10's value is left to say so. */
export const REGISTERS = 10;
/** Rounds before giving up: registers stop being equal one by one, for each loop nested in another. */
const MOST_ROUNDS = 24;

/** What is known where a block begins: that nobody has been there, that no two registers are equal, that some are. */
const UNSEEN = 0;
const APART = 1;
const SOME = 2;

/** Registers that hold the same wherever control comes from. */
export interface EqualRegisters {
  readonly equal: Int32Array;
  readonly state: Uint8Array;
}

/** Whether some two registers are equal where a block begins: `equal` then has for each, from `at * REGISTERS` on, the first that is. */
export const someEqual = ({ state }: EqualRegisters, at: number): boolean => state[at] === SOME;

/** Whether a block copies registers. */
function copies({ kind, a, d }: Ir, start: number, end: number): boolean {
  for (let i = start; i < end; i++) if (kind[i] === MOV && a[i] < REGISTERS && d[i] < REGISTERS) return true;
  return false;
}

/** By register: the first that holds the same where a block ends, from what `values` says of where it begins. Returns whether any differs. */
function leave(rows: Ir, start: number, end: number, values: Int32Array, firsts: Int32Array): boolean {
  const { kind, a, d } = rows;
  let fresh = REGISTERS;
  // Registers that others may hold the same as.
  let shared = 0;
  for (let r = 0; r < REGISTERS; r++) if (values[r] !== r) shared |= (1 << r) | (1 << values[r]);
  for (let i = start; i < end; i++) {
    const k = kind[i];
    if (k === NOP) continue;
    if ((k >= CALL_HELPER && k <= TAIL) || k === PACKET) {
      for (let r = 0; r <= 5; r++) values[r] = fresh++;
      shared &= ~0b111111;
    } else if (d[i] >= REGISTERS) continue;
    else if (k === MOV && a[i] < REGISTERS) {
      values[d[i]] = values[a[i]];
      shared |= (1 << d[i]) | (1 << a[i]);
    } else {
      values[d[i]] = fresh++;
      shared &= ~(1 << d[i]);
    }
  }
  for (let r = 0; r < REGISTERS; r++) firsts[r] = r;
  let some = false;
  for (let left = shared; left !== 0; left &= left - 1) {
    const r = 31 - Math.clz32(left & -left);
    let first = 0;
    while (values[first] !== values[r]) first++;
    firsts[r] = first;
    if (first !== r) some = true;
  }
  return some;
}

/**
 * Registers that hold the same wherever control comes from: by block and register (`REGISTERS` entries a block) the first
 * register that holds what this one does. Undefined where no two do.
 */
export function equalsAt(rows: Ir, blocks: Blocks, room: Room): EqualRegisters | undefined {
  const { count, start, taken, next } = blocks;
  if (count === 1) return undefined;
  const equal = room.ints(count * REGISTERS);
  const state = room.bytes(count);
  state[0] = APART;
  // Blocks of which more is known than what they lead to has been told.
  const fresh = room.bytes(count);
  fresh[0] = 1;
  const ends = room.ints(REGISTERS);
  const values = room.ints(REGISTERS);
  for (let rounds = 0, changed = true; changed; rounds++) {
    if (rounds === MOST_ROUNDS) return undefined;
    changed = false;
    for (let at = 0; at < count; at++) {
      if (fresh[at] === 0) continue;
      fresh[at] = 0;
      const begun = state[at] === SOME;
      let some = false;
      if (begun || copies(rows, start[at], start[at + 1])) {
        for (let r = 0; r < REGISTERS; r++) values[r] = begun ? equal[at * REGISTERS + r] : r;
        some = leave(rows, start[at], start[at + 1], values, ends);
      }
      for (let side = 0; side < 2; side++) {
        const to = side === 0 ? next[at] : taken[at];
        if (to < 0 || state[to] === APART) continue;
        if (!some) state[to] = APART;
        else if (state[to] === UNSEEN) {
          equal.set(ends, to * REGISTERS);
          state[to] = SOME;
        } else if (!takeApart(equal, state, to, ends)) continue;
        fresh[to] = 1;
        if (to <= at) changed = true;
      }
    }
  }
  return state.includes(SOME) ? { equal, state } : undefined;
}

/** Takes apart what is not equal in both. Returns whether anything was not. */
function takeApart(equal: Int32Array, state: Uint8Array, to: number, ends: Int32Array): boolean {
  const base = to * REGISTERS;
  let changed = false;
  let some = false;
  for (let r = REGISTERS - 1; r > 0; r--) {
    const first = equal[base + r];
    if (first === r) continue;
    if (ends[first] === ends[r]) {
      some = true;
      continue;
    }
    // The first of those that were equal and still are.
    let now = first;
    while (equal[base + now] !== first || ends[now] !== ends[r]) now++;
    equal[base + r] = now;
    changed = true;
    if (now !== r) some = true;
  }
  if (!some) state[to] = APART;
  return changed;
}
