import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { flowProgram, startRegs } from '../../../test/support/flow-programs.ts';
import { evaluate, garbageSource, tryEvaluate } from '../../../test/support/xlated-eval.ts';
import { kernelLines } from '../../../test/support/xlated-text.ts';
import { assemble } from '../../asm/index.ts';
import { type Insn, makeInsn } from '../../isa/index.ts';
import { functionFlags } from './function-flags.ts';
import { findFunctions } from './functions.ts';
import { applyPatches } from './patch.ts';
import { upperHalvesRead, zextPatches } from './zext.ts';

const kernelText = (text: string): Insn[] => assemble(text, { dialect: 'kernel' });
const helperArgs = (insn: Insn): number | undefined => (insn.src === 0 ? 2 : undefined);

function withZext(insns: readonly Insn[], all = true): readonly Insn[] {
  const functions = findFunctions(insns);
  const { addressTaken } = functionFlags(insns, functions);
  const patches = zextPatches(insns, functions, func => func === 0 || addressTaken[func] !== 0, helperArgs, { all });
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
    [
      'byte swaps of 16 and 32 bits',
      'r1 = be16 r1\nr2 = be64 r2\nr3 = bswap32 r3\nr0 = r1\nr0 += r2\nr0 += r3\nexit',
      [0, 2],
    ],
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

describe('a CPU that leaves upper halves as it pleases', () => {
  it('computes the same once the extensions are there', () => {
    let different = 0;
    fc.assert(
      fc.property(flowProgram, startRegs, (insns, regs) => {
        const call = (_: Insn, args: readonly bigint[]): bigint => BigInt.asUintN(64, args[0] * 31n + args[1]);
        const want = tryEvaluate(insns, { divisions: 'rfc', call, budget: 300 }, regs);
        if (want === undefined) return;
        const garbage = garbageSource();
        expect(evaluate(withZext(insns), { divisions: 'rfc', call, budget: 1000, garbage }, regs)).toBe(want);
        if (tryEvaluate(insns, { divisions: 'rfc', call, budget: 300, garbage: () => 0xffff_ffffn }, regs) !== want)
          different++;
      }),
      { numRuns: 600, seed: 7 },
    );
    // Garbage shows where extensions are missing; else the law would say nothing.
    expect(different).toBeGreaterThan(25);
  });
});
