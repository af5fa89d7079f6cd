import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type EvalMode, EvalTrap, evaluate } from '../../../test/support/xlated-eval.ts';
import { kernelLines } from '../../../test/support/xlated-text.ts';
import { assemble } from '../../asm/index.ts';
import { type Insn, insnDef, makeInsn } from '../../isa/index.ts';
import { functionFlags } from './function-flags.ts';
import { findFunctions } from './functions.ts';
import { applyPatches } from './patch.ts';
import { upperHalvesRead, zextPatches } from './zext.ts';

const kernelText = (text: string): Insn[] => assemble(text, { dialect: 'kernel' });
const helperArgs = (insn: Insn): number | undefined => (insn.src === 0 ? 2 : undefined);

function withZext(insns: readonly Insn[], all = true): readonly Insn[] {
  const functions = findFunctions(insns);
  const { addressTaken } = functionFlags(insns, functions);
  const patches = zextPatches(insns, functions, func => func === 0 || addressTaken[func] !== 0, helperArgs, all);
  return applyPatches(insns, { patches }).insns;
}

/** Slots of the definitions that get an extension. */
function marked(text: string): number[] {
  const insns = kernelText(text);
  const functions = findFunctions(insns);
  const { addressTaken } = functionFlags(insns, functions);
  const isEntry = (func: number): boolean => func === 0 || addressTaken[func] !== 0;
  return [...upperHalvesRead(insns, functions, isEntry, helperArgs).keys()];
}

describe('definitions whose upper half is read', () => {
  it.each([
    ['returned', 'w0 = 1\nexit', [0]],
    ['overwritten', 'w0 = 1\nr0 = 2\nexit', []],
    ['overwritten on one way only', 'w0 = 1\nif w1 == 0x0 goto pc+1\nr0 = 2\nexit', [0]],
    ['read as 32 bits only', 'w1 = w2\nw1 += 3\nif w1 > 0x5 goto pc+0\nr0 = 0\nexit', []],
    ['the last of several', 'w1 = w2\nw1 += 3\nr1 += 1\nr0 = 0\nexit', [1]],
    ['compared with 64 bits', 'w1 = w2\nif r1 > 0x5 goto pc+0\nr0 = 0\nexit', [0]],
    ['an address', 'w1 = w2\nr0 = *(u8 *)(r1 +0)\nr0 = 0\nexit', [0]],
    ['a narrow load used whole', 'r1 = *(u32 *)(r10 -4)\nr0 = r1\nexit', [0]],
    ['a narrow load used narrowly', 'r1 = *(u32 *)(r10 -4)\n*(u32 *)(r10 -8) = r1\nr0 = 0\nexit', []],
    ['a sign-extending load is whole', 'r0 = *(s32 *)(r10 -4)\nexit', []],
    ['stored whole', 'w1 = 5\n*(u64 *)(r10 -8) = r1\nr0 = 0\nexit', [0]],
    ['byte swaps of 16 and 32 bits', 'r1 = be16 r1\nr2 = be64 r2\nr0 = r1\nr0 += r2\nexit', [0]],
    ['a helper argument', 'w2 = 5\nw3 = 6\ncall bpf_ktime_get_ns#5\nr0 = 0\nexit', [0]],
    ['nothing across a helper', 'w1 = 5\nw6 = 5\ncall bpf_ktime_get_ns#5\nr0 = r6\nexit', [0, 1]],
    [
      'fetched, whose operand is read by half',
      'w1 = 1\nr1 = atomic_fetch_add((u32 *)(r10 -8), r1)\nr0 = r1\nexit',
      [1],
    ],
    ['around a loop', 'w1 = 0\nr2 = r1\nw1 += 1\nif w2 < 0xa goto pc-3\nr0 = 0\nexit', [0, 2]],
  ])('%s', (_, text, slots) => {
    expect(marked(text)).toEqual(slots);
  });

  it('are followed into callees and out of them', () => {
    // f reads r1 whole and r2 by half; main reads what it returns whole. r6 survives the call.
    const text = 'w1 = 1\nw2 = 2\nw3 = 3\nw6 = 4\ncall pc+2\nr0 += r6\nexit\nw0 = w2\nif r1 == 0x0 goto pc+0\nexit';
    expect(marked(text)).toEqual([0, 3, 7]);
    // The same function whose result is only looked at by half.
    expect(marked('w1 = 1\ncall pc+3\nw6 = w0\nr0 = 0\nexit\nw0 = w1\nexit')).toEqual([]);
  });

  it('are what callbacks return', () => {
    const func = { code: 0x18, dst: 2, src: 4, off: 0, imm: 4 };
    const insns = [func, makeInsn(0, 0, 0, 0, 0), ...kernelText('call bpf_loop#181\nr0 = 0\nexit\nw0 = 1\nexit')];
    const functions = findFunctions(insns);
    const { addressTaken } = functionFlags(insns, functions);
    const found = (isEntry: (f: number) => boolean) => [...upperHalvesRead(insns, functions, isEntry).keys()];
    expect(found(f => f === 0 || addressTaken[f] !== 0)).toEqual([5]);
    expect(found(f => f === 0)).toEqual([]);
  });

  it('are those of compare and exchange in any case', () => {
    const text = 'w0 = w1\nr0 = atomic_cmpxchg((u32 *)(r10 -8), r0, r2)\nexit';
    expect(kernelLines(withZext(kernelText(text), false))).toEqual([
      'w0 = w1',
      'r0 = atomic_cmpxchg((u32 *)(r10 -8), r0, r2)',
      'w0 = w0',
      'exit',
    ]);
  });

  it('are not marked twice', () => {
    const once = withZext(kernelText('w0 = w1\nw6 = w2\nr0 += r6\nexit'));
    expect(once).toHaveLength(6);
    expect(withZext(once)).toEqual(once);
  });
});

const REGS = [0, 1, 2, 3, 6, 7];
const reg = fc.constantFrom(...REGS);
const imm = fc.oneof(fc.integer({ min: -4, max: 4 }), fc.integer());
const ALU = ['add', 'sub', 'mul', 'or', 'and', 'xor', 'mov', 'lsh', 'rsh', 'arsh'];
const JUMPS = ['jeq', 'jne', 'jgt', 'jsgt', 'jset', 'jle'];
const frameOff = fc.constantFrom(-8, -16, -24, -32);

const row = (name: string, dst = 0, src = 0, off = 0, value = 0): Insn => {
  const def = insnDef(name);
  const pick = (use: string | number, given: number): number => (typeof use === 'number' ? use : given);
  return makeInsn(def.code, pick(def.dst, dst), pick(def.src, src), pick(def.off, off), pick(def.imm, value));
};

/** One instruction; jumps are made to lead somewhere once the function's length is known. */
const item: fc.Arbitrary<{ insn: Insn; kind: 'plain' | 'jump' | 'call'; target: number }> = fc.oneof(
  fc
    .tuple(fc.constantFrom(...ALU), fc.constantFrom(32, 64), fc.constantFrom('reg', 'imm'), reg, reg, imm)
    .map(([op, bits, source, dst, src, value]) => ({
      insn: row(`${op}${bits}_${source}`, dst, src, 0, value),
      kind: 'plain' as const,
      target: 0,
    })),
  fc
    .tuple(fc.constantFrom('ldxw', 'ldxh', 'ldxb', 'ldxdw', 'ldxsw', 'stxw', 'stxdw', 'stxb'), reg, frameOff)
    .map(([name, r, off]) => ({
      insn: name.startsWith('ldx') ? row(name, r, 10, off) : row(name, 10, r, off),
      kind: 'plain' as const,
      target: 0,
    })),
  fc
    .tuple(
      fc.constantFrom('lock_fetch_add32', 'lock_xchg32', 'lock_cmpxchg32', 'lock_fetch_or64', 'lock_cmpxchg64'),
      reg,
      frameOff,
    )
    .map(([name, r, off]) => ({ insn: row(name, 10, r, off), kind: 'plain' as const, target: 0 })),
  fc
    .tuple(fc.constantFrom('neg32', 'neg64', 'be16', 'be32', 'bswap32'), reg)
    .map(([name, r]) => ({ insn: row(name, r), kind: 'plain' as const, target: 0 }))
    .filter(({ insn }) => insn.code !== 0xdc && insn.code !== 0xd7),
  fc
    .tuple(fc.constantFrom('movsx8_32', 'movsx16_64', 'movsx32_64'), reg, reg)
    .map(([name, dst, src]) => ({ insn: row(name, dst, src), kind: 'plain' as const, target: 0 })),
  fc
    .tuple(fc.constantFrom(...JUMPS), fc.constantFrom(32, 64), fc.constantFrom('reg', 'imm'), reg, reg, imm, fc.nat())
    .map(([op, bits, source, dst, src, value, target]) => ({
      insn: row(`${op}${bits}_${source}`, dst, src, 0, value),
      kind: 'jump' as const,
      target,
    })),
  fc.nat().map(target => ({ insn: row('call_local'), kind: 'call' as const, target })),
  fc.constant({ insn: row('call_helper', 0, 0, 0, 5), kind: 'plain' as const, target: 0 }),
);

const program = fc
  .array(fc.array(item, { minLength: 1, maxLength: 14 }), { minLength: 1, maxLength: 4 })
  .map(functions => {
    const starts: number[] = [];
    let at = 0;
    for (const body of functions) {
      starts.push(at);
      at += body.length + 1;
    }
    return functions.flatMap((body, func) => [
      ...body.map(({ insn, kind, target }, i) => {
        const here = starts[func] + i;
        if (kind === 'jump') return { ...insn, off: (target % (body.length + 1)) - i - 1 };
        if (kind === 'call') return { ...insn, imm: starts[target % starts.length] - here - 1 };
        return insn;
      }),
      row('exit'),
    ]);
  });

/** Undefined for programs that trap. */
function run(insns: readonly Insn[], mode: EvalMode, regs: readonly bigint[]): bigint | undefined {
  try {
    return evaluate(insns, mode, regs);
  } catch (error) {
    if (error instanceof EvalTrap) return undefined;
    throw error;
  }
}

describe('a CPU that leaves upper halves as it pleases', () => {
  it('computes the same once the extensions are there', () => {
    let different = 0;
    fc.assert(
      fc.property(
        program,
        fc.array(fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }), { minLength: 8, maxLength: 8 }),
        (insns, regs) => {
          const call = (_: Insn, args: readonly bigint[]): bigint => BigInt.asUintN(64, args[0] * 31n + args[1]);
          const want = run(insns, { divisions: 'rfc', call, budget: 300 }, regs);
          if (want === undefined) return;
          let seed = 0x9e3779b9n;
          const garbage = (): bigint => {
            seed = (seed * 6364136223846793005n + 1442695040888963407n) & 0xffff_ffff_ffff_ffffn;
            return seed >> 32n;
          };
          expect(evaluate(withZext(insns), { divisions: 'rfc', call, budget: 1000, garbage }, regs)).toBe(want);
          if (run(insns, { divisions: 'rfc', call, budget: 300, garbage: () => 0xffff_ffffn }, regs) !== want)
            different++;
        },
      ),
      { numRuns: 3000, seed: 7 },
    );
    // Garbage shows where extensions are missing; else the law would say nothing.
    expect(different).toBeGreaterThan(50);
  });
});
