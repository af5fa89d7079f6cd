import { describe, expect, it } from 'vitest';
import { interpEngine, wasmEngine } from '../../src/engine/index.ts';
import { type Insn, makeInsn, ProgramBuilder, R6 } from '../../src/isa/index.ts';
import { createMachine } from '../../src/machine/index.ts';
import { isArenaMap, type MapDef } from '../../src/maps/index.ts';
import { BPF_FLAGS, bpf_map_type, bpf_prog_type } from '../../src/uapi/index.ts';
import { TAKEN_PROOF } from '../support/taken-proof.ts';

// What of the kernel's own memory programs can read: structs of maps, tasks and hooks, and where nothing is.

const T = bpf_prog_type;
const ENGINES = [interpEngine, wasmEngine()];
const MAP = (dst: number): Insn[] => [makeInsn(0x18, dst, 1, 0, 0), makeInsn(0, 0, 0, 0, 0)];
const LDX = { w: 0x61, dw: 0x79, b: 0x71 } as const;
const load = (size: keyof typeof LDX, dst: number, src: number, off: number): Insn =>
  makeInsn(LDX[size], dst, src, off, 0);

interface Setting {
  readonly type: number;
  readonly insns: readonly Insn[];
  readonly map?: MapDef;
  readonly dataIn?: Uint8Array;
  readonly ctxIn?: Uint8Array;
  readonly verified?: boolean;
}

/** What both engines say, which must be the same. */
function run({ type, insns, map, dataIn, ctxIn, verified }: Setting): string | bigint {
  const found = ENGINES.map(engine => {
    const machine = createMachine({ engine, task: { pid: 77, tgid: 70, uid: 5, gid: 6, comm: 'a-rather-long-name' } });
    const maps = map === undefined ? [] : [machine.createMap(map)];
    const program = machine.loadInsns('p', type, insns, maps, verified === true ? TAKEN_PROOF : undefined);
    const { r0, fault } = machine.run(program, { dataIn, ctxIn });
    return fault?.kind ?? r0;
  });
  expect(found[1]).toBe(found[0]);
  return found[0];
}

const ARRAY: MapDef = {
  name: 'numbers',
  type: bpf_map_type.BPF_MAP_TYPE_ARRAY,
  keySizeBytes: 4,
  valueSizeBytes: 12,
  maxEntries: 5,
  flags: BPF_FLAGS.BPF_F_MMAPABLE,
};

describe("a map's struct", () => {
  const read = (size: keyof typeof LDX, off: number): string | bigint =>
    run({
      type: T.BPF_PROG_TYPE_SOCKET_FILTER,
      map: ARRAY,
      dataIn: new Uint8Array(64),
      insns: [...MAP(1), load(size, 0, 1, off), makeInsn(0x95, 0, 0, 0, 0)],
    });

  it.each([
    ['map_type', 24, 2n],
    ['key_size', 28, 4n],
    ['value_size', 32, 12n],
    ['max_entries', 36, 5n],
    ['map_flags', 48, 1024n],
    ['id', 52, 1n],
    ['numa_node', 64, 0xffffffffn],
    ['name', 96, 0x626d756en],
    ['elem_size', 248, 16n],
    ['index_mask', 252, 7n],
  ])('%s', (_, off, expected) => expect(read('w', off)).toBe(expected));

  it("is all a program sees of a map's handle, and not to be written", () => {
    expect(read('dw', 888)).toBe(0n);
    expect(read('dw', 896)).toBe('out-of-bounds');
    expect(read('dw', -8)).toBe('out-of-bounds');
    const store = [...MAP(1), makeInsn(0x62, 1, 0, 36, 9), makeInsn(0x95, 0, 0, 0, 0)];
    expect(run({ type: T.BPF_PROG_TYPE_SOCKET_FILTER, map: ARRAY, dataIn: new Uint8Array(64), insns: store })).toBe(
      'write-protected',
    );
  });
});

describe('an arena', () => {
  const arena: MapDef = {
    name: 'arena',
    type: bpf_map_type.BPF_MAP_TYPE_ARENA,
    keySizeBytes: 0,
    valueSizeBytes: 0,
    maxEntries: 4,
    flags: BPF_FLAGS.BPF_F_MMAPABLE,
  };
  /** Stores a number at `page` and gives back what is there then. */
  function storeAndLoad(off: number, allocated: readonly number[], base?: number): (string | bigint)[] {
    return ENGINES.map(engine => {
      const machine = createMachine({ engine });
      const map = machine.createMap(arena);
      if (!isArenaMap(map)) throw new Error('no arena');
      for (const page of allocated) map.allocPages(map.base + page * 4096, 1);
      const b = new ProgramBuilder().imm64(R6, BigInt((base ?? map.base) + off));
      b.raw(makeInsn(0x7a, 6, 0, 0, 0x1234), load('dw', 0, 6, 0)).exit();
      const { r0, fault } = machine.run(machine.loadInsns('p', T.BPF_PROG_TYPE_SYSCALL, b.build()));
      return fault?.kind ?? r0;
    });
  }

  it.each<[string, number, number[], bigint | string]>([
    ['keeps what is stored to its pages', 4096, [1], 0x1234n],
    ['loses what is stored elsewhere', 4096, [0, 2], 0n],
    ['and half elsewhere', 4092, [0], 0n],
    ['and beside it', -8, [0], 0n],
    ['and after it', 4 * 4096 + 8, [3], 0n],
    ['as far as an offset reaches', 4 * 4096 + 32768, [3], 'out-of-bounds'],
  ])('%s', (_, off, allocated, expected) => {
    expect(storeAndLoad(off, allocated)).toEqual([expected, expected]);
  });

  it('has a null pointer', () => {
    expect(storeAndLoad(16, [0], 0)).toEqual([0n, 0n]);
    expect(storeAndLoad(32768, [0], 0)).toEqual(['out-of-bounds', 'out-of-bounds']);
  });

  it('forgets a page that is freed, in a run too', () => {
    const found = ENGINES.map(engine => {
      const machine = createMachine({ engine });
      const map = machine.createMap(arena);
      if (!isArenaMap(map)) throw new Error('no arena');
      const at = map.allocPages(0, 2);
      const insns = new ProgramBuilder()
        .imm64(R6, BigInt(at))
        .raw(makeInsn(0x7a, 6, 0, 8, 7), load('dw', 0, 6, 8))
        .exit()
        .build();
      const program = machine.loadInsns('p', T.BPF_PROG_TYPE_SYSCALL, insns);
      const before = machine.run(program).r0;
      map.freePages(at, 1);
      return [before, machine.run(program).r0];
    });
    expect(found).toEqual([
      [7n, 0n],
      [7n, 0n],
    ]);
  });
});

describe('the current task', () => {
  const task = (...insns: Insn[]): string | bigint =>
    run({ type: T.BPF_PROG_TYPE_TRACING, insns: [makeInsn(0x85, 0, 0, 0, 158), ...insns, makeInsn(0x95, 0, 0, 0, 0)] });

  it('says who it is', () => {
    expect(task(load('w', 0, 0, 2432))).toBe(77n);
    expect(task(load('w', 0, 0, 2436))).toBe(70n);
    // The last of the 15 letters kept, and the NUL.
    expect(task(load('w', 0, 0, 2988))).toBe(0x006e2d67n);
    expect(task(load('dw', 0, 0, 2960), load('w', 0, 0, 8))).toBe(5n);
    expect(task(load('dw', 0, 0, 2448), load('w', 0, 0, 2436))).toBe(70n);
  });
});

it('loads of verified programs read zeros where nothing is; those of others end the run', () => {
  const insns = [makeInsn(0xb7, 1, 0, 0, 0), load('w', 0, 1, 0x7000), makeInsn(0x95, 0, 0, 0, 0)];
  const setting = { type: T.BPF_PROG_TYPE_CGROUP_SOCK_ADDR, insns };
  expect(run({ ...setting, verified: true })).toBe(0n);
  expect(run(setting)).toBe('out-of-bounds');
});

describe('a netfilter program', () => {
  const SKB = 8;
  const ipv4 = (): Uint8Array => Uint8Array.from({ length: 60 }, (_, i) => (i === 12 ? 8 : i === 13 ? 0 : i));
  const state = (hook: number, pf: number): Uint8Array => Uint8Array.of(hook, pf);
  const netfilter = (insns: Insn[], dataIn: Uint8Array, ctxIn?: Uint8Array): string | bigint =>
    run({ type: T.BPF_PROG_TYPE_NETFILTER, insns: [...insns, makeInsn(0x95, 0, 0, 0, 0)], dataIn, ctxIn });

  it('sees hook and packet', () => {
    expect(netfilter([load('dw', 1, 1, 0), load('b', 0, 1, 0)], ipv4())).toBe(3n);
    expect(netfilter([load('dw', 1, 1, 0), load('b', 0, 1, 1)], ipv4())).toBe(2n);
    expect(netfilter([load('dw', 1, 1, SKB), load('w', 0, 1, 112)], ipv4())).toBe(60n);
    expect(netfilter([load('dw', 1, 1, SKB), load('w', 0, 1, 112)], ipv4(), state(1, 2))).toBe(46n);
    expect(netfilter([load('dw', 1, 1, SKB), load('dw', 1, 1, 208), load('b', 0, 1, 1)], ipv4(), state(1, 2))).toBe(
      15n,
    );
  });

  it.each<[string, Uint8Array, Uint8Array | undefined, RegExp]>([
    ['short packets', new Uint8Array(19), undefined, /EINVAL/],
    ['short frames', ipv4().subarray(0, 33), state(1, 2), /EINVAL/],
    ['frames of other protocols', new Uint8Array(60), state(1, 2), /EPROTO/],
    ["frames that are not the hook's", ipv4(), state(1, 10), /EINVAL/],
    ['hooks of other families', ipv4(), state(1, 7), /EINVAL/],
    ['states with devices', ipv4(), Uint8Array.of(1, 2, 0, 0, 0, 0, 0, 0, 1), /EINVAL/],
    ['states that are too long', ipv4(), new Uint8Array(49).fill(1), /E2BIG/],
  ])('refuses %s', (_, dataIn, ctxIn, message) => {
    expect(() => netfilter([makeInsn(0xb7, 0, 0, 0, 1)], dataIn, ctxIn)).toThrow(message);
  });
});
