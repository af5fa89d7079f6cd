import { describe, expect, it } from 'vitest';
import { insnDef, makeInsn, ProgramBuilder } from '../../src/isa/index.ts';
import { OPT_PASSES } from '../../src/jit/index.ts';
import { provenProgram } from '../support/proven-programs.ts';
import { interpret, runProven } from '../support/proven-run.ts';

// The optimiser's passes, all together and each of them left out, against the interpreter.

const COUNT = Number(process.env.OPT_PROGRAMS ?? 120);
const SEED = Number(process.env.OPT_SEED ?? 1);

const SETS = [[], OPT_PASSES, ...OPT_PASSES.map(pass => [pass])] as const;

it.each(SETS.map(without => [without.join(' ') || 'nothing', without] as const))('without %s', (_, without) => {
  const each = without.length === 0 ? 4 : 1;
  for (let seed = SEED; seed < SEED + COUNT * each; seed++) {
    const { insns, start } = provenProgram(seed);
    expect([seed, ...runProven(insns, start, without)]).toEqual([seed, ...interpret(insns, start)]);
  }
});

it('written quickly', () => {
  for (let seed = SEED; seed < SEED + COUNT; seed++) {
    const { insns, start } = provenProgram(seed);
    expect([seed, ...runProven(insns, start, [], 'quick')]).toEqual([seed, ...interpret(insns, start)]);
  }
});

describe.each(['quick', 'full'] as const)('%s', effort => {
  const def = (name: string) => insnDef(name).code;

  it('may_goto leaves after 8 Mi rounds', () => {
    const loop = new ProgramBuilder()
      .mov({ reg: 0 }, 0)
      .raw(makeInsn(0xe5, 0, 0, 2, 0))
      .alu64('add', { reg: 0 }, 1)
      .raw(makeInsn(5, 0, 0, -3, 0))
      .exit()
      .build();
    expect(runProven(loop, new Uint8Array(0), [], effort)).toEqual([(8 * 1024 * 1024).toString(16)]);
  });

  it('nests 10,000 blocks', () => {
    const N = 10_000;
    const add = (n: number) => makeInsn(def('add64_imm'), 0, 0, 0, n);
    const insns = [makeInsn(def('ldxb'), 0, 1, 0, 0)];
    // Condition n jumps to add n of those behind the exit when R0, which begins as 7, is 9,000 and n: each is met from two sides.
    for (let n = 0; n < N; n++) insns.push(makeInsn(def('jeq64_imm'), 0, 0, 2 * N - n, 9_000 + n), add(1));
    insns.push(makeInsn(def('exit'), 0, 0, 0, 0));
    for (let n = 0; n < N; n++) insns.push(add(n & 1));
    insns.push(makeInsn(def('exit'), 0, 0, 0, 0));
    const start = Uint8Array.of(7);
    expect(runProven(insns, start, [], effort)).toEqual(interpret(insns, start));
  });
});
