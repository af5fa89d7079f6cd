import { describe, expect, it } from 'vitest';
import { emulatorEngine, type JitLoadedProgram } from '../src/engine/index.ts';
import { createMachine, type Machine, type MachineProgram } from '../src/machine/index.ts';
import { ERRNO } from '../src/uapi/index.ts';
import { type GeneratedProgram, generateProgram } from './support/program-generator.ts';

interface Outcome {
  readonly r0: bigint;
  readonly fault: string | undefined;
  readonly dataOut: string;
  readonly maps: string;
}

function load(machine: Machine, generated: GeneratedProgram): MachineProgram {
  const maps = generated.maps.map(def => machine.createMap(def));
  return machine.loadInsns('generated', generated.type, generated.insns, maps);
}

function run(machine: Machine, program: MachineProgram, packet: Uint8Array): Outcome {
  const result = machine.run(program, { dataIn: packet });
  const key = new Uint8Array(4);
  const maps = machine.maps.map(map => (map.def.keySizeBytes === 4 ? String(map.userLookup(key)) : '')).join(';');
  return { r0: result.r0, fault: result.fault?.message, dataOut: String(result.dataOut), maps };
}

/** Programs with functions, whose packets the machine takes. */
const programs = Array.from({ length: 400 }, (_, seed) => generateProgram(seed + 1, {}))
  .filter(program => program.packet.length >= 34 && program.insns.some(insn => insn.code === 0x85 && insn.src === 1))
  .slice(0, 16);

describe.each(['ppc64le', 'ppc64'])('every step of the JIT made to fail on %s', target => {
  const order = target === 'ppc64' ? 'big' : 'little';

  it.each(programs.map(program => [program.seed, program] as const))('program %d', (_, generated) => {
    const reference = createMachine({ order });
    const wanted = run(reference, load(reference, generated), generated.packet);
    const sites: string[] = [];
    const attempt = (failing: string | undefined): { outcome: Outcome; loaded: JitLoadedProgram; left: number[] } => {
      const engine = emulatorEngine({
        target,
        inject: site => {
          if (failing === undefined) sites.push(site);
          return site === failing ? ERRNO.ENOMEM : 0;
        },
      });
      let space: { slotCount: number; ksyms(): readonly unknown[]; images(): readonly unknown[] } | undefined;
      const machine = createMachine({
        order,
        engine: {
          ...engine,
          load: (program, host) => {
            space = engine.machineOf(host).space;
            return engine.load(program, host);
          },
        },
      });
      const program = load(machine, generated);
      const left = space === undefined ? [] : [space.slotCount, space.ksyms().length, space.images().length];
      return { outcome: run(machine, program, generated.packet), loaded: program.loaded as JitLoadedProgram, left };
    };
    const whole = attempt(undefined);
    expect(whole.loaded.outcome.jited).toBe(true);
    expect(whole.outcome).toEqual(wanted);
    expect(sites.length).toBeGreaterThan(20);
    for (const site of sites) {
      const { outcome, loaded, left } = attempt(site);
      expect([site, loaded.outcome.jited, left]).toEqual([site, false, [0, 0, 0]]);
      if (!loaded.outcome.jited) expect(loaded.outcome.jitRequested).toBe(false);
      expect(outcome).toEqual(wanted);
    }
  });
});
