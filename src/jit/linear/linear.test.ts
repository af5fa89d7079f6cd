import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { assemble } from '../../asm/index.ts';
import type { Insn } from '../../isa/index.ts';
import { NATIVE_TARGETS } from '../linear-targets.ts';
import { reciprocal } from './reciprocal.ts';

describe.each(Object.entries(NATIVE_TARGETS))('%s', (_, target) => {
  const insns = assemble('call 5\nr6 = r0\ncall 7\nr0 += r6\ncall 5\nexit', { dialect: 'llvm' }) as Insn[];
  const program = target.compile(insns, { gateAddr: 0x7f0123456789n });

  it('names each gate by one number, wherever it is called', () => {
    expect(program.gates).toEqual([
      { kind: 'helper', id: 5 },
      { kind: 'helper', id: 7 },
    ]);
    expect(program.gateOffs.length).toBeGreaterThanOrEqual(3);
  });

  it('numbers gates anew and changes nothing else', () => {
    expect(target.numbered(program, 0)).toEqual(program.bytes);
    fc.assert(
      fc.property(fc.nat(2 ** 24), fc.nat(2 ** 24), (a, b) => {
        const twice = target.numbered({ ...program, bytes: target.numbered(program, a) }, b);
        expect(twice).toEqual(target.numbered(program, a + b));
      }),
    );
    const changed = target.numbered(program, 0x7f7f7f);
    const near = (at: number): boolean => program.gateOffs.some(off => at >= off && at < off + 8);
    changed.forEach((byte, at) => void expect(byte === program.bytes[at] || near(at)).toBe(true));
  });
});

it('reciprocals divide', () => {
  const word = fc.integer({ min: 0, max: 0xffffffff });
  fc.assert(
    fc.property(word, word, (x, n) => {
      if ((n & (n - 1)) === 0) return;
      const { m, wide, s } = reciprocal(n);
      const product = (BigInt(x) * BigInt(m >>> 0)) >> 32n;
      expect(Number((product + (wide ? BigInt(x) : 0n)) >> BigInt(s))).toBe(Math.floor(x / n));
    }),
    { numRuns: 2000 },
  );
});
