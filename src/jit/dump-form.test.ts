import { describe, expect, it } from 'vitest';
import { type Insn, makeInsn } from '../isa/index.ts';
import { kernelImage } from '../kernels/index.ts';
import { xlateUnverified } from '../verifier/index.ts';
import { dumpEncodingOf, encodeForDump } from './dump-form.ts';
import type { DumpEncoding } from './program.ts';
import { markCalls } from './split.ts';

const EXIT = makeInsn(0x95, 0, 0, 0, 0);
const mov = (imm: number): Insn => makeInsn(0xb7, 0, 0, 0, imm);
const call = (distance: number): Insn => makeInsn(0x85, 0, 1, 0, distance);
const filler = (count: number): Insn[] => Array.from({ length: count }, () => makeInsn(0x07, 0, 0, 0, 1));

/** Main calls a function behind `count` other instructions. */
const forward = (count: number): Insn[] => [call(count + 1), ...filler(count), EXIT, mov(1), EXIT];
/** Main calls a long function, which calls the one before it. */
const backward = [call(3), EXIT, mov(1), EXIT, mov(2), ...filler(40_000), call(-40_004), EXIT];

/** Local calls in dumps of Linux 6.12.107 and 7.2.13 (amd64): off and imm. */
const RECORDED: [what: string, insns: readonly Insn[], DumpEncoding, [off: number, imm: number][]][] = [
  ['10 slots on', forward(10), '6.12', [[11, 1]]],
  ['10 slots on', forward(10), '7.2', [[11, 1]]],
  ['as far as 16 bits say', forward(32_766), '6.12', [[32_767, 1]]],
  ['as far as 16 bits say', forward(32_766), '7.2', [[32_767, 1]]],
  ['one farther', forward(32_767), '6.12', [[-32_768, -2]]],
  ['one farther', forward(32_767), '7.2', [[0, 1]]],
  ['140,000 slots on', forward(140_000), '6.12', [[0x22e1, -2]]],
  ['140,000 slots on', forward(140_000), '7.2', [[0, 1]]],
  [
    'back',
    backward,
    '6.12',
    [
      [3, 2],
      [0x63bc, -2],
    ],
  ],
  [
    'back',
    backward,
    '7.2',
    [
      [3, 2],
      [0, 1],
    ],
  ],
];

describe('local calls in dumps', () => {
  it.each(RECORDED)('%s', (_, insns, encoding, expected) => {
    const kernel = kernelImage('6.12-amd64');
    const xlated = xlateUnverified({ name: 'p', type: 1, insns }, { kernel });
    const dump = encodeForDump(
      xlated,
      markCalls(xlated, () => {}),
      encoding,
    );
    const calls = dump.filter(({ code, src }) => code === 0x85 && src === 1);
    expect(calls.map(({ off, imm }) => [off, imm])).toEqual(expected);
  });

  it.each([
    ['6.1', '6.12'],
    ['6.12', '6.12'],
    ['7.2', '7.2'],
  ])('of %s are as in %s', (version, encoding) => expect(dumpEncodingOf(version)).toBe(encoding));
});
