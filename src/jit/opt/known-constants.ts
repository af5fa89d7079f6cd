import type { Room } from '../room.ts';
import type { Blocks } from '../rows/index.ts';
import { CALL_HELPER, CONST, type Ir, NOP, PACKET, TAIL } from '../rows/ir.ts';

/** R0 to R9, and what calls leave nothing in. */
export const REGISTERS = 10;
const ALL = (1 << REGISTERS) - 1;
const CLOBBERED = 0b111111;
/** Rounds before giving up: one for each loop nested in another, and one. */
const MOST_ROUNDS = 12;

/** Constants in registers where blocks begin. */
export interface KnownConstants {
  /** By block: which of R0 to R9 hold one. */
  readonly held: Int32Array;
  /** By block and register, `REGISTERS` entries a block: a row of kind CONST that holds the value, where `held` says that there is one. */
  readonly rows: Int32Array;
}

/** What blocks do to registers: which they set, to which of those a constant, and by which row. Returns whether there is any. */
function effects(rows: Ir, { count, start }: Blocks, sets: Int32Array, leaves: Int32Array, left: Int32Array): boolean {
  const { kind, d } = rows;
  let any = 0;
  for (let at = 0; at < count; at++) {
    let set = 0;
    let constant = 0;
    for (let i = start[at], end = start[at + 1]; i < end; i++) {
      const k = kind[i];
      if (k === NOP) continue;
      if ((k >= CALL_HELPER && k <= TAIL) || k === PACKET) {
        set |= CLOBBERED;
        constant &= ~CLOBBERED;
        continue;
      }
      const register = d[i];
      if (register >= REGISTERS) continue;
      set |= 1 << register;
      if (k === CONST) {
        constant |= 1 << register;
        left[at * REGISTERS + register] = i;
      } else constant &= ~(1 << register);
    }
    sets[at] = set;
    leaves[at] = constant;
    any |= constant;
  }
  return any !== 0;
}

/**
 * Constants in registers wherever control comes from, in `room`. Undefined where no block leaves a constant to another.
 *
 * Blocks are gone through in their order for as long as one has something new to tell a block before it.
 */
export function constantsAt(rows: Ir, blocks: Blocks, room: Room): KnownConstants | undefined {
  const { count, taken, next } = blocks;
  if (count === 1) return undefined;
  const sets = room.ints(count);
  const leaves = room.ints(count);
  const left = room.ints(count * REGISTERS);
  if (!effects(rows, blocks, sets, leaves, left)) return undefined;
  const { imm, aux } = rows;
  const before = room.ints(count * REGISTERS);
  // By block: registers that hold one constant or nothing yet, and those that hold nothing yet.
  const held = room.ints(count, ALL);
  const unseen = room.ints(count, ALL);
  held[0] = 0;
  unseen[0] = 0;
  for (let rounds = 0, changed = true; changed; rounds++) {
    if (rounds === MOST_ROUNDS) return undefined;
    changed = false;
    for (let at = 0; at < count; at++) {
      const own = leaves[at];
      const out = own | (held[at] & ~sets[at]);
      const told = out & ~(unseen[at] & ~sets[at]);
      for (let side = 0; side < 2; side++) {
        const to = side === 0 ? next[at] : taken[at];
        if (to < 0 || held[to] === 0) continue;
        let holds = held[to] & out;
        let nothing = unseen[to] & out;
        for (let some = holds & told; some !== 0; some &= some - 1) {
          const bit = some & -some;
          const register = 31 - Math.clz32(bit);
          const from = at * REGISTERS + register;
          const row = (own & bit) !== 0 ? left[from] : before[from];
          const there = to * REGISTERS + register;
          const other = before[there];
          if ((nothing & bit) !== 0) before[there] = row;
          else if (other !== row && (imm[other] !== imm[row] || aux[other] !== aux[row])) holds ^= bit;
          nothing &= ~bit;
        }
        if (to <= at && (holds !== held[to] || nothing !== unseen[to])) changed = true;
        held[to] = holds;
        unseen[to] = nothing;
      }
    }
  }
  for (let at = 0; at < count; at++) held[at] &= ~unseen[at];
  return { held, rows: before };
}
