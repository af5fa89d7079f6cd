import { JEQ, JGE, JGT, JLE, JLT, JNE, JSET, JSGE, JSGT, JSLE, JSLT, NONE } from '../rows/ir.ts';
import type { Sum } from './sums.ts';

/** The comparison with its operands exchanged. */
export const MIRRORED: Readonly<Record<number, number>> = {
  [JEQ]: JEQ,
  [JNE]: JNE,
  [JSET]: JSET,
  [JGT]: JLT,
  [JLT]: JGT,
  [JGE]: JLE,
  [JLE]: JGE,
  [JSGT]: JSLT,
  [JSLT]: JSGT,
  [JSGE]: JSLE,
  [JSLE]: JSGE,
};
/** The comparison that holds where this one does not; of `JSET` there is none. */
export const NEGATED: Readonly<Record<number, number>> = {
  [JEQ]: JNE,
  [JNE]: JEQ,
  [JGT]: JLE,
  [JLE]: JGT,
  [JGE]: JLT,
  [JLT]: JGE,
  [JSGT]: JSLE,
  [JSLE]: JSGT,
  [JSGE]: JSLT,
  [JSLT]: JSGE,
};

/** A loop goes on while `value op bound`, where the value is a sum that grows by as much in every round. */
export interface Condition {
  /** In the first round. */
  readonly value: Sum;
  readonly step: number;
  readonly op: number;
  /** A register, or `NONE`: `imm`. */
  readonly bound: number;
  readonly imm: number;
  /** 64 bits are compared. */
  readonly wide: boolean;
}

/** A comparison of a guard's number with a register, or `NONE` and `imm`. */
export interface Test {
  readonly op: number;
  readonly bound: number;
  readonly imm: number;
}

/**
 * What says before several rounds that a condition will hold in all of them: none of `tests` may hold for
 * `value + more - minus`.
 */
export interface Guard {
  readonly more: number;
  /** A register or `NONE`. */
  readonly minus: number;
  readonly tests: readonly Test[];
}

const LEAST = -(2 ** 31);
const MOST = 2 ** 31 - 1;

const plain = (op: number, imm: number): Guard => ({
  more: 0,
  minus: NONE,
  tests: [{ op, bound: NONE, imm: imm | 0 }],
});

/** @param way how far the value gets from its first round to its last, with its sign */
function ordered({ op, bound, imm, wide }: Condition, way: number): Guard | undefined {
  const leave = NEGATED[op];
  const signed = op >= JSGT && op !== JLT && op !== JLE;
  if (bound === NONE) {
    // The bound is as much nearer.
    const value = signed || wide ? imm : imm >>> 0;
    const least = signed ? LEAST : 0;
    const most = signed || wide ? MOST : 2 ** 32 - 1;
    const nearer = value - way;
    return value < least || nearer < least || nearer > most ? undefined : plain(leave, nearer);
  }
  if (signed && wide) return undefined;
  // The last round's value, if it was reached without going round.
  const round = signed
    ? way > 0
      ? { op: JSLT, bound: NONE, imm: LEAST + way }
      : { op: JSGT, bound: NONE, imm: MOST + way }
    : way > 0
      ? { op: JLT, bound: NONE, imm: way }
      : { op: JGT, bound: NONE, imm: way - 1 };
  return { more: way, minus: NONE, tests: [{ op: leave, bound, imm: 0 }, round] };
}

/** Not to meet the bound, the value has to be further away from it than it gets. */
function apart({ bound, imm }: Condition, way: number): Guard {
  const most = Math.abs(way);
  const toward = way > 0 ? way : 0;
  const tests = [{ op: JLE, bound: NONE, imm: most }];
  return bound === NONE ? { more: toward - imm, minus: NONE, tests } : { more: toward, minus: bound, tests };
}

/** The guard of a condition over so many rounds, or undefined where there is none. */
export function guardOf(condition: Condition, rounds: number): Guard | undefined {
  const way = condition.step * (rounds - 1);
  if (way === 0 || Math.abs(way) > 2 ** 20) return undefined;
  const up = way > 0;
  switch (condition.op) {
    case JNE:
      return apart(condition, way);
    case JLT:
    case JLE:
    case JSLT:
    case JSLE:
      return up ? ordered(condition, way) : undefined;
    case JGT:
    case JGE:
    case JSGT:
    case JSGE:
      return up ? undefined : ordered(condition, way);
    default:
      return undefined;
  }
}
