import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { concreteAlu, concreteJump, concreteSext } from '../../../test/support/concrete.ts';
import { ALU_OPS, around, has, hull, JUMP_OPS, members, u64 } from '../../../test/support/scalar-arbitrary.ts';
import { hi32, lo32 } from '../../util/index.ts';
import { forkCase, forkWidth, scalarAlu, scalarOffset } from './alu.ts';
import { syncBounds } from './bounds.ts';
import { isBranchTaken, refineBranch } from './branch.ts';
import { fitsBelowSign, scalarSext32, scalarSext64, scalarTruncate, scalarZext32 } from './cast.ts';
import { isOffsetTainted, pointerOffsetKept, pointerOffsetMoved } from './pointer-offset.ts';
import { scalarText } from './print.ts';
import {
  boundsViolation,
  draftOf,
  SCALAR_UNKNOWN,
  type Scalar,
  scalarEqual,
  scalarKnown,
  scalarWidth,
  scalarWithin,
} from './scalar.ts';
import { tnumIn } from './tnum.ts';

const bits = (): fc.Arbitrary<32 | 64> => fc.constantFrom(32, 64);
const scalar = (): fc.Arbitrary<{ s: Scalar; xs: bigint[] }> =>
  fc.tuple(members(), fc.nat(63)).map(([xs, forget]) => ({ s: around(xs, forget), xs }));
const RUNS = { numRuns: 1000 };

describe('soundness: no number that can occur is lost', () => {
  it('in sync', () => {
    fc.assert(
      fc.property(members(), fc.nat(63), (xs, forget) => {
        const exact = hull(xs);
        syncBounds(exact);
        const wider = around(xs, forget);
        for (const x of xs) {
          expect(has(exact, x)).toBe(true);
          expect(has(wider, x)).toBe(true);
        }
        expect(boundsViolation(wider)).toBeUndefined();
      }),
      RUNS,
    );
  });

  it('in arithmetic', () => {
    fc.assert(
      fc.property(fc.constantFrom(...ALU_OPS), bits(), scalar(), scalar(), (op, width, a, b) => {
        const before = [scalarText(a.s), scalarText(b.s)];
        const result = scalarAlu(op, width, a.s, b.s);
        for (const x of a.xs)
          for (const y of b.xs) {
            const z = concreteAlu(op, width, x, y);
            if (!has(result, z)) throw new Error(`${z.toString(16)} is not in ${scalarText(result)}`);
          }
        expect(boundsViolation(result)).toBeUndefined();
        expect([scalarText(a.s), scalarText(b.s)]).toEqual(before);
      }),
      { numRuns: 2500 },
    );
  });

  it('of a shift by a constant', () => {
    fc.assert(
      fc.property(fc.constantFrom('lsh', 'rsh', 'arsh'), bits(), scalar(), fc.nat(63), (op, width, a, by) => {
        const n = by % width;
        const result = scalarAlu(op, width, a.s, scalarKnown(0, n));
        for (const x of a.xs) expect(has(result, concreteAlu(op, width, x, BigInt(n)))).toBe(true);
      }),
      RUNS,
    );
  });

  it('in casts, and links', () => {
    fc.assert(
      fc.property(scalar(), fc.constantFrom(1, 2, 4), fc.integer(), (a, size, delta) => {
        const shifted = draftOf(scalarOffset(a.s, delta));
        for (const x of a.xs) {
          expect(has(scalarTruncate(a.s, size), BigInt.asUintN(size * 8, x))).toBe(true);
          expect(has(scalarSext64(a.s, size), concreteSext(64, size, x))).toBe(true);
          expect(has(scalarZext32(a.s), BigInt.asUintN(32, x))).toBe(true);
          if (size !== 4) expect(has(scalarSext32(a.s, size), concreteSext(32, size, x))).toBe(true);
          if (fitsBelowSign(a.s, size * 8)) expect(concreteSext(64, size, x)).toBe(x);
          expect(x >> BigInt(scalarWidth(a.s))).toBe(0n);
          expect(has(shifted, BigInt.asUintN(64, x + BigInt(delta)))).toBe(true);
        }
      }),
      RUNS,
    );
  });

  it('in the variable part of a pointer', () => {
    fc.assert(
      fc.property(fc.constantFrom('add', 'sub'), scalar(), scalar(), (op, a, b) => {
        expect(isOffsetTainted(b.s)).toBe(false);
        const moved = pointerOffsetMoved(op, a.s, b.s);
        const kept = pointerOffsetKept(a.s);
        for (const x of a.xs) {
          expect(has(kept, x)).toBe(true);
          for (const y of b.xs) expect(has(moved, concreteAlu(op, 64, x, y))).toBe(true);
        }
      }),
      RUNS,
    );
  });

  it('in branches, on either way, for both operands', () => {
    fc.assert(
      fc.property(fc.constantFrom(...JUMP_OPS), bits(), scalar(), scalar(), (op, width, a, b) => {
        const taken = isBranchTaken(op, width, a.s, b.s);
        const out = taken < 0 ? refineBranch(op, width, a.s, b.s) : undefined;
        for (const x of a.xs)
          for (const y of b.xs) {
            const jumps = concreteJump(op, width, x, y);
            if (out === undefined) expect(taken === 1).toBe(jumps);
            else {
              expect(has(jumps ? out.trueA : out.falseA, x)).toBe(true);
              expect(has(jumps ? out.trueB : out.falseB, y)).toBe(true);
            }
          }
      }),
      { numRuns: 2500 },
    );
  });

  it('where a register is compared with itself', () => {
    fc.assert(
      fc.property(fc.constantFrom(...JUMP_OPS), bits(), scalar(), (op, width, a) => {
        const taken = isBranchTaken(op, width, a.s, a.s);
        const out = taken < 0 ? refineBranch(op, width, a.s, a.s, true) : undefined;
        for (const x of a.xs) {
          const jumps = concreteJump(op, width, x, x);
          if (out === undefined) expect(taken === 1).toBe(jumps);
          else expect(has(jumps ? out.trueA : out.falseA, x)).toBe(true);
        }
      }),
      RUNS,
    );
  });

  it('in a fork', () => {
    fc.assert(
      fc.property(fc.constantFrom('and', 'or'), fc.integer(), fc.boolean(), (op, imm, narrow) => {
        const dst = narrow
          ? around([0xffffffffn, 0n, 0x1ffffffffn], 63 ^ (1 << 5))
          : around([0n, BigInt.asUintN(64, -1n)], 63 ^ (1 << 3));
        const src = scalarKnown(imm >> 31, imm);
        const width = forkWidth(op, dst, src);
        expect(width).toBe(narrow ? 32 : 64);
        expect(forkWidth('xor', dst, src)).toBe(0);
        expect(forkWidth(op, dst, SCALAR_UNKNOWN)).toBe(0);
        if (width === 0) return;
        const xs = narrow ? [0xffffffffn, 0x1ffffffffn] : [BigInt.asUintN(64, -1n)];
        for (const x of xs) expect(has(forkCase(dst, width, -1), x)).toBe(true);
        expect(has(forkCase(dst, width, 0), 0n)).toBe(true);
      }),
    );
  });

  it('along programs: a concrete run stays inside', () => {
    const step = fc.record({
      op: fc.constantFrom(...ALU_OPS),
      jump: fc.constantFrom(...JUMP_OPS),
      branch: fc.nat(2),
      width: bits(),
      dst: fc.nat(3),
      src: fc.nat(3),
      fresh: u64(),
      known: fc.boolean(),
    });
    fc.assert(
      fc.property(
        fc.array(step, { minLength: 4, maxLength: 24 }),
        fc.array(u64(), { minLength: 4, maxLength: 4 }),
        (steps, start) => {
          const xs = [...start];
          const regs: Scalar[] = start.map(() => SCALAR_UNKNOWN);
          for (const { op, jump, branch, width, dst, src, fresh, known } of steps) {
            if (known) {
              xs[src] = op.endsWith('sh') ? fresh % BigInt(width) : fresh;
              regs[src] = scalarKnown(hi32(xs[src]), lo32(xs[src]));
            }
            if (branch === 0) {
              const jumps = concreteJump(jump, width, xs[dst], xs[src]);
              const taken = isBranchTaken(jump, width, regs[dst], regs[src]);
              if (taken >= 0) expect(taken === 1).toBe(jumps);
              else {
                const out = refineBranch(jump, width, regs[dst], regs[src], dst === src);
                regs[dst] = jumps ? out.trueA : out.falseA;
                regs[src] = jumps ? out.trueB : out.falseB;
              }
            } else {
              const result = scalarAlu(op, width, regs[dst], regs[src]);
              xs[dst] = concreteAlu(op, width, xs[dst], xs[src]);
              regs[dst] = result;
            }
            for (const n of [dst, src])
              if (!has(regs[n], xs[n])) throw new Error(`${xs[n].toString(16)} is not in ${scalarText(regs[n])}`);
          }
        },
      ),
      { numRuns: 1000 },
    );
  });
});

describe('laws', () => {
  it('constants stay constants, and are computed', () => {
    fc.assert(
      fc.property(fc.constantFrom(...ALU_OPS), bits(), u64(), u64(), (op, width, x, y) => {
        if (['div', 'mod', 'sdiv', 'smod'].includes(op)) return;
        const b = op.endsWith('sh') ? y % BigInt(width) : y;
        const result = scalarAlu(op, width, scalarKnown(hi32(x), lo32(x)), scalarKnown(hi32(b), lo32(b)));
        const z = concreteAlu(op, width, x, b);
        expect(scalarEqual(result, scalarKnown(hi32(z), lo32(z)))).toBe(true);
      }),
      RUNS,
    );
  });

  it('a branch only narrows the bits; bounds Linux may trade for others', () => {
    fc.assert(
      fc.property(fc.constantFrom(...JUMP_OPS), bits(), scalar(), scalar(), (op, width, a, b) => {
        if (isBranchTaken(op, width, a.s, b.s) >= 0) return;
        const out = refineBranch(op, width, a.s, b.s);
        // On a way that nothing takes, bits may contradict each other.
        const taken = (way: boolean): boolean => a.xs.some(x => b.xs.some(y => concreteJump(op, width, x, y) === way));
        if (taken(true)) expect(tnumIn(a.s, out.trueA) && tnumIn(b.s, out.trueB)).toBe(true);
        if (taken(false)) expect(tnumIn(a.s, out.falseA) && tnumIn(b.s, out.falseB)).toBe(true);
      }),
      RUNS,
    );
  });

  it('syncing again loses nothing', () => {
    fc.assert(
      fc.property(scalar(), ({ s, xs }) => {
        const again = draftOf(s);
        syncBounds(again);
        for (const x of xs) expect(has(again, x)).toBe(true);
        expect(scalarEqual(again, s) || tnumIn(s, again)).toBe(true);
        expect(scalarWithin(SCALAR_UNKNOWN, again)).toBe(true);
      }),
      RUNS,
    );
  });
});
