import { describe, expect, it } from 'vitest';
import { type Engine, emulatorEngine, type JitLoadedProgram } from '../../src/engine/index.ts';
import { createMachine } from '../../src/machine/index.ts';
import { FarcallError } from '../../src/util/index.ts';
import { type GeneratedProgram, generateProgram } from '../support/program-generator.ts';

// Generated programs on emulated CPUs against the interpreter: result, fault, packet, maps.

function outcomeOf(generated: GeneratedProgram, order: 'little' | 'big', engine?: Engine): unknown {
  const machine = createMachine({ order, engine });
  const maps = generated.maps.map(def => machine.createMap(def));
  const program = machine.loadInsns('generated', generated.type, generated.insns, maps);
  if (engine !== undefined) expect((program.loaded as JitLoadedProgram).outcome.jited).toBe(true);
  try {
    const { r0, fault, dataOut, ctxOut } = machine.run(program, { dataIn: generated.packet });
    const values = maps.map(map => String(map.userLookup(new Uint8Array(map.def.keySizeBytes))));
    return [r0, fault?.kind, dataOut, ctxOut, values];
  } catch (error) {
    if (error instanceof FarcallError) return error.message;
    throw error;
  }
}

/** Seeds that once told of a bug, before any others. */
const SEEDS = [1177, ...Array.from({ length: 39 }, (_, i) => 5000 + i)];

describe.each([
  ['ppc64le', 'power8'],
  ['ppc64le', 'power9'],
  ['ppc64le', 'power10'],
  ['ppc64', 'power8'],
  ['ppc64', 'power10'],
])('%s, %s', (target, cpu) => {
  const order = target === 'ppc64' ? 'big' : 'little';

  it.each([1, 6, 12])('programs of up to %d functions', functions => {
    for (const seed of SEEDS) {
      const generated = generateProgram(seed, { functions });
      const wanted = outcomeOf(generated, order);
      expect([seed, outcomeOf(generated, order, emulatorEngine({ target, cpu }))]).toEqual([seed, wanted]);
    }
  });
});
