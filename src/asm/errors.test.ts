import { describe, expect, it } from 'vitest';
import { FarcallError } from '../util/index.ts';
import { assemble, assembleSource, type DialectName, printInsn } from './index.ts';

function failure(text: string, dialect: DialectName): FarcallError {
  try {
    assemble(text, { dialect });
  } catch (error) {
    if (error instanceof FarcallError) return error;
  }
  throw new Error(`assembled: ${text}`);
}

const CASES: readonly [dialect: DialectName, text: string, code: string, line: number, column: number][] = [
  ['conformance', 'ldxq %r0, %r1', 'asm.mnemonic', 1, 1],
  ['conformance', 'ldxb %r0, %r1', 'asm.syntax', 1, 11],
  ['conformance', 'ldxb %r0, [%r1+0x10000]', 'asm.range', 1, 15],
  ['conformance', 'mov32 %r0, 2147483648', 'asm.range', 1, 12],
  ['conformance', 'mov32 %r0, 0x100000000', 'asm.range', 1, 12],
  ['conformance', 'mov %r0, -2147483649', 'asm.range', 1, 10],
  ['conformance', 'lddw %r0, 18446744073709551616', 'asm.range', 1, 11],
  ['conformance', 'lddw %r0', 'asm.operand-count', 1, 9],
  ['conformance', 'exit 1', 'asm.operand-count', 1, 6],
  ['conformance', 'mov %r0, 1, 2', 'asm.operand-count', 1, 11],
  ['conformance', 'lock', 'asm.operand-count', 1, 5],
  ['conformance', 'lock or [%r10-8]', 'asm.operand-count', 1, 17],
  ['conformance', 'or %r0, %r50', 'asm.register', 1, 9],
  ['conformance', 'mov %r11, 1', 'asm.register', 1, 5],
  ['conformance', 'exit\nja NOWHERE', 'asm.unknown-label', 2, 4],
  ['conformance', 'a:\nexit\na:\nexit', 'asm.duplicate-label', 3, 1],
  ['conformance', 'ja 0x8000', 'asm.range', 1, 4],
  ['llvm', 'r1 += r2 r3', 'asm.operand-count', 1, 10],
  ['llvm', 'r1 = be16 r2', 'asm.register', 1, 11],
  ['llvm', 'r1 = 4294967296', 'asm.range', 1, 6],
  ['llvm', 'r1 += w2', 'asm.syntax', 1, 7],
  ['llvm', 'foo = 5', 'asm.mnemonic', 1, 1],
  ['llvm', 'r1 = 0xzz', 'asm.number', 1, 6],
  ['llvm', 'exit /* open', 'asm.syntax', 1, 6],
  ['llvm', '.section .data', 'asm.directive', 1, 1],
  ['llvm', '.8byte 1, ,', 'asm.syntax', 1, 11],
  ['llvm', 'call bpf_nothing', 'asm.unknown-label', 1, 6],
  ['llvm', 'goto 1f', 'asm.unknown-label', 1, 6],
  ['kernel', '0: (b7) r0 += 1', 'asm.opcode-mismatch', 1, 4],
  ['kernel', '(b7) r0', 'asm.operand-count', 1, 8],
];

describe('errors', () => {
  it.each(CASES)('%s: %s', (dialect, text, code, line, column) => {
    const error = failure(text, dialect);
    expect(error.code).toBe(code);
    expect(error.where).toMatchObject({ line, column });
    const lines = error.problem.split('\n');
    expect(lines[1]).toBe(`    ${text.split('\n')[line - 1]}`);
    expect(lines[2]).toBe(`    ${' '.repeat(column - 1)}^`);
  });

  it('say what was expected below the excerpt', () => {
    expect(failure('exit\nor %r0, %r50', 'conformance').message).toBe(
      "line:2:9: no such register\n    or %r0, %r50\n            ^ (expected %r0..%r10, found '%r50')",
    );
  });

  it('name the file and cut long lines', () => {
    const { errors } = assembleSource(`${' '.repeat(500)}nonsense${' x'.repeat(100)}`, {
      dialect: 'llvm',
      file: 'a.s',
    });
    expect(errors[0].where).toEqual({ file: 'a.s', line: 1, column: 501 });
    const [, shown, caret] = errors[0].problem.split('\n');
    expect(shown.length).toBeLessThan(120);
    expect(shown.slice(caret.indexOf('^'), caret.indexOf('^') + 8)).toBe('nonsense');
  });

  it('are collected up to a limit', () => {
    const source = 'exit\nbad\nr0 = 1\nworse\ngoto nowhere\n';
    const { errors, insns, lines } = assembleSource(source, { dialect: 'llvm' });
    expect(errors.map(error => error.where?.line)).toEqual([2, 4, 5]);
    expect(insns.length).toBe(3);
    expect(lines).toEqual([1, 3, 5]);
    expect(assembleSource(source, { dialect: 'llvm', maxErrors: 2 }).errors.length).toBe(2);
  });

  it('refuse labels too far away and programs too long', () => {
    expect(failure(`goto far\n${'exit\n'.repeat(32768)}far: exit`, 'llvm').code).toBe('asm.jump-range');
    expect(assemble(`gotol far\n${'exit\n'.repeat(32768)}far: exit`, { dialect: 'llvm' })[0].imm).toBe(32768);
  });

  it('tell an unknown dialect and a slot that is not there', () => {
    expect(() => printInsn([], 0, { dialect: 'llvm' })).toThrow(/no such slot/);
    expect(() => assemble('', { dialect: 'intel' as DialectName })).toThrow(/no such assembly dialect/);
    expect(() => printInsn([], 0, { dialect: 'toString' as DialectName })).toThrow(FarcallError);
  });
});
