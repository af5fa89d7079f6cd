import { describe, expect, it } from 'vitest';
import { rowsText } from '../../../test/support/row-text.ts';
import { assemble } from '../../asm/index.ts';
import { Room } from '../room.ts';
import { decodeUnfixed, findBlocks, ir } from '../rows/index.ts';
import {
  calleesFirst,
  foldBounds,
  foldRows,
  inlineCalls,
  OPT_PASSES,
  type OptFunction,
  type OptPass,
  orderReaders,
  removeDead,
  shareValues,
} from './index.ts';

function rowsOf(text: string): ir.Ir {
  const insns = assemble(text, { dialect: 'llvm' });
  const rows = decodeUnfixed({ insns, funcRefs: new Map(), verifierZext: false }, 'little', () => true);
  rows.narrowAddresses = true;
  return rows;
}

/** All of a function's rows after these passes; dead ones are left out. */
function after(text: string, ...passes: readonly OptPass[]): string[] {
  const rows = rowsOf(text);
  const room = new Room();
  const blocks = findBlocks(rows, room);
  const without = new Set(OPT_PASSES.filter(pass => !passes.includes(pass)));
  foldRows(rows, blocks, room, without);
  let live = removeDead(rows, blocks, room);
  if (passes.includes('values') && shareValues(rows, blocks, room)) {
    foldRows(rows, blocks, room, without);
    live = removeDead(rows, blocks, room);
  }
  if (passes.includes('branches')) foldBounds(rows, blocks, live);
  if (passes.includes('order')) orderReaders(rows, new Int32Array(rows.n), blocks, live);
  return rowsText(rows);
}

/** Before, the passes asked for, and what is left. */
type Case = readonly [before: string, passes: readonly OptPass[], left: readonly string[]];

function cases(list: readonly Case[]): void {
  it.each(list)('%s', (before, passes, left) => {
    expect(after(before, ...passes)).toEqual(left);
  });
}

describe('copies', () =>
  cases([
    ['r2 = r1\nr0 = r3\nr0 += r2\nexit', ['copies'], ['r0 = r3 + r1', 'exit']],
    // The source changes: the copy is needed.
    ['r2 = r1\nr1 = 5\nr0 = r2\nr0 += r1\nexit', ['copies'], ['r2 = r1', 'r1 = 0x5', 'r0 = r2 + r1', 'exit']],
    // Where only the low half is read, a zero extension is a copy.
    ['w2 = w1\nw0 = w3\nw0 += w2\nexit', ['copies'], ['w0 = w3 + w1', 'exit']],
    ['w2 = w1\nr0 = r3\nr0 += r2\nexit', ['copies'], ['r2 = r1 & 0xffffffff', 'r0 = r3 + r2', 'exit']],
    // Control comes from elsewhere too.
    [
      'r2 = r1\nif r3 == 0 goto +1\nr2 = r4\nr0 = r2\nexit',
      ['copies'],
      ['r2 = r1', 'if r3 == 0 goto 3', 'r2 = r4', 'r0 = r2', 'exit'],
    ],
  ]));

describe('constants', () =>
  cases([
    ['r1 = 8\nr0 += r1\nexit', ['constants'], ['r0 = r0 + 8', 'exit']],
    ['r0 = 6\nr1 = 7\nr0 *= r1\nexit', ['constants'], ['r0 = 0x2a', 'exit']],
    ['r0 = -1\nr0 += 1\nexit', ['constants'], ['r0 = 0x0', 'exit']],
    ['w0 = -1\nr0 += 1\nexit', ['constants'], ['r0 = 0x100000000', 'exit']],
    ['r0 += 3\nr0 += 4\nexit', ['constants'], ['r0 = r0 + 7', 'exit']],
    ['r1 = 3\nr0 <<= r1\nexit', ['constants'], ['r0 = rol(r0, 3) & 0xfffffffffffffff8', 'exit']],
    ['r1 = 9\n*(u32 *)(r2 + 4) = r1\nexit', ['constants'], ['u32[r2 + 4] = 9', 'exit']],
    [
      'r1 = 0x123456789 ll\n*(u64 *)(r2 + 8) = r1\nexit',
      ['constants'],
      ['r1 = 0x123456789', 'u64[r2 + 8] = r1', 'exit'],
    ],
    // From wherever control comes.
    [
      'r6 = 8\nif r1 == 0 goto +1\nr2 = 1\nr0 += r6\nr0 += r2\nexit',
      ['constants'],
      ['if r1 == 0 goto 3', 'r2 = 0x1', 'r0 = r0 + 8', 'r0 = r0 + r2', 'exit'],
    ],
    ['r6 = 8\nr0 += r6\nif r0 < r1 goto -2\nexit', ['constants'], ['r0 = r0 + 8', 'if r0 < r1 goto 1', 'exit']],
    [
      'r6 = 8\nr0 += r6\nr6 = 9\nif r0 < r1 goto -3\nexit',
      ['constants'],
      ['r6 = 0x8', 'r0 = r0 + r6', 'r6 = 0x9', 'if r0 < r1 goto 1', 'exit'],
    ],
    // Division by 0 is left to those who know what it gives.
    ['r0 = 6\nr1 = 4\nr0 /= r1\nexit', ['constants'], ['r0 = 0x6', 'r0 = rol(r0, 62) & 0x3fffffffffffffff', 'exit']],
  ]));

describe('masks', () =>
  cases([
    ['r0 <<= 32\nr0 >>= 32\nexit', ['masks'], ['r0 = r0 & 0xffffffff', 'exit']],
    ['r0 <<= 32\nr0 >>= 29\nexit', ['masks'], ['r0 = rol(r0, 3) & 0x7fffffff8', 'exit']],
    ['r0 <<= 32\nr0 s>>= 32\nexit', ['masks'], ['r0 = s32 r0', 'exit']],
    ['r0 <<= 56\nr0 s>>= 56\nexit', ['masks'], ['r0 = s8 r0', 'exit']],
    ['w0 <<= 24\nw0 s>>= 24\nexit', ['masks'], ['w0 = s8 w0', 'exit']],
    ['r0 <<= 56\nr0 s>>= 55\nexit', ['masks'], ['r0 = rol(r0, 56) & 0xff00000000000000', 'r0 = r0 s>> 55', 'exit']],
    ['r0 = *(u8 *)(r1 + 0)\nr0 &= 255\nexit', ['masks'], ['r0 = u8[r1]', 'exit']],
    ['r0 = *(u16 *)(r1 + 0)\nr0 &= 255\nexit', ['masks'], ['r0 = u16[r1]', 'r0 = r0 & 0xff', 'exit']],
    // Somebody reads what lies between.
    [
      'r0 <<= 32\nr2 = r0\nr0 >>= 32\nr0 += r2\nexit',
      ['masks'],
      ['r0 = rol(r0, 32) & 0xffffffff00000000', 'r2 = r0', 'r0 = rol(r0, 32) & 0xffffffff', 'r0 = r0 + r2', 'exit'],
    ],
  ]));

describe('rotates', () => {
  const passes: readonly OptPass[] = ['copies', 'masks', 'rotates'];
  cases([
    [
      'r2 = r1\nr2 <<= 13\nr1 >>= 51\nr1 |= r2\nr0 = r1\nexit',
      passes,
      ['r1 = rol(r1, 13) & 0xffffffffffffffff', 'r0 = r1', 'exit'],
    ],
    [
      'r2 = r1\nr2 <<= 13\nr1 >>= 51\nr2 |= r1\nr0 = r2\nexit',
      passes,
      ['r2 = rol(r1, 13) & 0xffffffffffffffff', 'r0 = r2', 'exit'],
    ],
    ['w2 = w1\nw2 <<= 5\nw1 >>= 27\nw1 |= w2\nw0 = w1\nexit', passes, ['w1 = w1 rol 5', 'r0 = r1', 'exit']],
    // Not all of it, but parts that do not overlap.
    [
      'r2 = r1\nr2 <<= 32\nr3 = r1\nr3 >>= 40\nr2 |= r3\nr0 = r2\nexit',
      passes,
      ['r2 = rol(r1, 32) & 0xffffffff00000000', 'r3 = rol(r1, 24) & 0xffffff', 'r2 = r2 | r3', 'r0 = r2', 'exit'],
    ],
    [
      'r2 = r1\nr2 <<= 8\nr3 = r4\nr3 >>= 56\nr2 |= r3\nr0 = r2\nexit',
      passes,
      ['r2 = rol(r1, 8) & 0xffffffffffffff00', 'r3 = rol(r4, 8) & 0xff', 'r2 = r2 | r3', 'r0 = r2', 'exit'],
    ],
    // The word changed between the two.
    [
      'r2 = r1\nr2 <<= 13\nr1 += 1\nr1 >>= 51\nr1 |= r2\nr0 = r1\nexit',
      passes,
      [
        'r2 = rol(r1, 13) & 0xffffffffffffe000',
        'r1 = r1 + 1',
        'r1 = rol(r1, 13) & 0x1fff',
        'r1 = r1 | r2',
        'r0 = r1',
        'exit',
      ],
    ],
  ]);
});

describe('addresses', () => {
  const passes: readonly OptPass[] = ['copies', 'addresses'];
  cases([
    ['r2 = r10\nr2 += -16\nr0 = *(u64 *)(r2 + 8)\nexit', passes, ['r0 = u64[r10 - 8]', 'exit']],
    ['r2 = r1\nr2 += r3\nr0 = *(u8 *)(r2 + 4)\nexit', passes, ['r0 = u8[r1 + r3 + 4]', 'exit']],
    // A sum that is read again is made once.
    [
      'r2 = r1\nr2 += r3\nr0 = *(u8 *)(r2 + 4)\nr4 = *(u8 *)(r2 + 5)\nr0 += r4\nexit',
      passes,
      ['r2 = r1 + r3', 'r0 = u8[r2 + 4]', 'r4 = u8[r2 + 5]', 'r0 = r0 + r4', 'exit'],
    ],
    ['r2 = r1\nr2 += 8\nr1 = 0\nr0 = *(u8 *)(r2 + 4)\nexit', passes, ['r2 = r1 + 8', 'r0 = u8[r2 + 4]', 'exit']],
  ]);
});

describe('values', () => {
  const passes: readonly OptPass[] = ['values', 'copies'];
  cases([
    // Made once.
    ['r2 = r1\nr2 += r3\nr0 = r1\nr0 += r3\nr0 ^= r2\nexit', passes, ['r2 = r1 + r3', 'r0 = r2 ^ r2', 'exit']],
    ['r2 = r1\nr2 += r3\nr0 = r3\nr0 += r1\nr0 *= r2\nexit', passes, ['r2 = r1 + r3', 'r0 = r2 * r2', 'exit']],
    [
      'r2 = r1\nr2 += r3\nw0 = w1\nw0 += w3\nr0 *= r2\nexit',
      passes,
      ['r2 = r1 + r3', 'r0 = r2 & 0xffffffff', 'r0 = r0 * r2', 'exit'],
    ],
    // Not by somebody who had other numbers.
    [
      'r2 = r1\nr2 -= r3\nr0 = r3\nr0 -= r1\nr0 *= r2\nexit',
      passes,
      ['r2 = r1 - r3', 'r0 = r3 - r1', 'r0 = r0 * r2', 'exit'],
    ],
    [
      'r2 = r1\nr2 += r3\nr1 = 5\nr0 = r1\nr0 += r3\nr0 *= r2\nexit',
      passes,
      ['r2 = r1 + r3', 'r1 = 0x5', 'r0 = r1 + r3', 'r0 = r0 * r2', 'exit'],
    ],
    // Equal in front of a loop and behind a round: one of them is enough.
    [
      'r0 = r1\nr3 = r1\nr4 = *(u8 *)(r3 + 0)\nr0 += 8\nr3 = r0\nif r4 != 7 goto -4\nexit',
      passes,
      ['r0 = r1', 'r4 = u8[r0]', 'r0 = r0 + 8', 'if r4 != 7 goto 2', 'exit'],
    ],
    // Or not equal.
    [
      'r0 = r1\nr3 = r1\nr4 = *(u8 *)(r3 + 0)\nr3 = r0\nr0 += 8\nif r4 != 7 goto -4\nexit',
      passes,
      ['r0 = r1', 'r3 = r1', 'r4 = u8[r3]', 'r3 = r0', 'r0 = r0 + 8', 'if r4 != 7 goto 2', 'exit'],
    ],
  ]);
});

describe('order', () =>
  cases([
    // Behind who reads the same, if nobody does behind that.
    [
      'r2 = r1\nr2 <<= 3\nr3 += r1\nr1 = 5\nr0 = r2\nr0 += r3\nr0 += r1\nexit',
      ['order', 'copies'],
      ['r3 = r3 + r1', 'r2 = rol(r1, 3) & 0xfffffffffffffff8', 'r1 = 0x5', 'r0 = r2 + r3', 'r0 = r0 + r1', 'exit'],
    ],
    [
      'r2 = r1\nr2 ^= 3\nr3 += r1\nr0 = r2\nr0 += r3\nexit',
      ['order', 'copies'],
      ['r3 = r3 + r1', 'r2 = r1 ^ 3', 'r0 = r2 + r3', 'exit'],
    ],
    // Not behind who reads the result, sets the operand, or where it goes on living.
    [
      'r2 = r1\nr2 ^= 3\nr3 += r2\nr3 += r1\nr0 = r3\nexit',
      ['order', 'copies'],
      ['r2 = r1 ^ 3', 'r3 = r3 + r2', 'r3 = r3 + r1', 'r0 = r3', 'exit'],
    ],
    [
      'r2 = r1\nr2 ^= 3\nr1 += r3\nr0 = r2\nr0 += r1\nexit',
      ['order', 'copies'],
      ['r2 = r1 ^ 3', 'r1 = r1 + r3', 'r0 = r2 + r1', 'exit'],
    ],
    [
      'r2 = r1\nr2 ^= 3\nr0 = r1\nif r0 == 1 goto +1\nr2 += r1\nr0 += r2\nexit',
      ['order', 'copies'],
      ['r2 = r1 ^ 3', 'r0 = r1', 'if r1 == 1 goto 5', 'r2 = r2 + r1', 'r0 = r0 + r2', 'exit'],
    ],
  ]));

describe('branches', () =>
  cases([
    ['r1 = 4\nif r1 > 3 goto +1\nr0 = 1\nexit', ['branches'], ['goto 3', 'r0 = 0x1', 'exit']],
    ['r1 = 2\nif r1 > 3 goto +1\nr0 = 1\nexit', ['branches'], ['r0 = 0x1', 'exit']],
    ['r1 = -1\nif w1 s< 0 goto +1\nr0 = 1\nexit', ['branches'], ['goto 3', 'r0 = 0x1', 'exit']],
    ['r2 = 7\nif r1 < r2 goto +1\nr0 = 1\nexit', ['branches'], ['if r1 < 7 goto 3', 'r0 = 0x1', 'exit']],
    [
      'r1 = *(u32 *)(r2 + 0)\nif r1 s> 7 goto +1\nr0 = 1\nexit',
      ['branches'],
      ['r1 = u32[r2]', 'if w1 > 7 goto 3', 'r0 = 0x1', 'exit'],
    ],
    [
      'r1 = *(u32 *)(r2 + 0)\nif r1 > -7 goto +1\nr0 = 1\nexit',
      ['branches'],
      ['r1 = u32[r2]', 'if r1 > -7 goto 3', 'r0 = 0x1', 'exit'],
    ],
    // A test of high bits is a bound, and others need no place.
    [
      'r0 = 1\nr1 &= -4096\nif r1 == 0 goto +1\nr0 = 2\nexit',
      ['branches'],
      ['r0 = 0x1', 'if r1 < 4096 goto 4', 'r0 = 0x2', 'exit'],
    ],
    [
      'r0 = 1\nw1 &= -16\nr2 = r0\nif w1 != 0 goto +1\nr0 = r2\nexit',
      ['branches'],
      ['r0 = 0x1', 'r2 = r0', 'if w1 >= 16 goto 5', 'r0 = r2', 'exit'],
    ],
    [
      'r0 = 1\nw1 &= 6\nif w1 != 0 goto +1\nr0 = 2\nexit',
      ['branches'],
      ['r0 = 0x1', 'if w1 & 6 goto 4', 'r0 = 0x2', 'exit'],
    ],
    // Unless there is no such test, or somebody reads what was masked, or it is not there any more.
    [
      'r0 = 1\nw1 &= 6\nif w1 == 0 goto +1\nr0 = 2\nexit',
      ['branches'],
      ['r0 = 0x1', 'r1 = r1 & 0x6', 'if w1 == 0 goto 4', 'r0 = 0x2', 'exit'],
    ],
    [
      'r1 &= -4096\nif r1 == 0 goto +1\nr0 = r1\nexit',
      ['branches'],
      ['r1 = r1 & 0xfffffffffffff000', 'if r1 == 0 goto 3', 'r0 = r1', 'exit'],
    ],
    [
      'r0 = 1\nr2 = r1\nr2 &= -4096\nr1 = 3\nif r2 == 0 goto +1\nr0 = r1\nexit',
      ['branches', 'copies'],
      ['r0 = 0x1', 'r2 = r1 & 0xfffffffffffff000', 'r1 = 0x3', 'if r2 == 0 goto 6', 'r0 = r1', 'exit'],
    ],
  ]));

describe('inline', () => {
  const func = (text: string, frameBytes = 0): OptFunction => {
    const rows = rowsOf(text);
    return { rows, slots: Int32Array.from({ length: rows.n }, (_, i) => i), frameBytes, locals: 0 };
  };
  const call = (callee: number) => (rows: ir.Ir) => {
    for (let i = 0; i < rows.n; i++)
      if (rows.kind[i] === ir.CALL_HELPER) [rows.kind[i], rows.aux[i]] = [ir.CALL_SUB, callee];
  };
  /** Helper calls of the first function stand for calls of the second. */
  const merged = (caller: string, callee: string, callerFrame = 0, calleeFrame = 0): OptFunction => {
    const functions = [func(caller, callerFrame), func(callee, calleeFrame)];
    call(1)(functions[0].rows);
    return inlineCalls(functions, calleesFirst(functions))[0];
  };

  it('puts a function where it is called, and keeps what the caller counts on', () => {
    const { rows, locals, slots } = merged('r6 = r1\ncall 1\nr0 += r6\nexit', 'r6 = r1\nr0 = r6\nr0 *= 3\nexit');
    expect(rowsText(rows)).toEqual([
      'r6 = r1',
      'local0 = r6',
      'r6 = r1',
      'r0 = r6',
      'r0 = r0 * 3',
      'r6 = local0',
      'r0 = r0 + r6',
      'exit',
    ]);
    expect(locals).toBe(1);
    // Rows say where they came from.
    expect([...slots].slice(0, 5)).toEqual([0, 1, 0, 1, 2]);
  });

  it('puts the frame of what is called below its own', () => {
    const { rows, frameBytes } = merged(
      '*(u64 *)(r10 - 8) = r1\ncall 1\nexit',
      'r2 = r10\nr2 += -4\n*(u32 *)(r10 - 4) = r1\nr0 = *(u32 *)(r2 + 0)\nexit',
      16,
      32,
    );
    expect(frameBytes).toBe(48);
    expect(rowsText(rows)).toEqual([
      'u64[r10 - 8] = r1',
      'frame of 32 bytes below 16',
      'r2 = r10 - 16',
      'r2 = r2 - 4',
      'u32[r10 - 20] = r1',
      'r0 = u32[r2]',
      'exit',
    ]);
  });

  it('makes jumps of exits in the middle, and moves jumps', () => {
    const { rows } = merged('if r1 == 0 goto +1\ncall 1\nexit', 'if r1 > 7 goto +2\nr0 = 1\nexit\nr0 = 2\nexit');
    expect(rowsText(rows)).toEqual(['if r1 == 0 goto 6', 'if r1 > 7 goto 4', 'r0 = 0x1', 'goto 6', 'r0 = 0x2', 'exit']);
  });

  it.each([
    ['frame addresses put together with something', 'r1 += r10\nr0 = r1\nexit'],
    ['stored frame addresses', '*(u64 *)(r1 + 0) = r10\nr0 = 0\nexit'],
    ['tail calls', 'call 12\nr0 = 0\nexit'],
    ['packet loads', 'r0 = *(u8 *)skb[3]\nexit'],
    ['a function that never leaves at its end', 'r0 = 0\nexit\nr0 = 1'],
  ])('leaves functions alone that have %s', (_, callee) => {
    expect(rowsText(merged('call 1\nexit', callee, 0, 16).rows)).toEqual(['call f1', 'exit']);
  });

  it('leaves functions alone that call themselves, and long ones that are called twice', () => {
    const self = func('call 1\nexit');
    call(0)(self.rows);
    expect(rowsText(inlineCalls([self], calleesFirst([self]))[0].rows)).toEqual(['call f0', 'exit']);
    const long = `${'r0 += r1\n'.repeat(80)}exit`;
    expect(rowsText(merged('call 1\ncall 1\nexit', long).rows)).toEqual(['call f1', 'call f1', 'exit']);
    expect(merged('call 1\nexit', long).rows.n).toBeGreaterThan(80);
  });
});

it('programs of any depth of calls grow to about twice their size at most', () => {
  const N = 200;
  const functions = Array.from({ length: N }, (_, k) => {
    const rows = rowsOf(k === N - 1 ? 'r0 = 1\nexit' : 'call 1\ncall 1\ncall 1\nexit');
    for (let i = 0; i < rows.n; i++)
      if (rows.kind[i] === ir.CALL_HELPER) [rows.kind[i], rows.aux[i]] = [ir.CALL_SUB, k + 1];
    return { rows, slots: new Int32Array(rows.n), frameBytes: 0, locals: 0 };
  });
  const after = inlineCalls(functions, calleesFirst(functions));
  const total = after.reduce((sum, { rows }) => sum + rows.n, 0);
  expect(total).toBeGreaterThan(4 * N);
  expect(total).toBeLessThan(8 * N + 2 * 4096);
});
