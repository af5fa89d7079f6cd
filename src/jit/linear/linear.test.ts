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

  it('makes the same of a program whatever was compiled before', () => {
    const steps = Array.from({ length: 80 }, (_, n) => (n % 2 === 0 ? 'r0 *= 3' : 'r0 ^= 5')).join('\n');
    const context = [
      'r0 = *(u32 *)(r2 + 0)\nexit',
      '*(u64 *)(r1 + 0) = r2\nr0 = 0\nexit',
      'call 7\nexit',
      'r1 = r10\nexit',
    ];
    const kinds = ['exit', 'r2 = 0 ll\nr3 = 0\ncall 12\nr0 = 0\nexit', 'w0 = w0\nexit'].flatMap(end =>
      [undefined, ...context].flatMap(makes =>
        [0x1000, 0x2000].map(stateAddr => {
          const own = assemble(`r0 = r1\n${steps}\n${end}`, { dialect: 'llvm' }) as Insn[];
          const more = makes === undefined ? [] : (assemble(makes, { dialect: 'llvm' }) as Insn[]);
          const contextSlot = makes === undefined ? undefined : own.length;
          const entries = contextSlot === undefined ? [] : [contextSlot];
          const options = { gateAddr: 0x7f0123456789n, contextSlot, entries, stateAddr };
          return () => target.compile([...own, ...more], options);
        }),
      ),
    );
    const first = kinds.map(compile => compile());
    // In another order, and each at once again.
    kinds.reverse().forEach((compile, n) => {
      expect(compile()).toEqual(first[first.length - 1 - n]);
      expect(compile()).toEqual(first[first.length - 1 - n]);
    });
    expect(new Set(first.map(({ bytes }) => bytes.join())).size).toBe(first.length);
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
