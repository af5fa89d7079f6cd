import { describe, expect, it } from 'vitest';
import { TAKEN_PROOF } from '../../test/support/taken-proof.ts';
import { interpEngine, wasmEngine } from '../engine/index.ts';
import { ProgramBuilder, R0, R1, R2, R3, R4, R6, R7, R10 } from '../isa/index.ts';
import { PROG_TYPES } from '../progtypes/index.ts';
import { bpf_prog_type } from '../uapi/index.ts';
import { createMachine } from './machine.ts';

/** What the verifier would say: the programs here do nothing they may not. */
const XDP = bpf_prog_type.BPF_PROG_TYPE_XDP;

const eth = (type: number, rest: readonly number[], first = 0): Uint8Array =>
  Uint8Array.from([first, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, type >> 8, type & 0xff, ...rest]);
const bytes = (count: number): number[] => Array.from({ length: count }, (_, i) => (7 * i + 3) & 0xff);
const FRAMES = [
  eth(0x0800, bytes(20)),
  eth(0x86dd, bytes(40)),
  eth(0x0800, bytes(300), 2),
  eth(0x0806, bytes(28), 0xff),
  eth(0x0005, bytes(30), 3),
  eth(0x0005, [0xff, 0xff, ...bytes(30)]),
  eth(0x9999, []),
];

/** Copies words of the context and the packet's first into a hash. */
function readsContext(words: number): ReturnType<ProgramBuilder['build']> {
  const b = new ProgramBuilder().mov(R0, 0).mov(R4, R1);
  for (let at = 0; at < 4 * words; at += 4) b.load('w', R2, R4, at).alu64('mul', R0, 31).alu64('add', R0, R2);
  return b.exit().build();
}

describe.each(PROG_TYPES.filter(row => row.packets !== undefined))('contexts of $name', row => {
  const fields = row.type === XDP ? 6 : 48;

  it('are those a run lays out', () => {
    const insns = readsContext(fields);
    const machine = createMachine({ engine: wasmEngine() });
    const program = machine.loadInsns('hash', row.type, insns, [], TAKEN_PROOF);
    for (const frame of FRAMES) {
      const batch = machine.openBatch(program, [frame]);
      expect(batch).toBeDefined();
      const found = batch?.run();
      const ctx = machine.mem.read(ctxOf(machine), 4 * fields);
      const data = new DataView(ctx.buffer).getUint32(row.type === XDP ? 0 : 76, true);
      batch?.close();
      expect(found?.done).toBe(1);
      machine.run(program, { dataIn: frame });
      const wanted = machine.mem.read(ctxOf(machine), 4 * fields);
      const start = new DataView(wanted.buffer).getUint32(row.type === XDP ? 0 : 76, true);
      // Packets lie elsewhere; what points to them is as far apart.
      for (const at of row.type === XDP ? [0, 4, 8] : [76, 80, 140]) {
        for (const [view, base] of [
          [new DataView(ctx.buffer), data],
          [new DataView(wanted.buffer), start],
        ] as const)
          view.setUint32(at, view.getUint32(at, true) - base, true);
      }
      expect([...ctx]).toEqual([...wanted]);
    }
  });
});

/** Where the machine has the context of runs. */
function ctxOf(machine: ReturnType<typeof createMachine>): number {
  const region = machine.mem.regions().find(({ kind }) => kind === 'ctx');
  return region?.start ?? 0;
}

describe('batches', () => {
  /** XDP_DROP for frames whose 15th byte is odd; faults on no packet. */
  const parity = new ProgramBuilder()
    .load('w', R2, R1, 0)
    .load('w', R3, R1, 4)
    .mov(R0, 2)
    .mov(R4, R2)
    .alu64('add', R4, 15)
    .jumpIf('jgt', R4, R3, 'end')
    .load('b', R0, R2, 14)
    .alu64('and', R0, 1)
    .label('end')
    .exit()
    .build();

  it('give what runs give', () => {
    const interp = createMachine({ engine: interpEngine });
    const loaded = interp.loadInsns('parity', XDP, parity);
    const wanted = FRAMES.map(dataIn => interp.run(loaded, { dataIn }).retval);
    const machine = createMachine({ engine: wasmEngine() });
    const program = machine.loadInsns('parity', XDP, parity, [], TAKEN_PROOF);
    const batch = machine.openBatch(program, FRAMES);
    expect(batch?.run()).toEqual({ verdicts: Uint32Array.from(wanted), done: FRAMES.length, fault: undefined });
    expect(FRAMES.map((_, i) => batch?.runOne(i))).toEqual(wanted);
    expect(() => machine.run(program, { dataIn: FRAMES[0] })).toThrow('already running');
    batch?.close();
    expect(machine.run(program, { dataIn: FRAMES[0] }).retval).toBe(wanted[0]);
  });

  it('run small programs, long ones, those with frames and those that call alike, whatever way they are entered', () => {
    const load = (b: ProgramBuilder): ProgramBuilder => b.load('w', R6, R1, 0).load('b', R0, R6, 14);
    const long = load(new ProgramBuilder());
    for (let i = 0; i < 200; i++) long.alu64('mul', R0, 7).alu64('xor', R0, i).alu64('rsh', R0, 1);
    const programs = {
      // Each run's frame begins as zeros.
      frame: load(new ProgramBuilder()).load('dw', R2, R10, -8).alu64('add', R0, R2).store('dw', R10, -8, R0).exit(),
      long: long.exit(),
      calls: load(new ProgramBuilder())
        .mov(R7, R0)
        .mov(R1, R0)
        .call('f')
        .alu64('add', R0, R7)
        .exit()
        .label('f')
        .store('dw', R10, -16, R1)
        .mov(R7, 5)
        .load('dw', R0, R10, -16)
        .alu64('lsh', R0, 40)
        .exit(),
    };
    for (const [name, built] of Object.entries(programs)) {
      const insns = built.build();
      const interp = createMachine({ engine: interpEngine });
      const loaded = interp.loadInsns(name, XDP, insns);
      const frames = FRAMES.filter(frame => frame.length > 14);
      const wanted = frames.map(dataIn => interp.run(loaded, { dataIn }).retval);
      const machine = createMachine({ engine: wasmEngine() });
      const program = machine.loadInsns(name, XDP, insns, [], TAKEN_PROOF);
      const batch = machine.openBatch(program, frames);
      for (let round = 0; round < 2; round++) expect([...(batch?.run().verdicts ?? [])]).toEqual(wanted);
      expect(frames.map((_, i) => (batch?.runOne(i) ?? 0) >>> 0)).toEqual(wanted);
      batch?.close();
      frames.forEach((dataIn, i) => {
        const runner = machine.open(program, { dataIn });
        for (let round = 0; round < 2; round++) expect((runner?.run() ?? 0) >>> 0).toBe(wanted[i]);
        expect((runner?.repeat(3) ?? 0) >>> 0).toBe(wanted[i]);
        const first = BigInt(dataIn[14]);
        expect((runner?.r0 ?? 0n) & 0xffffffffn).toBe(BigInt(wanted[i]));
        if (name === 'calls') expect(runner?.r0).toBe((first << 40n) + first);
        runner?.close();
      });
    }
  });

  it('run nothing where there is no packet', () => {
    const seen = new ProgramBuilder()
      .load('w', R2, R1, 0)
      .load('b', R0, R2, 0)
      .alu64('add', R0, 1)
      .store('b', R2, 0, R0)
      .exit()
      .build();
    const machine = createMachine({ engine: wasmEngine() });
    const batch = machine.openBatch(machine.loadInsns('seen', XDP, seen, [], TAKEN_PROOF), [
      new Uint8Array(20),
      new Uint8Array(20),
    ]);
    expect([0, 1, 1, 2, -1, 2 ** 31, 0].map(i => batch?.runOne(i))).toEqual([1, 1, 2, 0, 0, 0, 2]);
    expect([batch?.packet(0)[0], batch?.packet(1)[0]]).toEqual([2, 2]);
    batch?.close();
    const none = machine.openBatch(machine.loadInsns('seen', XDP, seen, [], TAKEN_PROOF), []);
    expect([none?.run().done, none?.runOne(0)]).toEqual([0, 0]);
    none?.close();
  });

  it('are refused where contexts are not made in compiled code', () => {
    const machine = createMachine({ engine: wasmEngine() });
    expect(machine.openBatch(machine.loadInsns('unproven', XDP, parity), FRAMES)).toBeUndefined();
    const program = machine.loadInsns('parity', XDP, parity, [], TAKEN_PROOF);
    expect(machine.openBatch(program, [new Uint8Array(5)])).toBeUndefined();
    const interp = createMachine({ engine: interpEngine });
    expect(interp.openBatch(interp.loadInsns('parity', XDP, parity), FRAMES)).toBeUndefined();
    expect(interp.open(interp.loadInsns('parity', XDP, parity), { dataIn: FRAMES[0] })).toBeUndefined();
  });

  it('a context runs over and over', () => {
    const count = new ProgramBuilder()
      .load('w', R2, R1, 0)
      .load('b', R0, R2, 0)
      .alu64('add', R0, 1)
      .store('b', R2, 0, R0)
      .exit()
      .build();
    const machine = createMachine({ engine: wasmEngine() });
    for (const proof of [TAKEN_PROOF, undefined]) {
      const program = machine.loadInsns('count', XDP, count, [], proof);
      const runner = machine.open(program, { dataIn: new Uint8Array(20) });
      expect([runner?.run(), runner?.run(), runner?.repeat(10), runner?.r0]).toEqual([1, 2, 12, 12n]);
      runner?.close();
      expect(machine.run(program, { dataIn: new Uint8Array(20), repeat: 5 })).toMatchObject({
        retval: 5,
        fault: undefined,
      });
    }
    const null_ = machine.loadInsns('null', XDP, new ProgramBuilder().mov(R2, 0).load('w', R0, R2, 0).exit().build());
    const runner = machine.open(null_, { dataIn: new Uint8Array(20) });
    expect([runner?.run(), runner?.fault?.kind, runner?.fault?.insnIdx]).toEqual([0, 'out-of-bounds', 1]);
    runner?.close();
  });
});
