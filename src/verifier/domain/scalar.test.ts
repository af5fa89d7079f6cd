import { describe, expect, it } from 'vitest';
import { isComputable, scalarAlu } from './alu.ts';
import { syncBounds } from './bounds.ts';
import { flipCondition, isBranchTaken, refineBranch, reverseCondition } from './branch.ts';
import { scalarSext32, scalarSext64, scalarTruncate, scalarZext32 } from './cast.ts';
import { isOffsetTainted } from './pointer-offset.ts';
import { rangeTexts, scalarText, signedText, unsignedText, violationText } from './print.ts';
import {
  boundsViolation,
  draftOf,
  markKnown,
  SCALAR_UNKNOWN,
  type Scalar,
  ScalarDraft,
  scalarKnown,
  scalarOfInt32,
  scalarUnbounded,
  scalarWidth,
} from './scalar.ts';

const U = SCALAR_UNKNOWN;
const k = (n: number): Scalar => scalarOfInt32(n);
const u8 = scalarTruncate(U, 1);
const u16 = scalarTruncate(U, 2);
const u32 = scalarTruncate(U, 4);
const s8 = scalarSext64(U, 1);

describe('scalars in the log', () => {
  it.each<[string, Scalar, string]>([
    ['unknown', U, 'scalar()'],
    ['a small constant', k(-5), '-5'],
    ['the least decimal', k(-32768), '-32768'],
    ['one below', k(-32769), '0xffffffffffff7fff'],
    ['the most decimal', k(32767), '32767'],
    ['one above', k(32768), '0x8000'],
    ['a wide constant', scalarKnown(1, 0), '0x100000000'],
    ['a byte', u8, 'scalar(smin=smin32=0,smax=umax=smax32=umax32=255,var_off=(0x0; 0xff))'],
    ['a half word', u16, 'scalar(smin=smin32=0,smax=umax=smax32=umax32=0xffff,var_off=(0x0; 0xffff))'],
    ['a word', u32, 'scalar(smin=0,smax=umax=0xffffffff,var_off=(0x0; 0xffffffff))'],
    ['a signed byte', s8, 'scalar(smin=smin32=-128,smax=smax32=127)'],
    ['a signed word', scalarSext64(U, 4), 'scalar(smin=0xffffffff80000000,smax=0x7fffffff)'],
    ['a low half', scalarZext32(U), 'scalar(smin=0,smax=umax=0xffffffff,var_off=(0x0; 0xffffffff))'],
    [
      'a signed low half',
      scalarSext32(U, 1),
      'scalar(smin=0,smax=umax=0xffffffff,smin32=-128,smax32=127,var_off=(0x0; 0xffffffff))',
    ],
    [
      'a sum',
      scalarAlu('add', 64, u8, k(1)),
      'scalar(smin=umin=smin32=umin32=1,smax=umax=smax32=umax32=256,var_off=(0x0; 0x1ff))',
    ],
    ['a division', scalarAlu('div', 32, u8, k(2)), 'scalar()'],
    ['a shift by an unknown amount', scalarAlu('lsh', 64, u8, u8), 'scalar()'],
    [
      'a shift to the top',
      scalarAlu('lsh', 64, u8, k(56)),
      'scalar(smax=0x7f00000000000000,umax=0xff00000000000000,smin32=0,smax32=umax32=0,var_off=(0x0; 0xff00000000000000))',
    ],
  ])('%s', (_, scalar, text) => {
    expect(scalarText(scalar)).toBe(text);
  });

  it('carries an identity', () => {
    expect(scalarText(U, 3)).toBe('scalar(id=3)');
    expect(scalarText(u8, 3, 8)).toBe('scalar(id=3+8,smin=smin32=0,smax=umax=smax32=umax32=255,var_off=(0x0; 0xff))');
    expect(scalarText(k(4), 3)).toBe('4');
    expect(rangeTexts(U)).toEqual([]);
  });

  it('writes numbers in decimal only where they are small', () => {
    expect([unsignedText(0, 0xffff), unsignedText(0, 0x10000), unsignedText(-1, -1)]).toEqual([
      '65535',
      '0x10000',
      '0xffffffffffffffff',
    ]);
    expect([signedText(-1, -1), signedText(0, -1), signedText(0, 0)]).toEqual(['-1', '0xffffffff', '0']);
  });
});

describe('which results are computed', () => {
  it.each([
    ['add', 64, U, true],
    ['lsh', 64, k(63), true],
    ['lsh', 64, k(64), false],
    ['lsh', 32, k(32), false],
    ['lsh', 32, k(31), true],
    ['arsh', 32, scalarKnown(1, 3), false],
    ['rsh', 64, k(-1), false],
    ['rsh', 64, u8, false],
    ['div', 64, k(2), false],
    ['smod', 32, k(2), false],
  ] as const)('%s %i', (op, bits, src, expected) => {
    expect(isComputable(op, bits, src)).toBe(expected);
  });

  it('moves', () => {
    expect(scalarAlu('mov', 64, U, u8)).toBe(u8);
    expect(scalarText(scalarAlu('mov', 32, U, k(-1)))).toBe('0xffffffff');
  });
});

describe('branches', () => {
  it.each([
    ['jeq', 64, u8, k(256), 0],
    ['jeq', 64, u8, k(255), -1],
    ['jne', 64, u8, k(-1), 1],
    ['jset', 64, u8, k(256), 0],
    ['jset', 64, k(3), U, -1],
    ['jset', 64, scalarAlu('or', 64, U, k(4)), k(6), 1],
    ['jset', 64, k(6), scalarAlu('or', 64, U, k(4)), 1],
    ['jset', 64, U, U, -1],
    ['jset', 32, scalarKnown(1, 0), U, 0],
    ['jgt', 64, u8, k(255), 0],
    ['jgt', 64, k(256), u8, 1],
    ['jge', 64, u8, k(0), 1],
    ['jlt', 64, u8, k(256), 1],
    ['jle', 64, u8, k(255), 1],
    ['jsgt', 64, u8, k(-1), 1],
    ['jsge', 64, s8, k(128), 0],
    ['jslt', 64, s8, k(-128), 0],
    ['jsle', 64, s8, k(127), 1],
    ['jslt', 32, u32, k(0), -1],
    ['jslt', 64, u32, k(0), 0],
  ] as const)('%s %i', (op, bits, a, b, expected) => {
    expect(isBranchTaken(op, bits, a, b)).toBe(expected);
  });

  it('narrow both operands both ways', () => {
    const out = refineBranch('jgt', 64, U, u8);
    expect([out.trueA, out.trueB, out.falseA, out.falseB].map(s => scalarText(s))).toEqual([
      'scalar(umin=1)',
      'scalar(smin=smin32=0,smax=umax=smax32=umax32=255,var_off=(0x0; 0xff))',
      'scalar(smin=smin32=0,smax=umax=smax32=umax32=255,var_off=(0x0; 0xff))',
      'scalar(smin=smin32=0,smax=umax=smax32=umax32=255,var_off=(0x0; 0xff))',
    ]);
  });

  it('learn bits from jset', () => {
    const out = refineBranch('jset', 64, u8, k(8));
    expect(scalarText(out.trueA)).toBe(
      'scalar(smin=umin=smin32=umin32=8,smax=umax=smax32=umax32=255,var_off=(0x8; 0xf7))',
    );
    expect(scalarText(out.falseA)).toBe('scalar(smin=smin32=0,smax=umax=smax32=umax32=247,var_off=(0x0; 0xf7))');
    // Which of several bits is set is not known.
    expect(scalarText(refineBranch('jset', 64, u8, k(3)).trueA)).toBe(scalarText(u8));
  });

  it('exchange and reverse', () => {
    expect([flipCondition('jlt'), flipCondition('jsge'), flipCondition('jset')]).toEqual(['jgt', 'jsle', 'jset']);
    expect(reverseCondition('jset')).toBe('jnset');
    expect(reverseCondition(reverseCondition('jsle'))).toBe('jsle');
  });

  it('that nothing can take contradict themselves, and lose their bounds', () => {
    // The line is Linux 6.12.107's.
    const bit = scalarAlu('and', 64, U, k(1));
    const out = refineBranch('jlt', 64, bit, bit, true);
    expect(out.violations.map(({ side, violation, scalar }) => violationText(side, violation, scalar))).toEqual([
      'REG INVARIANTS VIOLATION (true_reg1): range bounds violation u64=[0x0, 0x1] s64=[0x0, 0x1] u32=[0x1, 0x0] ' +
        's32=[0x0, 0x1] var_off=(0x0, 0x1)',
    ]);
    expect(scalarText(out.trueA)).toBe('scalar(var_off=(0x0; 0x1))');
    expect(scalarText(out.falseA)).toBe(scalarText(bit));
    expect(out.trueA).toBe(out.trueB);
    expect(out.falseA).toBe(out.falseB);
  });
});

describe('contradictions', () => {
  const broken = (change: (r: ScalarDraft) => void): Scalar => {
    const r = draftOf(k(7));
    change(r);
    return r;
  };
  it.each<[string, (r: ScalarDraft) => void, string | undefined]>([
    ['none', () => {}, undefined],
    [
      'unsigned 64',
      r => {
        r.uminLo = 8;
      },
      'range bounds violation',
    ],
    [
      'signed 64',
      r => {
        r.smaxHi = -1;
      },
      'range bounds violation',
    ],
    [
      'unsigned 32',
      r => {
        r.u32Min = -1;
      },
      'range bounds violation',
    ],
    [
      'signed 32',
      r => {
        r.s32Max = -1;
      },
      'range bounds violation',
    ],
    [
      'a constant',
      r => {
        r.umaxLo = 8;
      },
      'const tnum out of sync with range bounds',
    ],
    [
      'its low half',
      r => {
        r.u32Max = 8;
      },
      'const subreg tnum out of sync with range bounds',
    ],
    [
      'bits unknown',
      r => {
        r.maskLo = 8;
        r.umaxLo = 15;
      },
      undefined,
    ],
  ])('%s', (_, change, expected) => {
    expect(boundsViolation(broken(change))).toBe(expected);
  });

  it('taint a pointer they are added to', () => {
    const inverted = broken(r => {
      r.maskLo = 8;
      r.uminLo = 8;
    });
    const unlike = broken(r => {
      r.umaxLo = 8;
    });
    expect([u8, k(7), inverted, unlike].map(isOffsetTainted)).toEqual([false, false, true, true]);
  });

  it('leave the bits', () => {
    expect(scalarText(scalarUnbounded(u8))).toBe('scalar(var_off=(0x0; 0xff))');
  });
});

describe('sync', () => {
  const synced = (change: (r: ScalarDraft) => void): string => {
    const r = new ScalarDraft();
    change(r);
    syncBounds(r);
    return scalarText(r);
  };
  it('takes 32-bit bounds from one high half, or two neighbours', () => {
    expect(
      synced(r => {
        r.uminHi = r.umaxHi = 1;
        r.uminLo = 10;
        r.umaxLo = 15;
      }),
    ).toBe(
      'scalar(smin=umin=0x10000000a,smax=umax=0x10000000f,smin32=umin32=10,smax32=umax32=15,var_off=(0x100000008; 0x7))',
    );
    expect(
      synced(r => {
        r.sminHi = r.sminLo = -1;
        r.smaxHi = 0;
        r.smaxLo = 1;
      }),
    ).toBe('scalar(smin=smin32=-1,smax=smax32=1)');
  });

  it('keeps constants and the unknown', () => {
    expect(synced(() => {})).toBe('scalar()');
    expect(synced(r => markKnown(r, -1, 5))).toBe('0xffffffff00000005');
  });

  it('counts the bits of the largest value', () => {
    expect([U, u8, u32, k(0), scalarKnown(1, 0)].map(scalarWidth)).toEqual([64, 8, 32, 0, 33]);
  });
});
