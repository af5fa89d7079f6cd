import { describe, expect, it } from 'vitest';
import { assemble } from '../../asm/index.ts';
import { FarcallError } from '../../util/index.ts';
import { functionFlags } from './function-flags.ts';
import { findFunctions } from './functions.ts';

const llvm = (text: string) => assemble(text, { dialect: 'llvm' });
const codeOf = (run: () => unknown): string => {
  try {
    run();
  } catch (error) {
    if (error instanceof FarcallError) return error.code;
    throw error;
  }
  return 'nothing thrown';
};

describe('findFunctions', () => {
  it('finds main, callees, callbacks and what else is named', () => {
    const insns = llvm(`
      call second
      exit
    first:
      r0 = 0
      exit
    second:
      r2 = first ll
      call second
      exit
      r0 = 1
      exit`);
    // The dialect writes function addresses as plain wide loads; make it one.
    const at = insns.findIndex(insn => insn.code === 0x18);
    insns[at] = { ...insns[at], src: 4, imm: 2 - at - 1 };
    const table = findFunctions(insns, [8]);
    expect([...table.starts]).toEqual([0, 2, 4, 8, 10]);
    expect([...table.funcOf]).toEqual([0, 0, 1, 1, 2, 2, 2, 2, 3, 3]);
    expect([...functionFlags(insns, table).addressTaken]).toEqual([0, 1, 0, 0]);
  });

  it.each([
    ['', 'insn.no-instructions'],
    ['goto +5\nexit', 'insn.jump-target'],
    ['goto -2\nexit', 'insn.jump-target'],
    ['goto +1\nr1 = 5 ll\nexit', 'insn.jump-target'],
    ['call f\nif r0 == 0 goto f\nexit\nf:\nr0 = 0\nexit', 'insn.jump-target'],
    ['r0 = 0', 'insn.fall-through'],
    ['r0 = 5 ll', 'insn.fall-through'],
    ['call f\nr0 = 0\nf:\nexit', 'insn.fall-through'],
    ['if r0 == 0 goto -1', 'insn.fall-through'],
  ])('refuses %j with %s', (text, code) => {
    expect(codeOf(() => findFunctions(llvm(text)))).toBe(code);
  });

  it.each(['call pc+5', 'call pc-3', 'r1 = 0x1122334455667788\ncall pc-2'])(
    'refuses %j, a call to no instruction',
    text => {
      const insns = assemble(`${text}\nexit`, { dialect: 'kernel' });
      expect(codeOf(() => findFunctions(insns))).toBe('insn.call-target');
    },
  );

  it('lets a function end in a call that does not return', () => {
    const insns = [{ code: 0x85, dst: 0, src: 2, off: 0, imm: 77 }];
    expect(codeOf(() => findFunctions(insns))).toBe('insn.fall-through');
    expect(findFunctions(insns, [], insn => insn.imm === 77).count).toBe(1);
  });
});

describe('functionFlags', () => {
  it('carries tail calls to everyone above them', () => {
    const insns = llvm(`
      call a
      call c
      exit
    a:
      call b
      exit
    b:
      call 12
      exit
    c:
      r0 = 0
      exit`);
    const flags = functionFlags(insns, findFunctions(insns));
    expect([...flags.hasTailCall]).toEqual([0, 0, 1, 0]);
    expect([...flags.tailCallReachable]).toEqual([1, 1, 1, 0]);
  });

  it('marks callers behind the first tail call, as the kernel does', () => {
    const tail = 'f:\ncall 12\nexit';
    const caller = 'g:\ncall h\nexit\nh:\nr0 = 0\nexit';
    const marked = (main: string): number[] => {
      const insns = llvm(`${main}\nexit\n${tail}\n${caller}`);
      return [...functionFlags(insns, findFunctions(insns)).tailCallReachable];
    };
    expect(marked('call f\ncall g\ncall h')).toEqual([1, 1, 1, 0]);
    expect(marked('call g\ncall f')).toEqual([1, 1, 0, 0]);
    expect(marked('call g\ncall f\ncall g')).toEqual([1, 1, 1, 0]);
  });

  it('ends on recursion', () => {
    const insns = llvm('call f\nexit\nf:\ncall g\nexit\ng:\ncall f\ncall 12\nexit');
    expect([...functionFlags(insns, findFunctions(insns)).tailCallReachable]).toEqual([1, 1, 1]);
  });
});
