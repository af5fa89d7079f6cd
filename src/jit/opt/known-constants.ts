import type { Room } from '../room.ts';
import type { Blocks } from '../rows/index.ts';
import { CALL_HELPER, CONST, type Ir, NONE, NOP, PACKET, TAIL } from '../rows/ir.ts';

/** What is known of a register: a row of kind CONST that has set it, that nothing is, or not yet anything at all. */
const VARIES = -1;
const UNSEEN = -2;
const REGISTERS = 10;
/** Rounds before giving up: one for each loop nested in another, and one. */
const MOST_ROUNDS = 12;

/** What a block leaves, given what is known where it begins: rows that set registers, `UNSEEN` for those it leaves alone. */
function effects(rows: Ir, { count, start }: Blocks, room: Room): Int32Array {
  const { kind, d } = rows;
  const left = room.ints(count * REGISTERS, UNSEEN);
  for (let at = 0; at < count; at++) {
    const base = at * REGISTERS;
    for (let i = start[at]; i < start[at + 1]; i++) {
      const k = kind[i];
      if (k === NOP) continue;
      if ((k >= CALL_HELPER && k <= TAIL) || k === PACKET) left.fill(VARIES, base, base + 6);
      else if (d[i] < REGISTERS && d[i] !== NONE) left[base + d[i]] = k === CONST ? i : VARIES;
    }
  }
  return left;
}

/**
 * Constants in registers wherever control comes from: by block and register R0 to R9 (ten entries a block) a row that holds
 * the value, or a negative number. Undefined where no block leaves a constant to another.
 */
export function constantsAt(rows: Ir, blocks: Blocks, room: Room): Int32Array | undefined {
  const { count, taken, next } = blocks;
  if (count === 1) return undefined;
  const left = effects(rows, blocks, room);
  if (!left.some(row => row >= 0)) return undefined;
  const { imm, aux } = rows;
  const before = room.ints(count * REGISTERS, UNSEEN);
  before.fill(VARIES, 0, REGISTERS);
  const meet = (x: number, y: number): number =>
    x === UNSEEN || x === y
      ? y
      : y === UNSEEN
        ? x
        : x >= 0 && y >= 0 && imm[x] === imm[y] && aux[x] === aux[y]
          ? x
          : VARIES;
  for (let rounds = 0, changed = true; changed; rounds++) {
    if (rounds === MOST_ROUNDS) return undefined;
    changed = false;
    for (let at = 0; at < count; at++) {
      const from = at * REGISTERS;
      for (let side = 0; side < 2; side++) {
        const to = side === 0 ? next[at] : taken[at];
        if (to < 0) continue;
        const base = to * REGISTERS;
        for (let r = 0; r < REGISTERS; r++) {
          const there = before[base + r];
          if (there === VARIES) continue;
          const value = left[from + r] === UNSEEN ? before[from + r] : left[from + r];
          const met = meet(there, value);
          if (met === there) continue;
          before[base + r] = met;
          changed = true;
        }
      }
    }
  }
  return before;
}
