import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { checkForm, makeInsn, ProgramBuilder, R0, R1, R2, R6, R10 } from './index.ts';

const b = (): ProgramBuilder => new ProgramBuilder();

describe('sound programs', () => {
  const cases: [string, ProgramBuilder][] = [
    ['shortest', b().mov(R0, 0).exit()],
    ['argument', b().mov(R0, R1).exit()],
    ['both branches set r0', b().jumpIf('jeq', R1, 0, 'a').mov(R0, 1).exit().label('a').mov(R0, 2).exit()],
    ['call and callee', b().mov(R1, 1).call('f').exit().label('f').mov(R0, R1).exit()],
    ['void callee', b().mov(R1, R10).call('f').mov(R0, 0).exit().label('f').exit()],
    ['callback', b().func(R2, 'f').mov(R0, 0).exit().label('f').mov(R0, R2).exit()],
    ['loop', b().mov(R0, 0).label('l').alu64('add', R0, 1).jumpIf('jlt', R0, 5, 'l').exit()],
    ['unreachable junk reads', b().mov(R0, 0).exit().mov(R0, R6).exit()],
  ];
  it.each(cases)('%s', (_, program) => expect(checkForm(program.build())).toEqual([]));
});

describe('unsound programs', () => {
  const cases: [string, ProgramBuilder, number, RegExp][] = [
    ['empty', b(), 0, /no instructions/],
    ['r0 not set', b().exit(), 0, /R0 !read_ok/],
    ['set on one way only', b().jumpIf('jeq', R1, 0, 'a').mov(R0, 1).label('a').exit(), 2, /R0 !read_ok/],
    ['read before set', b().alu64('or', R0, R10).exit(), 0, /R0 !read_ok/],
    ['arguments end at a call', b().helper(7).mov(R0, R1).exit(), 1, /R1 !read_ok/],
    ['callee sees no r6', b().mov(R6, 1).call('f').exit().label('f').mov(R0, R6).exit(), 3, /R6 !read_ok/],
    ['falls off the end', b().mov(R0, 0), 0, /last instruction/],
    [
      'jump outside',
      b()
        .raw(makeInsn(0x05, 0, 0, 7, 0))
        .exit(),
      0,
      /slot 8, outside/,
    ],
    [
      'jump into a wide instruction',
      b()
        .raw(makeInsn(0x05, 0, 0, 1, 0))
        .imm64(R0, 0n)
        .exit(),
      0,
      /second slot of the instruction at 1/,
    ],
    ['reserved field', b().raw(makeInsn(0x95, 0, 0, 0, 1)), 0, /reserved field imm/],
    [
      'call outside',
      b()
        .raw(makeInsn(0x85, 0, 1, 0, 9))
        .exit(),
      0,
      /call to slot 10/,
    ],
  ];
  it.each(cases)('%s', (_, program, insnIdx, message) => {
    const [first] = checkForm(program.build());
    expect(first.insnIdx).toBe(insnIdx);
    expect(first.message).toMatch(message);
  });

  it('ends on any slots', () => {
    const slot = fc.tuple(
      fc.nat(255),
      fc.nat(15),
      fc.nat(15),
      fc.integer({ min: -9, max: 9 }),
      fc.integer({ min: -9, max: 9 }),
    );
    fc.assert(
      fc.property(fc.array(slot, { maxLength: 40 }), slots => {
        expect(
          Array.isArray(checkForm(slots.map(([code, dst, src, off, imm]) => makeInsn(code, dst, src, off, imm)))),
        ).toBe(true);
      }),
    );
  });
});
