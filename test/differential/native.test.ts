import { describe, expect, it } from 'vitest';
import { interpEngine } from '../../src/engine/index.ts';
import { nativeEngine } from '../../src/engine/native/index.ts';
import { difference, insnsOutcome } from '../support/engine-outcome.ts';
import { BareMachine, NOT_HERE, provenNative } from '../support/native-run.ts';
import { generateProgram } from '../support/program-generator.ts';
import { PROVEN_DATA_BYTES, provenProgram } from '../support/proven-programs.ts';

// Programs in code of this CPU against the interpreter. test/tools/native-differential.ts runs as many as one likes.

const COUNT = Number(process.env.NATIVE_PROGRAMS ?? 600);
const SEED = Number(process.env.NATIVE_SEED ?? 1);

describe.skipIf(NOT_HERE !== undefined)(`native code${NOT_HERE === undefined ? '' : `: not on ${NOT_HERE}`}`, () => {
  it('leaves what the interpreter does', () => {
    const engine = nativeEngine();
    const machine = new BareMachine(PROVEN_DATA_BYTES);
    for (let seed = SEED; seed < SEED + COUNT; seed++) {
      const { insns, start } = provenProgram(seed);
      expect([seed, machine.run(engine, insns, start)]).toEqual([seed, machine.run(interpEngine, insns, start)]);
    }
  });

  it('calls helpers, maps, functions and packets as the interpreter does', () => {
    const engine = provenNative();
    let ran = 0;
    for (let seed = SEED; seed < SEED + COUNT / 10; seed++) {
      const { type, insns, maps, packet } = generateProgram(seed, { functions: [1, 3, 6, 12][seed & 3] });
      const subject = { type, insns, maps, request: { dataIn: packet } };
      const wanted = insnsOutcome(interpEngine, subject);
      if (wanted.fault !== undefined) continue;
      ran++;
      expect([seed, difference(wanted, insnsOutcome(engine, subject))]).toEqual([seed, undefined]);
    }
    expect(ran).toBeGreaterThan(COUNT / 20);
  });
});
