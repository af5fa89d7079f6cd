import { describe, expect, it } from 'vitest';
import { provenEngine } from '../../test/support/proven-engine.ts';
import { interpEngine, wasmEngine } from '../engine/index.ts';
import { ProgramBuilder, R0, R1, R2, R3, R4, R6, R10 } from '../isa/index.ts';
import { isArenaMap } from '../maps/index.ts';
import type { ObjectMap, ObjectSpec } from '../object/index.ts';
import { bpf_map_type, bpf_prog_type, helperId } from '../uapi/index.ts';
import { FarcallError, fromHex } from '../util/index.ts';
import { createMachine, type Machine, type MachineProgram } from './index.ts';

const XDP = bpf_prog_type.BPF_PROG_TYPE_XDP;
const TC = bpf_prog_type.BPF_PROG_TYPE_SCHED_CLS;
const packet = new Uint8Array(64);
const helper = (name: string): number => helperId(`bpf_${name}`)!;
const array = (name: string, valueSizeBytes: number, maxEntries = 4): Parameters<Machine['createMap']>[0] => ({
  name,
  type: bpf_map_type.BPF_MAP_TYPE_ARRAY,
  keySizeBytes: 4,
  valueSizeBytes,
  maxEntries,
  flags: 0,
});
const u32 = (value: number): Uint8Array => new Uint8Array(Uint32Array.of(value).buffer);

function retval(machine: Machine, program: MachineProgram, request = {}): number {
  const result = machine.run(program, { dataIn: packet, ...request });
  if (result.fault !== undefined) throw new Error(result.fault.message);
  return result.retval;
}

describe.each(
  [interpEngine, wasmEngine(), provenEngine()].map((engine, i) => ({ engine, name: `${engine.name} ${i}` })),
)('$name', ({ engine }) => {
  describe('runs repeat', () => {
    const clockAndDice = new ProgramBuilder()
      .helper(helper('ktime_get_ns'))
      .mov(R6, R0)
      .helper(helper('get_prandom_u32'))
      .alu64('xor', R0, R6)
      .exit()
      .build();
    const three = (seed: number): number[] => {
      const machine = createMachine({ seed, engine });
      const program = machine.loadInsns('dice', XDP, clockAndDice);
      return [1, 2, 3].map(() => retval(machine, program));
    };
    it('with the same clock and seed', () => {
      expect(three(1)).toEqual(three(1));
      expect(three(1)).not.toEqual(three(2));
      expect(new Set(three(1)).size).toBe(3);
    });
  });

  describe('tail calls', () => {
    // Counts up in R0's place in the packet, calls itself.
    const insns = new ProgramBuilder()
      .mov(R6, R1)
      .load('w', R2, R1, 0)
      .load('w', R3, R2, 0)
      .alu64('add', R3, 1)
      .store('w', R2, 0, R3)
      .wide('lddw_map_fd', R2, 0)
      .mov(R3, 1)
      .helper(helper('tail_call'))
      .load('w', R1, R6, 0)
      .load('w', R0, R1, 0)
      .exit()
      .build();

    it('end after 33', () => {
      const machine = createMachine({ engine });
      const jumps = machine.createMap({ ...array('jumps', 4), type: bpf_map_type.BPF_MAP_TYPE_PROG_ARRAY });
      const program = machine.loadInsns('again', XDP, insns, [jumps]);
      expect(retval(machine, program)).toBe(1);
      expect(jumps.userUpdate(u32(1), u32(program.id))).toBe(0);
      expect(retval(machine, program)).toBe(34);
    });

    it('from functions open frames below those still open, 33 times', () => {
      const machine = createMachine({ engine });
      const jumps = machine.createMap({ ...array('jumps', 4), type: bpf_map_type.BPF_MAP_TYPE_PROG_ARRAY });
      // Each round calls a function that tail-calls the program again; every return adds one.
      const rounds = new ProgramBuilder()
        .call('again')
        .alu64('add', R0, 1)
        .exit()
        .label('again')
        .wide('lddw_map_fd', R2, 0)
        .mov(R3, 0)
        .helper(helper('tail_call'))
        .mov(R0, 0)
        .exit()
        .build();
      const program = machine.loadInsns('rounds', XDP, rounds, [jumps]);
      expect(jumps.userUpdate(u32(0), u32(program.id))).toBe(0);
      expect(retval(machine, program)).toBe(34);
      expect(retval(machine, program)).toBe(34);
    });

    it('take programs of one type only, and only those there are', () => {
      const machine = createMachine({ engine });
      const jumps = machine.createMap({ ...array('jumps', 4), type: bpf_map_type.BPF_MAP_TYPE_PROG_ARRAY });
      const pass = new ProgramBuilder().mov(R0, 2).exit().build();
      const xdp = machine.loadInsns('xdp', XDP, pass);
      const tc = machine.loadInsns('tc', TC, pass);
      expect(jumps.userUpdate(u32(0), u32(99))).toBe(-9);
      expect(jumps.userUpdate(u32(0), u32(xdp.id))).toBe(0);
      expect(jumps.userUpdate(u32(1), u32(tc.id))).toBe(-22);
    });
  });

  it('timers run when time has passed', () => {
    const machine = createMachine({ engine });
    const timers = machine.createMap({
      ...array('timers', 24, 1),
      fields: [{ kind: 'timer', offBytes: 0, sizeBytes: 16 }],
    });
    const program = machine.loadInsns(
      'arm',
      XDP,
      new ProgramBuilder()
        .store('w', R10, -4, 0)
        .wide('lddw_map_fd', R1, 0)
        .mov(R2, R10)
        .alu64('add', R2, -4)
        .helper(helper('map_lookup_elem'))
        .jumpIf('jeq', R0, 0, 'out')
        .mov(R6, R0)
        .mov(R1, R6)
        .wide('lddw_map_fd', R2, 0)
        .mov(R3, 1)
        .helper(helper('timer_init'))
        .mov(R1, R6)
        .func(R2, 'tick')
        .helper(helper('timer_set_callback'))
        .mov(R1, R6)
        .imm64(R2, 1_000_000n)
        .mov(R3, 0)
        .helper(helper('timer_start'))
        .label('out')
        .mov(R0, 2)
        .exit()
        .label('tick')
        .load('dw', R4, R3, 16)
        .alu64('add', R4, 1)
        .store('dw', R3, 16, R4)
        .mov(R0, 0)
        .exit()
        .build(),
      [timers],
    );
    expect(retval(machine, program)).toBe(2);
    const ticks = (): number => (timers.userLookup(u32(0)) as Uint8Array)[16];
    expect(machine.advanceTime(1000n)).toEqual({ ran: 0, fault: undefined });
    expect(ticks()).toBe(0);
    expect(machine.advanceTime(2_000_000n)).toEqual({ ran: 1, fault: undefined });
    expect(ticks()).toBe(1);
    expect(machine.advanceTime(2_000_000n)).toEqual({ ran: 0, fault: undefined });
  });

  it('arena variables take their pages: none is handed out a second time', () => {
    const machine = createMachine({ engine });
    const arena: ObjectMap = {
      def: { ...array('arena', 0, 4), type: bpf_map_type.BPF_MAP_TYPE_ARENA, keySizeBytes: 0, flags: 1 << 10 },
      origin: '.maps',
      section: '.maps',
      data: new Uint8Array(5000).fill(7),
      keyTypeId: 0,
      valueTypeId: 0,
      pinning: 0,
      autocreate: true,
      initialValues: [],
    };
    const spec: ObjectSpec = {
      name: 'arena',
      order: 'little',
      license: 'GPL',
      kernVersion: 0,
      programs: [],
      maps: [arena],
      externs: [],
      structOps: [],
      btf: undefined,
      btfExt: undefined,
      notes: [],
    };
    const made = machine.loadObject(spec).maps.get('arena');
    if (!isArenaMap(made)) throw new Error('not an arena');
    expect([made.allocPages(0, 1), made.allocPages(0, 1), made.allocPages(0, 1)]).toEqual([
      made.base + 2 * 4096,
      made.base + 3 * 4096,
      0,
    ]);
    expect(machine.mem.read(made.base, 5000).every(byte => byte === 7)).toBe(true);
  });

  it('a timer that arms itself for the past runs once a call', () => {
    const machine = createMachine({ engine });
    const timers = machine.createMap({
      ...array('timers', 16, 1),
      fields: [{ kind: 'timer', offBytes: 0, sizeBytes: 16 }],
    });
    const arm = (b: ProgramBuilder, timer: typeof R1): ProgramBuilder =>
      b.mov(R1, timer).mov(R2, 0).mov(R3, 1).helper(helper('timer_start')).mov(R0, 0).exit();
    const program = new ProgramBuilder()
      .store('w', R10, -4, 0)
      .wide('lddw_map_fd', R1, 0)
      .mov(R2, R10)
      .alu64('add', R2, -4)
      .helper(helper('map_lookup_elem'))
      .mov(R6, R0)
      .mov(R1, R6)
      .wide('lddw_map_fd', R2, 0)
      .mov(R3, 1)
      .helper(helper('timer_init'))
      .mov(R1, R6)
      .func(R2, 'tick')
      .helper(helper('timer_set_callback'));
    arm(arm(program, R6).label('tick'), R3);
    expect(retval(machine, machine.loadInsns('again', XDP, program.build(), [timers]))).toBe(0);
    expect(machine.advanceTime(1n)).toEqual({ ran: 1, fault: undefined });
    expect(machine.advanceTime(1n)).toEqual({ ran: 1, fault: undefined });
  });

  it('a callback address between two instructions is a fault', () => {
    const machine = createMachine({ engine });
    const insns = new ProgramBuilder()
      .mov(R1, 3)
      .func(R2, 'each')
      .alu64('add', R2, 4)
      .mov(R3, 0)
      .mov(R4, 0)
      .helper(helper('loop'))
      .exit()
      .label('each')
      .mov(R0, 0)
      .exit()
      .build();
    const { fault } = machine.run(machine.loadInsns('askew', XDP, insns), { dataIn: packet });
    expect(fault).toMatchObject({ kind: 'bad-call', insnIdx: 6 });
  });

  describe('what a run refuses', () => {
    const machine = createMachine({ engine });
    const pass = new ProgramBuilder().mov(R0, 2).exit().build();
    const program = machine.loadInsns('pass', XDP, pass);
    it.each([
      ['a short packet', { dataIn: new Uint8Array(13) }, 'run.data'],
      ['a CPU that is not there', { dataIn: packet, cpu: 1 }, 'run.cpu'],
      ['no repeats', { dataIn: packet, repeat: 0 }, 'run.repeat'],
      ['a context of another shape', { dataIn: packet, ctxIn: fromHex('01'.repeat(24)) }, 'run.ctx'],
    ])('%s', (_, request, code) => {
      expect(() => machine.run(program, request)).toThrow(expect.objectContaining({ code }));
    });
    it('a program without a type', () => {
      expect(() => machine.run(machine.loadInsns('what', 0, pass))).toThrow(FarcallError);
    });
    it('0 or 1025 CPUs', () => {
      for (const cpuCount of [0, 1025, 1.5]) expect(() => createMachine({ cpuCount })).toThrow(FarcallError);
    });
  });
});

it.each([interpEngine, wasmEngine()])('runs on memory as the conformance suite wants it: $name', engine => {
  const machine = createMachine({ engine });
  const program = machine.loadInsns(
    'sum',
    XDP,
    new ProgramBuilder().load('b', R0, R1, 1).alu64('add', R0, R2).exit().build(),
  );
  expect(machine.runOnMemory(program, Uint8Array.of(1, 40))).toMatchObject({ ok: true, r0: 42n });
  expect(machine.runOnMemory(program, new Uint8Array(0))).toMatchObject({
    ok: false,
    fault: { kind: 'out-of-bounds' },
  });
});
