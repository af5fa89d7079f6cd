import { describe, expect, it } from 'vitest';
import {
  call,
  exit,
  func,
  gotol,
  helper,
  ja,
  jeq,
  kfunc,
  mov,
  program,
  verdict,
} from '../../test/support/structure-cases.ts';
import type { Insn } from '../isa/index.ts';
import { checkStructure, type ProgramStructure } from './index.ts';

const accepted = (insns: readonly Insn[]): ProgramStructure => {
  const result = checkStructure({ insns, type: 1 });
  if (!result.ok) throw new Error(result.message);
  return result;
};

describe('discovery', () => {
  it('numbers functions by where they start, whoever calls them first', () => {
    const insns = program([2, 1, exit], [mov(0, 0), exit], [mov(0, 0), 1, exit]);
    const { subprogs, log } = accepted(insns);
    expect(subprogs.map(({ start, end }) => [start, end])).toEqual([
      [0, 3],
      [3, 5],
      [5, 8],
    ]);
    expect(log).toEqual(['func#0 @0', 'func#1 @3', 'func#2 @5']);
  });

  it('takes addresses of functions for functions', () => {
    const { subprogs } = accepted([...func(2, 2), mov(0, 0), exit, mov(0, 0), exit]);
    expect(subprogs.map(s => [s.start, s.isCallback])).toEqual([
      [0, false],
      [4, true],
    ]);
  });

  it('a call of slot 0 is a call of main', () => {
    const result = checkStructure({ insns: [call(-1), exit], type: 1 });
    expect(result).toMatchObject({ ok: false, errno: 7, stage: 'do_check' });
  });
});

/** Main calls `count - 1` functions. */
const calling = (count: number): Insn[] =>
  program(
    [...Array.from({ length: count - 1 }, (_, i) => i + 1), mov(0, 0), exit],
    ...Array.from({ length: count - 1 }, () => [mov(0, 0), exit]),
  );

describe('256 subprogs', () => {
  it('are accepted, main among them', () => {
    expect(accepted(calling(256)).subprogs).toHaveLength(256);
  });
  it('and one more is E2BIG at the call that asks for it', () => {
    expect(checkStructure({ insns: calling(257), type: 1 })).toMatchObject({
      ok: false,
      errno: 7,
      message: 'too many subprograms',
      insnIdx: 255,
      stage: 'add_subprog_and_kfunc',
      log: ['too many subprograms'],
    });
  });
  it('calls of functions there are do not count', () => {
    const insns = calling(256);
    insns.splice(255, 0, call(insns.length - 2 - 255));
    for (let i = 0; i < 255; i++) insns[i] = { ...insns[i], imm: insns[i].imm + 1 };
    expect(verdict(insns)).toBe('accepted');
  });
});

describe('twins', () => {
  const sub = [mov(0, 0), exit];
  const rows: readonly [rule: string, good: Insn[], bad: Insn[], refusal: string][] = [
    ['call target', [call(1), exit, ...sub], [call(3), exit, ...sub], '22 call to invalid destination'],
    [
      'call target before the start',
      [call(1), exit, ...sub],
      [call(-2), exit, ...sub],
      '22 call to invalid destination',
    ],
    [
      'function address',
      [...func(1, 2), mov(0, 0), exit, ...sub],
      [...func(1, 99), mov(0, 0), exit, ...sub],
      '22 call to invalid destination',
    ],
    ['far call target', [call(1), exit, ...sub], [call(0x7fffffff), exit, ...sub], '22 call to invalid destination'],
    [
      'jump into the next function',
      [call(3), mov(0, 0), jeq(0), exit, ...sub],
      [call(3), mov(0, 0), jeq(1), exit, ...sub],
      '22 jump out of range from insn 2 to 4',
    ],
    [
      'jump before its function',
      [call(2), mov(0, 0), exit, jeq(0), ...sub],
      [call(2), mov(0, 0), exit, jeq(-2), ...sub],
      '22 jump out of range from insn 3 to 2',
    ],
    ['jump past the end', [mov(0, 0), ja(0), exit], [mov(0, 0), ja(1), exit], '22 jump out of range from insn 1 to 3'],
    [
      'gotol past the end',
      [mov(0, 0), gotol(0), exit],
      [mov(0, 0), gotol(1), exit],
      '22 jump out of range from insn 1 to 3',
    ],
    [
      'last insn of a function',
      [call(2), mov(0, 0), exit, mov(0, 0), exit],
      [call(1), mov(0, 0), mov(0, 0), exit],
      '22 last insn is not an exit or jmp',
    ],
    ['last insn of the program', [mov(0, 0), exit], [mov(0, 0), exit, mov(0, 0)], '22 last insn is not an exit or jmp'],
    [
      'conditional jump at the end',
      [mov(0, 0), jeq(0), exit],
      [mov(0, 0), exit, jeq(-2)],
      '22 last insn is not an exit or jmp',
    ],
    ['call at the end', [call(1), exit, ...sub], [mov(0, 0), exit, helper(7)], '22 last insn is not an exit or jmp'],
  ];
  it.each(rows)('%s', (_, good, bad, refusal) => {
    expect(verdict(good)).toBe('accepted');
    expect(verdict(bad)).toBe(refusal);
  });

  it('a backward jump may end a function', () => {
    expect(verdict([mov(0, 0), jeq(1), exit, ja(-4)])).toBe('accepted');
    expect(verdict([mov(0, 0), jeq(1), exit, gotol(-4)])).toBe('accepted');
  });
});

describe('without CAP_BPF', () => {
  const refusal = '1 loading/calling other bpf or kernel functions are allowed for CAP_BPF and CAP_SYS_ADMIN';
  it.each([
    ['local calls', [call(1), exit, mov(0, 0), exit]],
    ['function addresses', [...func(1, 2), mov(0, 0), exit, mov(0, 0), exit]],
    ['kernel functions', [kfunc(1), exit]],
    ['calls that lead nowhere', [call(99), exit]],
  ])('%s are refused', (_, insns) => {
    expect(verdict(insns, { capBpf: false })).toBe(refusal);
    expect(verdict([mov(0, 0), helper(7), exit], { capBpf: false })).toBe('accepted');
  });

  it('the first call in program order decides', () => {
    expect(verdict([call(99), kfunc(0), exit])).toBe('22 call to invalid destination');
    expect(verdict([kfunc(5), call(99), exit], { jitRequested: false })).toBe(
      '524 JIT is required for calling kernel function',
    );
  });
});

describe('length', () => {
  it('is 1 to a million, to 4096 without CAP_BPF', () => {
    const long = (n: number): Insn[] => new Array<Insn>(n).fill(mov(0, 0)).with(-1, exit);
    expect(verdict([])).toBe('7 ');
    expect(verdict(long(4096), { capBpf: false })).toBe('accepted');
    expect(verdict(long(4097), { capBpf: false })).toBe('7 ');
    expect(verdict(long(4097))).toBe('accepted');
    expect(verdict(long(1_000_001))).toBe('7 ');
  });
});

describe('kernel functions', () => {
  it('need a JIT that can call them and a licence', () => {
    const insns = [kfunc(7), mov(0, 0), exit];
    expect(verdict(insns)).toBe('accepted');
    expect(
      verdict(insns, {
        jit: { kfuncCalls: false, subprogTailCalls: true, exceptions: true, inlinesProcessorId: true },
      }),
    ).toBe('524 JIT does not support calling kernel function');
    expect(verdict({ insns, type: 1, gplCompatible: false })).toBe(
      '22 cannot call kernel function from non-GPL compatible program',
    );
  });

  it('of modules are named by an array nobody gives', () => {
    const result = checkStructure({ insns: [kfunc(7, 1), exit], type: 1 });
    expect(result).toMatchObject({
      errno: 71,
      log: ['kfunc offset > 0 without fd_array is invalid', 'failed to find BTF for kernel function'],
    });
    expect(checkStructure({ insns: [kfunc(7, -1), exit], type: 1 })).toMatchObject({
      errno: 22,
      log: ['negative offset disallowed for kernel module function call', 'failed to find BTF for kernel function'],
    });
  });

  it('of id 0 wait for dead code elimination', () => {
    expect(verdict([kfunc(0), mov(0, 0), exit])).toBe('accepted');
  });

  it('may be 256 different ones', () => {
    const calls = (n: number): Insn[] => [...Array.from({ length: n }, (_, i) => kfunc(i + 1)), mov(0, 0), exit];
    expect(verdict([...calls(256).slice(0, -2), kfunc(3), ...calls(0)])).toBe('accepted');
    expect(verdict(calls(257))).toBe('7 too many different kernel function calls');
  });
});
