import { describe, expect, it } from 'vitest';
import { type Insn, ProgramBuilder, R0, R1, R2, R3, R4, R6, R10 } from '../isa/index.ts';
import { bpf_map_type, bpf_prog_type, helperId } from '../uapi/index.ts';
import { encodeText, toHex } from '../util/index.ts';
import { createMachine, type Machine } from './index.ts';

const T = bpf_prog_type;
const M = bpf_map_type;
const id = (name: string): number => helperId(`bpf_${name}`)!;
const packet = Uint8Array.from({ length: 64 }, (_, i) => i);
const def = { name: 'm', keySizeBytes: 4, valueSizeBytes: 8, maxEntries: 4, flags: 0 };

/** Time, a random number and a count kept in a map, mixed into the result. */
function restless(machine: Machine): Insn[] {
  const map = machine.createMap({ ...def, type: M.BPF_MAP_TYPE_ARRAY });
  const b = new ProgramBuilder()
    .helper(id('ktime_get_ns'))
    .mov(R6, R0)
    .helper(id('get_prandom_u32'))
    .alu64('add', R6, R0);
  b.store('w', R10, -4, 0).mov(R2, R10).alu64('add', R2, -4).imm64(R1, BigInt(map.addr)).helper(id('map_lookup_elem'));
  b.load('dw', R1, R0).alu64('add', R1, 1).store('dw', R0, 0, R1).alu64('add', R6, R1).mov(R0, R6);
  return b.exit().build();
}

function printing(text: string): Insn[] {
  const b = new ProgramBuilder();
  const bytes = encodeText(`${text}\0`);
  bytes.forEach((byte, i) => {
    b.store('b', R10, -bytes.length + i, byte);
  });
  b.mov(R1, R10).alu64('add', R1, -bytes.length).mov(R2, bytes.length).mov(R3, 5).mov(R4, 6);
  return b.helper(id('trace_printk')).mov(R0, 0).exit().build();
}

describe('a machine', () => {
  it('repeats: the same calls give the same results', () => {
    const results = [1, 1, 2].map(seed => {
      const machine = createMachine({ seed });
      const program = machine.loadInsns('restless', T.BPF_PROG_TYPE_SCHED_CLS, restless(machine));
      return [1, 2, 3].map(() => machine.run(program, { dataIn: packet }).r0);
    });
    expect(results[1]).toEqual(results[0]);
    expect(results[2]).not.toEqual(results[0]);
    expect(new Set(results[0]).size).toBe(3);
  });

  it('keeps maps between repeats and counts the instructions of all', () => {
    const machine = createMachine();
    const map = machine.createMap({ ...def, type: M.BPF_MAP_TYPE_ARRAY });
    const b = new ProgramBuilder().store('w', R10, -4, 1).mov(R2, R10).alu64('add', R2, -4);
    b.imm64(R1, BigInt(map.addr))
      .helper(id('map_lookup_elem'))
      .mov(R1, 1)
      .atomic(64, 'add', R0, 0, R1)
      .mov(R0, 7)
      .exit();
    const program = machine.loadInsns('count', T.BPF_PROG_TYPE_XDP, b.build());
    const { retval, dataOut, insnCount } = machine.run(program, { dataIn: packet, repeat: 5 });
    expect([retval, dataOut, insnCount]).toEqual([7, packet, 5 * 9]);
    const value = map.userLookup(new Uint8Array(Uint32Array.of(1).buffer)) as Uint8Array;
    expect(toHex(value)).toBe('0500000000000000');
  });

  it('prints to its trace pipe as the kernel does', () => {
    const machine = createMachine({ task: { comm: 'bpf_prog', pid: 1234, tgid: 1234 } });
    machine.run(machine.loadInsns('p', T.BPF_PROG_TYPE_SCHED_CLS, printing('a %d b %d')), { dataIn: packet });
    expect(machine.readTrace()).toEqual([
      expect.stringMatching(/^ {8}bpf_prog-1234 {4}\[000\] \S+ +\d+\.\d{6}: bpf_trace_printk: a 5 b 6$/),
    ]);
    expect(machine.readTrace()).toEqual([]);
  });

  it('reports a helper that is misused as a fault, not as an exception', () => {
    const machine = createMachine();
    const b = new ProgramBuilder().mov(R1, 0).mov(R2, 0).helper(id('map_lookup_elem')).exit();
    const { fault, retval } = machine.run(machine.loadInsns('bad', T.BPF_PROG_TYPE_XDP, b.build()), { dataIn: packet });
    expect(fault).toMatchObject({ kind: 'bad-argument', insnIdx: 2, prog: 'bad' });
    expect(fault?.message).toContain('bpf_map_lookup_elem: r1 = 0x0: not a map');
    expect(retval).toBe(0);
  });

  it('says that a helper is not implemented', () => {
    const machine = createMachine();
    const insns = new ProgramBuilder().mov(R2, R10).alu64('add', R2, -20).mov(R1, R2).mov(R3, 0);
    const program = insns.helper(id('tcp_raw_check_syncookie_ipv4')).exit().build();
    const { fault } = machine.run(machine.loadInsns('cookie', T.BPF_PROG_TYPE_XDP, program), { dataIn: packet });
    expect(fault).toMatchObject({ kind: 'bad-call' });
    expect(fault?.message).toContain('bpf_tcp_raw_check_syncookie_ipv4 is not implemented');
  });

  it.each([
    ['run.cpu', { dataIn: packet, cpu: 1 }],
    ['run.repeat', { dataIn: packet, repeat: 0 }],
    ['run.data', { dataIn: packet.subarray(0, 13) }],
    ['run.ctx', { dataIn: packet, ctxIn: new Uint8Array(192).fill(1, 0, 1) }],
  ])('refuses a request with %s', (code, request) => {
    const machine = createMachine();
    const program = machine.loadInsns('p', T.BPF_PROG_TYPE_SCHED_CLS, new ProgramBuilder().mov(R0, 0).exit().build());
    expect(() => machine.run(program, request)).toThrow(expect.objectContaining({ code }));
  });

  it('runs timers when time passes', () => {
    const machine = createMachine();
    const map = machine.createMap({ ...def, type: M.BPF_MAP_TYPE_ARRAY, valueSizeBytes: 24 });
    const b = new ProgramBuilder().store('w', R10, -4, 0).mov(R2, R10).alu64('add', R2, -4);
    b.imm64(R1, BigInt(map.addr)).helper(id('map_lookup_elem')).mov(R6, R0);
    b.mov(R1, R6).imm64(R2, BigInt(map.addr)).mov(R3, 1).helper(id('timer_init'));
    b.mov(R1, R6).func(R2, 'fire').helper(id('timer_set_callback'));
    b.mov(R1, R6).mov(R2, 1_000_000).mov(R3, 0).helper(id('timer_start')).exit();
    b.label('fire').load('dw', R1, R3, 16).alu64('add', R1, 1).store('dw', R3, 16, R1).mov(R0, 0).exit();
    const program = machine.loadInsns('timer', T.BPF_PROG_TYPE_SCHED_CLS, b.build());
    expect(machine.run(program, { dataIn: packet })).toMatchObject({ fault: undefined, retval: 0 });
    expect(machine.advanceTime(10_000n).ran).toBe(0);
    expect(machine.advanceTime(1_000_000n)).toEqual({ ran: 1, fault: undefined });
    expect(machine.advanceTime(1_000_000n).ran).toBe(0);
    const value = map.userLookup(new Uint8Array(4)) as Uint8Array;
    expect(toHex(value.subarray(16))).toBe('0100000000000000');
  });
});
