import { expect, it } from 'vitest';
import { OPT_PASSES } from '../../src/jit/index.ts';
import { OPT_DATA_BYTES, optProgram } from '../support/opt-programs.ts';
import { interpret, runProven } from '../support/proven-run.ts';
import { Random } from '../support/random.ts';

// The optimiser's passes, all together and each of them left out, against the interpreter.

const COUNT = Number(process.env.OPT_PROGRAMS ?? 120);
const SEED = Number(process.env.OPT_SEED ?? 1);

const SETS = [[], OPT_PASSES, ...OPT_PASSES.map(pass => [pass])] as const;

it.each(SETS.map(without => [without.join(' ') || 'nothing', without] as const))('without %s', (_, without) => {
  const each = without.length === 0 ? 4 : 1;
  for (let seed = SEED; seed < SEED + COUNT * each; seed++) {
    const r = new Random(seed);
    const insns = optProgram(r);
    const start = r.bytes(OPT_DATA_BYTES);
    expect([seed, ...runProven(insns, start, without)]).toEqual([seed, ...interpret(insns, start)]);
  }
});

it('written quickly', () => {
  for (let seed = SEED; seed < SEED + COUNT; seed++) {
    const r = new Random(seed);
    const insns = optProgram(r);
    const start = r.bytes(OPT_DATA_BYTES);
    expect([seed, ...runProven(insns, start, [], 'quick')]).toEqual([seed, ...interpret(insns, start)]);
  }
});
