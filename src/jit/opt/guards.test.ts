import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { JEQ, JGE, JGT, JLE, JLT, JNE, JSGE, JSGT, JSLE, JSLT, NONE } from '../rows/ir.ts';
import { type Condition, guardOf } from './guards.ts';

const OPS = [JEQ, JNE, JGT, JGE, JLT, JLE, JSGT, JSGE, JSLT, JSLE];
const REGISTER = 3;

function holds(op: number, width: number, x: bigint, y: bigint): boolean {
  const signed = [JSGT, JSGE, JSLT, JSLE].includes(op);
  const [a, b] = [x, y].map(n => (signed ? BigInt.asIntN(width, n) : BigInt.asUintN(width, n)));
  if (op === JEQ) return a === b;
  if (op === JNE) return a !== b;
  if (op === JGT || op === JSGT) return a > b;
  if (op === JGE || op === JSGE) return a >= b;
  if (op === JLT || op === JSLT) return a < b;
  return a <= b;
}

/** What a guard says of a loop whose value begins with `from`, and whether the condition holds in all rounds. */
function answers(condition: Condition, rounds: number, from: bigint, bound: bigint): { sure: boolean; all: boolean } {
  const width = condition.wide ? 64 : 32;
  const guard = guardOf(condition, rounds);
  const other = condition.bound === NONE ? BigInt(condition.imm) : bound;
  let all = true;
  for (let k = 0; k < rounds; k++) {
    all &&= holds(condition.op, width, from + BigInt(k * condition.step), other);
  }
  if (guard === undefined) return { sure: false, all };
  const number = from + BigInt(guard.more) - (guard.minus === NONE ? 0n : bound);
  const sure = guard.tests.every(
    test => !holds(test.op, width, number, test.bound === NONE ? BigInt(test.imm) : bound),
  );
  return { sure, all };
}

const near = fc.constantFrom(0n, 1n << 31n, 1n << 32n, 1n << 63n, 1n << 64n, 100n, 4096n);
const number = fc.tuple(near, fc.integer({ min: -40, max: 40 })).map(([n, by]) => n + BigInt(by));
const cases = fc.record({
  op: fc.constantFrom(...OPS),
  wide: fc.boolean(),
  step: fc.integer({ min: -9, max: 9 }),
  rounds: fc.constantFrom(2, 4),
  register: fc.boolean(),
  bound: number,
  from: fc.option(number, { nil: undefined }),
  apart: fc.integer({ min: -60, max: 60 }),
});

describe('guards', () => {
  it('let no round through in which the condition does not hold', () => {
    fc.assert(
      fc.property(cases, ({ op, wide, step, rounds, register, bound, from, apart }) => {
        const imm = Number(BigInt.asIntN(32, bound));
        const value = { a: 1, b: NONE, c: 0, low: false };
        const condition = { value, step, op, bound: register ? REGISTER : NONE, imm, wide };
        const other = register ? bound : BigInt(imm);
        const { sure, all } = answers(condition, rounds, from ?? other + BigInt(apart), bound);
        expect(sure && !all).toBe(false);
      }),
      { numRuns: 20_000 },
    );
  });

  it.each([
    ['up to a number', JLT, 1, NONE, 32],
    ['up to a number, 64 bits', JLE, 8, NONE, 64],
    ['up to a register', JLE, 2, REGISTER, 64],
    ['up to a register, signed', JSLT, 2, REGISTER, 32],
    ['down to a number', JGT, -1, NONE, 64],
    ['down to a number, signed', JSGE, -4, NONE, 32],
    ['down to a register', JGE, -4, REGISTER, 32],
    ['up to what it meets', JNE, 1, NONE, 64],
    ['up to a register it meets', JNE, 1, REGISTER, 64],
    ['down to what it meets', JNE, -1, NONE, 32],
  ])('let rounds through that are far from the end: %s', (_, op, step, bound, width) => {
    const value = { a: 1, b: NONE, c: 0, low: false };
    const condition = { value, step, op, bound, imm: 1000, wide: width === 64 };
    const away = step > 0 ? -100n : 100n;
    expect(answers(condition, 4, 1000n + away, 1000n)).toEqual({ sure: true, all: true });
  });

  it('are not made where nothing grows, and of signed double words in registers', () => {
    const value = { a: 1, b: NONE, c: 0, low: false };
    const condition = { value, step: 0, op: JLT, bound: NONE, imm: 1000, wide: true };
    expect(guardOf(condition, 4)).toBeUndefined();
    expect(guardOf({ ...condition, step: 1, op: JSLT, bound: REGISTER }, 4)).toBeUndefined();
    expect(guardOf({ ...condition, step: -1 }, 4)).toBeUndefined();
  });
});
