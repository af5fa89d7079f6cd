import { describe, expect, it } from 'vitest';
import { TAKEN_PROOF } from '../../test/support/taken-proof.ts';
import { interpEngine, wasmEngine } from '../engine/index.ts';
import { makeInsn, ProgramBuilder, R0, R1, R2, R3, R4, R10 } from '../isa/index.ts';
import type { MapDef } from '../maps/index.ts';
import { bpf_map_type, bpf_prog_type } from '../uapi/index.ts';
import { FarcallError } from '../util/index.ts';
import { createMachine, type Machine } from './machine.ts';
import { attachProgram } from './shared-program.ts';

const XDP = bpf_prog_type.BPF_PROG_TYPE_XDP;
const HASH: MapDef = {
  name: 'by_byte',
  type: bpf_map_type.BPF_MAP_TYPE_HASH,
  keySizeBytes: 4,
  valueSizeBytes: 8,
  maxEntries: 64,
  flags: 0,
};
const TOTAL: MapDef = { ...HASH, name: 'total', type: bpf_map_type.BPF_MAP_TYPE_ARRAY, maxEntries: 1 };

/** Adds one to the array's element and to the hash's of the packet's first byte, which must be there; returns the byte. */
const counts = new ProgramBuilder()
  .load('w', R2, R1, 0)
  .load('w', R3, R1, 4)
  .mov(R4, R2)
  .alu64('add', R4, 1)
  .mov(R0, 0)
  .jumpIf('jgt', R4, R3, 'end')
  .load('b', { reg: 6 }, R2, 0)
  .store('w', R10, -4, { reg: 6 })
  .raw(makeInsn(0x18, 1, 2, 0, 1), makeInsn(0, 0, 0, 0, 0))
  .mov(R2, 1)
  .raw(makeInsn(0xdb, 1, 2, 0, 0))
  .raw(makeInsn(0x18, 1, 1, 0, 0), makeInsn(0, 0, 0, 0, 0))
  .mov(R2, R10)
  .alu64('add', R2, -4)
  .raw(makeInsn(0x85, 0, 0, 0, 1))
  .jumpIf('jeq', R0, 0, 'end')
  .mov(R1, 1)
  .raw(makeInsn(0xdb, 0, 1, 0, 0))
  .mov(R0, { reg: 6 })
  .label('end')
  .exit()
  .build();

const u32 = (value: number): Uint8Array => Uint8Array.from([value, 0, 0, 0]);
function machineWith(options: Parameters<typeof createMachine>[0]): {
  machine: Machine;
  program: ReturnType<Machine['loadInsns']>;
} {
  const machine = createMachine(options);
  const maps = [machine.createMap(HASH), machine.createMap(TOTAL)];
  for (const key of [1, 2, 3]) expect(maps[0].userUpdate(u32(key), new Uint8Array(8))).toBe(0);
  return { machine, program: machine.loadInsns('counts', XDP, counts, maps, TAKEN_PROOF) };
}
const countOf = (machine: Machine, map: number, key: number): number =>
  (machine.maps[map].userLookup(u32(key)) as Uint8Array)[0];
const packet = (first: number): Uint8Array => Uint8Array.from({ length: 20 }, (_, i) => (i === 0 ? first : 9));

describe('a program in other threads', () => {
  it('works on the same maps, with a stack, a context and packets of its own', () => {
    const { machine, program } = machineWith({ engine: wasmEngine(), shared: true });
    const shared = [0, 1].map(() => machine.share(program));
    const [one, two] = shared.map(each => {
      if (each === undefined) throw new Error('not shared');
      expect(each.module).toBeInstanceOf(WebAssembly.Module);
      return attachProgram(each);
    });
    one.load([packet(1), packet(2), packet(9)]);
    two.load([packet(2), packet(3)]);
    expect([one.run(), two.run(2), one.run()]).toEqual([3, 4, 3]);
    expect([[...one.verdicts], [...two.verdicts]]).toEqual([
      [1, 2, 0],
      [2, 3],
    ]);
    expect([1, 2, 3].map(key => countOf(machine, 0, key))).toEqual([2, 4, 2]);
    expect(countOf(machine, 1, 0)).toBe(10);
    expect(machine.run(program, { dataIn: packet(3) }).retval).toBe(3);
    expect([countOf(machine, 0, 3), countOf(machine, 1, 0)]).toEqual([3, 11]);
    expect(shared[0]?.stateAddr).not.toBe(shared[1]?.stateAddr);
  });

  it('says when there is no room', () => {
    const { machine, program } = machineWith({ engine: wasmEngine(), shared: true });
    const shared = machine.share(program, { packetBytes: 64 });
    expect(shared).toBeDefined();
    if (shared === undefined) return;
    expect(() => attachProgram(shared).load([packet(1)])).toThrow(FarcallError);
    expect(attachProgram(shared).run()).toBe(0);
    expect(() => {
      for (let i = 0; i < 60; i++) machine.share(program, { packetBytes: 64 });
    }).toThrow('too many threads');
  });

  it('is refused where it would need its machine', () => {
    expect(() => {
      const { machine, program } = machineWith({ engine: wasmEngine() });
      machine.share(program);
    }).toThrow('threads cannot work in the memory');
    const interp = machineWith({ engine: interpEngine, shared: true });
    expect(interp.machine.share(interp.program)).toBeUndefined();
    const { machine } = machineWith({ engine: wasmEngine(), shared: true });
    expect(machine.share(machine.loadInsns('unproven', XDP, counts, machine.maps))).toBeUndefined();
    const timed = new ProgramBuilder()
      .raw(makeInsn(0x85, 0, 0, 0, 5))
      .mov(R0, 2)
      .exit()
      .build();
    expect(machine.share(machine.loadInsns('timed', XDP, timed, [], TAKEN_PROOF))).toBeUndefined();
  });
});
