import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { beforeAll, describe, expect, it } from 'vitest';
import { type Btf, openBtf } from '../src/btf/index.ts';
import { createMachine, type LoadedObject, type Machine, type TestRunResult } from '../src/machine/index.ts';
import { openObject, relocateObject } from '../src/object/index.ts';
import { FarcallError, fromHex, toHex } from '../src/util/index.ts';
import { pcapPackets } from './support/pcap.ts';

const file = (name: string): Uint8Array => new Uint8Array(readFileSync(new URL(`../${name}`, import.meta.url)));
const packets = pcapPackets(file('examples/traffic.pcap'));
let target: Btf;
beforeAll(() => {
  target = openBtf(new Uint8Array(gunzipSync(file('assets/btf/vmlinux-6.12-amd64.btf.gz'))));
});

function load(name: string): { machine: Machine; loaded: LoadedObject } {
  const { spec, results, problems } = relocateObject(openObject(file(`examples/${name}.bpf.o`), { name }), {
    targetBtf: target,
  });
  expect(problems).toEqual([]);
  expect(results.filter(relo => relo.status === 'failed')).toEqual([]);
  const machine = createMachine();
  return { machine, loaded: machine.loadObject(spec) };
}

/** Runs every packet; counts return values. */
function runAll({ machine, loaded }: ReturnType<typeof load>, prog: string): Record<number, number> {
  const counts: Record<number, number> = {};
  for (const dataIn of packets) {
    let result: TestRunResult;
    try {
      result = machine.run(loaded.programs.get(prog)!, { dataIn });
    } catch (error) {
      // One packet ends inside its IPv4 header: skb programs refuse to run on it, as Linux does.
      if (error instanceof FarcallError && error.code === 'run.data') continue;
      throw error;
    }
    expect(result.fault).toBeUndefined();
    counts[result.retval] = (counts[result.retval] ?? 0) + 1;
  }
  return counts;
}

const u64s = (bytes: Uint8Array): bigint[] => [...new BigUint64Array(bytes.slice().buffer)];
function mapValue(loaded: LoadedObject, map: string, key: string): Uint8Array {
  const value = [...loaded.maps.values()].find(candidate => candidate.def.name === map)!.userLookup(fromHex(key));
  if (!(value instanceof Uint8Array)) throw new Error(`${map}[${key}] is not there`);
  return value;
}

describe('big-endian builds give the same verdicts on a big-endian machine', () => {
  it.each([
    ['xdp_counter', 'count_packets', { 1: 1, 2: 64 }],
    ['tail_parser', 'classify', { 0: 64 }],
    ['firewall', 'ingress', { 1: 64 }],
  ])('%s', (name, prog, counts) => {
    const machine = createMachine({ order: 'big' });
    const loaded = machine.loadObject(openObject(file(`testdata/bpfeb/${name}.bpf.o`), { name }));
    expect(runAll({ machine, loaded }, prog)).toEqual(counts);
    expect(() => createMachine().loadObject(loaded.spec)).toThrow(expect.objectContaining({ code: 'run.byte-order' }));
  });
});

describe('the examples do what their comments say', () => {
  it('xdp_counter counts by protocol', () => {
    const x = load('xdp_counter');
    expect(runAll(x, 'count_packets')).toEqual({ 1: 1, 2: 64 });
    expect(u64s(mapValue(x.loaded, 'by_protocol', '00080600'))).toEqual([55n, 8686n]);
    expect(u64s(mapValue(x.loaded, 'truncated', '00000000'))).toEqual([1n]);
  });

  it('load_balancer keeps flows with their backend and mends the checksum', () => {
    const x = load('load_balancer');
    expect(runAll(x, 'balance')).toEqual({ 2: 10, 3: 55 });
    const { dataOut } = x.machine.run(x.loaded.programs.get('balance')!, { dataIn: packets[3] });
    const header = dataOut!.subarray(14, 34);
    let sum = 0;
    for (let i = 0; i < 20; i += 2) sum += (header[i] << 8) | header[i + 1];
    expect((sum & 0xffff) + (sum >> 16)).toBe(0xffff);
    expect(u64s(mapValue(x.loaded, 'load_bal.bss', '00000000'))).toEqual([13n, 10n]);
  });

  it('tail_parser reaches each protocol by tail calls', () => {
    const x = load('tail_parser');
    runAll(x, 'classify');
    expect([0, 1, 2, 3].map(n => u64s(mapValue(x.loaded, 'verdicts', `0${n}000000`))[0])).toEqual([4n, 55n, 3n, 2n]);
  });

  it('flow_events tells of new flows and DNS questions', () => {
    const x = load('flow_events');
    runAll(x, 'watch_flows');
    const kinds = x.machine.readEvents().map(({ kind, data }) => `${kind} ${data[8]}`);
    expect(kinds.filter(k => k === 'ringbuf 1')).toHaveLength(17);
    expect(kinds.filter(k => k === 'ringbuf 2')).toHaveLength(1);
    expect(x.machine.readEvents()).toEqual([]);
  });

  it('checksum agrees with a checksum made here', () => {
    const x = load('checksum');
    for (const packet of packets) {
      x.machine.run(x.loaded.programs.get('checksum')!, { dataIn: packet });
      let sum = 0;
      for (let i = 0; i < packet.length; i += 2) sum += packet[i] | ((packet[i + 1] ?? 0) << 8);
      while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16);
      expect(new DataView(mapValue(x.loaded, 'checksum.bss', '00000000').slice().buffer).getUint32(0, true)).toBe(
        ~sum & 0xffff,
      );
    }
    expect(runAll(x, 'check_ip_header')).toEqual({ 1: 1, 2: 64 });
  });

  it('firewall denies by longest prefix, through a map of maps', () => {
    const x = load('firewall');
    const rules = x.loaded.maps.get('ingress_rules')!;
    // 192.168.0.0/16 denied, 192.168.1.0/24 allowed again.
    expect(rules.userUpdate(fromHex('10000000c0a80000'), fromHex('00000000'))).toBe(0);
    expect(rules.userUpdate(fromHex('18000000c0a80100'), fromHex('01000000'))).toBe(0);
    const counts = runAll(x, 'ingress');
    const isDenied = (p: Uint8Array): boolean =>
      /^0800.{20}/.test(toHex(p.subarray(12))) && p[26] === 192 && p[27] === 168 && p[28] !== 1;
    const denied = packets.filter(isDenied).length;
    expect(denied).toBeGreaterThan(10);
    expect(counts[0]).toBe(denied);
    // The queue holds the latest 16 of them.
    const latest = packets.filter(isDenied).slice(-16);
    const first = x.loaded.maps.get('denied')!.userLookup(new Uint8Array(0)) as Uint8Array;
    expect(toHex(first)).toBe(`20000000${toHex(latest[0].subarray(26, 30))}`);
  });

  it('syscall_latency finds kernel fields by CO-RE and fills its histogram', () => {
    const x = load('syscall_latency');
    const ctx = (id: number, ret: number): Uint8Array => {
      const bytes = new Uint8Array(24);
      const view = new DataView(bytes.buffer);
      view.setBigInt64(8, BigInt(id), true);
      view.setBigInt64(16, BigInt(ret), true);
      return bytes;
    };
    for (let i = 0; i < 5; i++) {
      x.machine.run(x.loaded.programs.get('on_enter')!, { ctxIn: ctx(257, 0) });
      x.machine.advanceTime(100_000n);
      const { fault } = x.machine.run(x.loaded.programs.get('on_exit')!, { ctxIn: ctx(257, i === 0 ? -2 : 3) });
      expect(fault).toBeUndefined();
    }
    const histogram = mapValue(x.loaded, 'latencies', '01010000');
    expect(u64s(histogram.slice(0, 208))[6]).toBe(5n);
    expect(toHex(histogram.slice(208, 216))).toBe(toHex(new TextEncoder().encode('farcall\0')));
    expect(x.machine.readTrace()).toEqual([
      expect.stringMatching(/^ +farcall-1 +\[000\] .* bpf_trace_printk: call 257 failed: -2$/),
    ]);
  });
});
