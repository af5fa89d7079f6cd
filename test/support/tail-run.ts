import type { Engine, EngineHost } from '../../src/engine/index.ts';
import { type ProgramBuilder, R2, R6, R7 } from '../../src/isa/index.ts';
import { createMachine, type Machine, type MachineProgram } from '../../src/machine/index.ts';
import type { BpfMap } from '../../src/maps/index.ts';
import { bpf_map_type, bpf_prog_type } from '../../src/uapi/index.ts';
import { toHex } from '../../src/util/index.ts';
import { Random } from './random.ts';
import { TAIL_DATA_BYTES, TAIL_SLOTS, type TailPlace, tailPrograms, tailSlots } from './tail-programs.ts';
import { TAKEN_PROOF } from './taken-proof.ts';

const XDP = bpf_prog_type.BPF_PROG_TYPE_XDP;
export const u32 = (value: number): Uint8Array => new Uint8Array(new Uint32Array([value]).buffer);

/** Packets of XDP programs, and the machine's first map. */
export const XDP_PLACE: TailPlace = {
  data: (b: ProgramBuilder) => void b.load('w', R7, R6, 0),
  map: (b: ProgramBuilder) => void b.wide('lddw_map_fd', R2, 0),
};

export function progArray(machine: Machine, maxEntries = TAIL_SLOTS): BpfMap {
  const type = bpf_map_type.BPF_MAP_TYPE_PROG_ARRAY;
  return machine.createMap({ name: 'jumps', type, keySizeBytes: 4, valueSizeBytes: 4, maxEntries, flags: 0 });
}

/** Makes an element another program, or none; what `BPF_MAP_UPDATE_ELEM` and `_DELETE_ELEM` answer. */
export const setSlot = (jumps: BpfMap, index: number, program: MachineProgram | undefined): number =>
  program === undefined ? jumps.userDelete(u32(index)) : jumps.userUpdate(u32(index), u32(program.id));

/** An engine that counts how often it asks the machine for the target of a tail call. */
export function counting(engine: Engine): { readonly engine: Engine; readonly asked: () => number } {
  let asked = 0;
  const hosts = new WeakMap<EngineHost, EngineHost>();
  const wrapped = (host: EngineHost): EngineHost => {
    let found = hosts.get(host);
    if (found === undefined) {
      found = Object.create(host, {
        tailCallTarget: {
          value: (map: number, index: number) => {
            asked++;
            return host.tailCallTarget(map, index);
          },
        },
      }) as EngineHost;
      hosts.set(host, found);
    }
    return found;
  };
  return {
    engine: { ...engine, load: (program, host) => engine.load(program, wrapped(host)) },
    asked: () => asked,
  };
}

/** What generated programs leave on an engine: each from the start, in three states of the prog array, twice. */
export function tailOutcomes(engine: Engine, seed: number): string[] {
  const r = new Random(seed);
  const { programs, slots } = tailPrograms(r, XDP_PLACE);
  const machine = createMachine({ engine });
  const jumps = progArray(machine);
  const loaded = programs.map((insns, n) => machine.loadInsns(`p${n}`, XDP, insns, [jumps], TAKEN_PROOF));
  const dataIn = r.bytes(TAIL_DATA_BYTES);
  const lines: string[] = [];
  const states = [slots, tailSlots(r, programs.length), tailSlots(r, programs.length)];
  for (const state of states) {
    state.forEach((program, index) => {
      setSlot(jumps, index, program === undefined ? undefined : loaded[program]);
    });
    for (const program of [...loaded, loaded[0]]) {
      const { r0, fault, dataOut } = machine.run(program, { dataIn });
      lines.push(`${fault?.message ?? r0.toString(16)} ${toHex(dataOut ?? new Uint8Array())}`);
    }
  }
  for (const program of loaded) program.loaded.free();
  return lines;
}
