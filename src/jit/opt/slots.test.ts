import { describe, expect, it } from 'vitest';
import { rowsText } from '../../../test/support/row-text.ts';
import { assemble } from '../../asm/index.ts';
import { Room } from '../room.ts';
import { decodeUnfixed, findBlocks, ir } from '../rows/index.ts';
import {
  calleesFirst,
  type FramePlan,
  type FrameReach,
  foldRows,
  frameReach,
  inlineCalls,
  OPT_PASSES,
  type OptFunction,
  planFrame,
  removeDead,
} from './index.ts';

const FRAME_BYTES = 64;
const WITHOUT = new Set(OPT_PASSES.filter(pass => pass !== 'copies' && pass !== 'addresses'));

function funcOf(text: string, reach?: FrameReach, frameBytes = FRAME_BYTES): OptFunction {
  const insns = assemble(text, { dialect: 'llvm' });
  const rows = decodeUnfixed({ insns, funcRefs: new Map(), verifierZext: false }, 'little', () => true);
  rows.narrowAddresses = true;
  return { rows, slots: Int32Array.from({ length: rows.n }, (_, i) => i), frameBytes, locals: 0, reach };
}

function plan({ rows, frameBytes, locals, reach }: OptFunction): FramePlan {
  const room = new Room();
  const blocks = findBlocks(rows, room);
  foldRows(rows, blocks, room, WITHOUT);
  return planFrame(rows, blocks, removeDead(rows, blocks, room), frameBytes, locals, true, reach);
}

/** What is left of a program whose frame is reached in these slots; the first is [r10 - 8, r10). Undefined: nobody knows. */
function after(text: string, reached?: readonly number[]): readonly string[] {
  const lo = reached?.reduce((bits, slot) => bits | (1 << slot), 0);
  const func = funcOf(text, lo === undefined ? undefined : frameReach([lo, 0], FRAME_BYTES));
  plan(func);
  return rowsText(func.rows);
}

type Case = readonly [before: string, left: readonly string[], reached?: readonly number[]];
const cases = (list: readonly Case[]): void => {
  for (const [before, left, reached] of list) {
    it(before, () => {
      expect(after(before, reached)).toEqual(left);
    });
  }
};

describe('slots', () => {
  cases([
    ['*(u64 *)(r10 - 8) = r1\nr0 = *(u64 *)(r10 - 8)\nexit', ['local0 = r1', 'r0 = local0', 'exit']],
    // Not always as many bytes: low ones of all there are;
    ['*(u64 *)(r10 - 8) = r1\nr0 = *(u32 *)(r10 - 8)\nexit', ['local0 = r1', 'r0 = u32 local0', 'exit']],
    // others;
    ['*(u64 *)(r10 - 8) = r1\nr0 = *(u32 *)(r10 - 4)\nexit', ['u64[r10 - 8] = r1', 'r0 = u32[r10 - 4]', 'exit']],
    // two places, one behind the other in the same bytes;
    [
      '*(u64 *)(r10 - 8) = r1\nr0 = *(u64 *)(r10 - 8)\n*(u32 *)(r10 - 8) = r2\nr3 = *(u32 *)(r10 - 8)\nr0 += r3\nexit',
      ['local0 = r1', 'r0 = local0', 'local0 = r2', 'r3 = u32 local0', 'r0 = r0 + r3', 'exit'],
    ],
    // some that stay as they were,
    [
      '*(u64 *)(r10 - 8) = r1\n*(u16 *)(r10 - 8) = r2\nr0 = *(u32 *)(r10 - 8)\nexit',
      ['u64[r10 - 8] = r1', 'u16[r10 - 8] = r2', 'r0 = u32[r10 - 8]', 'exit'],
    ],
    // also around a loop.
    [
      'r0 = 0\nr0 += 1\nr3 = *(u64 *)(r10 - 8)\n*(u8 *)(r10 - 8) = r3\nif r0 < 7 goto -4\nexit',
      ['r0 = 0x0', 'r0 = r0 + 1', 'r3 = u64[r10 - 8]', 'u8[r10 - 8] = r3', 'if r0 < 7 goto 1', 'exit'],
    ],
    [
      '*(u64 *)(r10 - 8) = r1\n*(u8 *)(r10 - 3) = r1\nr0 = *(u64 *)(r10 - 8)\nexit',
      ['u64[r10 - 8] = r1', 'u8[r10 - 3] = r1', 'r0 = u64[r10 - 8]', 'exit'],
    ],
    // A helper is given an address: what lies below it is still the function's own.
    [
      '*(u64 *)(r10 - 8) = r6\n*(u64 *)(r10 - 16) = r7\nr1 = r10\nr1 += -8\ncall 1\nr0 = *(u64 *)(r10 - 16)\nexit',
      ['u64[r10 - 8] = r6', 'local0 = r7', 'r1 = r10 - 8', 'helper 1', 'r0 = local0', 'exit'],
    ],
    // An address goes to memory, and anywhere from there.
    [
      '*(u64 *)(r10 - 16) = r7\nr1 = r10\nr1 += -8\n*(u64 *)(r6 + 0) = r1\nr0 = *(u64 *)(r10 - 16)\nexit',
      ['u64[r10 - 16] = r7', 'r1 = r10 - 8', 'u64[r6] = r1', 'r0 = u64[r10 - 16]', 'exit'],
    ],
    // A place that is computed may be any.
    [
      '*(u64 *)(r10 - 16) = r7\nr1 = r10\nr1 += r2\nr3 = *(u64 *)(r1 - 64)\nr0 = *(u64 *)(r10 - 16)\nr0 += r3\nexit',
      ['u64[r10 - 16] = r7', 'r3 = u64[r10 + r2 - 64]', 'r0 = u64[r10 - 16]', 'r0 = r0 + r3', 'exit'],
    ],
  ]);
});

describe('slots, with what the verifier knows', () => {
  cases([
    // A place that is computed is one of those.
    [
      '*(u64 *)(r10 - 16) = r7\nr1 = r10\nr1 += r2\nr3 = *(u64 *)(r1 - 64)\nr0 = *(u64 *)(r10 - 16)\nr0 += r3\nexit',
      ['local0 = r7', 'r3 = u64[r10 + r2 - 64]', 'r0 = local0', 'r0 = r0 + r3', 'exit'],
      [4, 5, 6, 7],
    ],
    [
      '*(u64 *)(r10 - 16) = r7\nr1 = r10\nr1 += r2\nr3 = *(u64 *)(r1 - 64)\nr0 = *(u64 *)(r10 - 16)\nr0 += r3\nexit',
      ['u64[r10 - 16] = r7', 'r3 = u64[r10 + r2 - 64]', 'r0 = u64[r10 - 16]', 'r0 = r0 + r3', 'exit'],
      [1],
    ],
    // An address that goes somewhere leads to those alone.
    [
      '*(u64 *)(r10 - 16) = r7\nr1 = r10\nr1 += -8\n*(u64 *)(r6 + 0) = r1\nr0 = *(u64 *)(r10 - 16)\nexit',
      ['local0 = r7', 'r1 = r10 - 8', 'u64[r6] = r1', 'r0 = local0', 'exit'],
      [0],
    ],
    // What a helper is given is not all there is above.
    [
      '*(u64 *)(r10 - 8) = r6\n*(u64 *)(r10 - 16) = r7\nr1 = r10\nr1 += -16\ncall 1\nr0 = *(u64 *)(r10 - 8)\nexit',
      ['local0 = r6', 'u64[r10 - 16] = r7', 'r1 = r10 - 16', 'helper 1', 'r0 = local0', 'exit'],
      [1],
    ],
    // A place that the optimiser sees nobody come to is one, whatever the verifier took the way there for.
    [
      'r2 = r10\nr2 += -8\n*(u64 *)(r2 + 0) = r1\nr0 = *(u64 *)(r10 - 8)\nexit',
      ['local0 = r1', 'r0 = local0', 'exit'],
      [0],
    ],
    // A slot that is reached in part stays as a whole.
    [
      '*(u32 *)(r10 - 4) = r7\nr1 = r10\nr1 += r2\nr3 = *(u8 *)(r1 - 8)\nr0 = *(u32 *)(r10 - 4)\nr0 += r3\nexit',
      ['u32[r10 - 4] = r7', 'r3 = u8[r10 + r2 - 8]', 'r0 = u32[r10 - 4]', 'r0 = r0 + r3', 'exit'],
      [0],
    ],
  ]);

  it('says which bytes of the memory are touched', () => {
    const text = '*(u64 *)(r10 - 16) = r7\nr1 = r10\nr1 += r2\nr3 = *(u64 *)(r1 - 64)\nr0 = *(u32 *)(r10 - 40)\nexit';
    const { touched, places, inMemory } = plan(funcOf(text, frameReach([0b11110000, 0], FRAME_BYTES)));
    expect([...touched.subarray(0, FRAME_BYTES)]).toEqual(
      Array.from({ length: FRAME_BYTES }, (_, n) => (n < 32 ? 1 : 0)),
    );
    expect(places).toEqual([-16]);
    expect(inMemory).toBe(true);
  });

  it('knows of frames below one another what each is reached in', () => {
    const inner = (reach?: FrameReach): OptFunction =>
      funcOf('r2 = r10\nr2 += r1\nr0 = *(u8 *)(r2 - 32)\nr2 = *(u64 *)(r10 - 8)\nr0 += r2\nexit', reach, 32);
    const outer = (reach?: FrameReach): OptFunction => {
      const func = funcOf('*(u64 *)(r10 - 8) = r1\ncall 1\nr1 = *(u64 *)(r10 - 8)\nr0 += r1\nexit', reach, 16);
      for (let i = 0; i < func.rows.n; i++) {
        if (func.rows.kind[i] === ir.CALL_HELPER) [func.rows.kind[i], func.rows.aux[i]] = [ir.CALL_SUB, 1];
      }
      return func;
    };
    const merged = (a?: FrameReach, b?: FrameReach): OptFunction => {
      const functions = [outer(a), inner(b)];
      return inlineCalls(functions, calleesFirst(functions))[0];
    };
    const nowhere = frameReach([0, 0], 16);
    const low = frameReach([0b1100, 0], 32);
    expect([...(merged(nowhere, low).reach ?? [])]).toEqual([0, 0, 0, 0, 1, 1]);
    expect([...(merged(nowhere).reach ?? [])]).toEqual([0, 0, 1, 1, 1, 1]);
    expect([...(merged(undefined, low).reach ?? [])]).toEqual([1, 1, 0, 0, 1, 1]);
    expect(merged().reach).toBeUndefined();
    expect(plan(merged(nowhere, low)).places).toEqual([-24, -8]);
    expect(plan(merged(nowhere)).places).toEqual([-8]);
    expect(plan(merged()).places).toEqual([]);
  });
});
