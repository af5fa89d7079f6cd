import { expect, it } from 'vitest';
import { type EngineHost, interpEngine } from '../../src/engine/index.ts';
import type { HelperEnv } from '../../src/helpers/index.ts';
import type { Insn } from '../../src/isa/index.ts';
import { OPT_PASSES } from '../../src/jit/index.ts';
import { LinearMemory } from '../../src/mem/index.ts';
import { OPT_DATA_BYTES, optProgram } from '../support/opt-programs.ts';
import { type ProvenOutcome, runProven } from '../support/proven-run.ts';
import { Random } from '../support/random.ts';

// The optimiser's passes, all together and each of them left out, against the interpreter.

const COUNT = Number(process.env.OPT_PROGRAMS ?? 250);
const SEED = Number(process.env.OPT_SEED ?? 1);

function interpret(insns: readonly Insn[], start: Uint8Array): ProvenOutcome {
  const mem = new LinearMemory('little');
  const data = mem.alloc(start.length);
  mem.addRegion({ kind: 'mem', name: 'data', start: data, sizeBytes: start.length });
  mem.u8.set(start, data);
  const env = { mem, regs: new Int32Array(22), mapAt: () => undefined } as unknown as HelperEnv;
  const host: EngineHost = {
    env,
    helper: () => undefined,
    kfunc: () => undefined,
    packetLoad: () => undefined,
    maps: [],
    tailCallTarget: () => undefined,
    setCallFunc: call => call,
  };
  const program = interpEngine.load({ name: 'test', type: 0, id: 1, handle: 0, insns }, host);
  const result = program.run(BigInt(data), { insnBudget: 1_000_000 });
  if (!result.ok) throw new Error(`${result.fault.kind} at ${result.fault.insnIdx}`);
  return [result.r0.toString(16), ...mem.read(data, start.length)];
}

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
