import { describe, expect, it } from 'vitest';
import { interpEngine, wasmEngine } from '../../src/engine/index.ts';
import { nativeEngine } from '../../src/engine/native/index.ts';
import { NOT_HERE } from '../support/native-run.ts';
import { tailOutcomes } from '../support/tail-run.ts';

// Programs that tail-call each other, in code of this CPU and in WebAssembly against the interpreter. test/tools/native-differential.ts
// --tails runs as many as one likes.

const COUNT = Number(process.env.NATIVE_PROGRAMS ?? 600) / 10;
const SEED = Number(process.env.NATIVE_SEED ?? 1);
const SEEDS = Array.from({ length: COUNT }, (_, n) => SEED + n);

describe.skipIf(NOT_HERE !== undefined)(`natively${NOT_HERE === undefined ? '' : `: not on ${NOT_HERE}`}`, () => {
  it('tail calls leave what the interpreter does', () => {
    const engine = nativeEngine();
    for (const seed of SEEDS)
      expect([seed, tailOutcomes(engine, seed)]).toEqual([seed, tailOutcomes(interpEngine, seed)]);
  });
});

describe('in WebAssembly', () => {
  it('tail calls leave what the interpreter does', () => {
    const engine = wasmEngine();
    for (const seed of SEEDS)
      expect([seed, tailOutcomes(engine, seed)]).toEqual([seed, tailOutcomes(interpEngine, seed)]);
  });
});
