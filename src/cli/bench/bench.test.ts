import { describe, expect, it } from 'vitest';
import { farcall } from '../../../test/support/cli.ts';
import { unsupportedBecause } from '../../engine/native/index.ts';
import { Samples } from './measure.ts';

/** A clock that goes on 50 ms whenever somebody looks: samples are long enough at once. */
const clock = Array.from({ length: 5000 }, (_, i) => 50 * i);
const ENGINES = ['wasm', 'interp', ...(unsupportedBecause() === undefined ? ['native'] : []), 'ppc64le'];
const CHECKSUM = ['bench', 'examples/checksum.bpf.o', '-p', 'checksum', '--rounds', '3'];
const FRAME = ['--data-in', 'hex:0011223344550a0b0c0d0e0f0800'];

describe('bench', () => {
  it('measures every engine of the byte order', async () => {
    const { stdout, stderr, exit } = await farcall([...CHECKSUM, ...FRAME, '--json'], { clock });
    expect([stderr, exit]).toEqual(['', 0]);
    const records = stdout
      .trim()
      .split('\n')
      .map(line => JSON.parse(line));
    expect(records.map(({ engine }) => engine)).toEqual(ENGINES);
    for (const { insns, ns_a_run, ns_a_packet, insns_a_second, packets } of records) {
      expect([insns, packets, ns_a_run.samples]).toEqual([92, 1, 3]);
      expect(ns_a_run.min).toBeLessThanOrEqual(ns_a_run.median);
      expect(ns_a_packet.median).toBeGreaterThan(0);
      expect(insns_a_second).toBeCloseTo((92 / ns_a_run.median) * 1e9, 0);
    }
  });

  it('has a row for each engine asked for', async () => {
    const { stdout, exit } = await farcall([...CHECKSUM, ...FRAME, '-e', 'interp', '-e', 'wasm', '-e', 'interp'], {
      clock,
    });
    expect(exit).toBe(0);
    const lines = stdout.split('\n');
    expect(lines[0]).toBe('checksum (xdp) on a packet, 92.00 instructions a run, 3 rounds');
    expect(lines[2].trim().split(/ {2,}/)).toEqual([
      'engine',
      'ns a run',
      'spread',
      'ns a packet',
      'spread',
      'M insns/s',
    ]);
    expect(lines.slice(3, 5).map(line => line.trim().split(' ')[0])).toEqual(['interp', 'wasm']);
  });

  it('passes over packets that no run takes', async () => {
    const firewall = ['bench', 'examples/firewall.bpf.o', '-p', 'ingress', '--data-in', 'examples/traffic.pcap'];
    const { stdout } = await farcall([...firewall, '-e', 'wasm', '--rounds', '1', '--json'], { clock });
    expect(JSON.parse(stdout)).toMatchObject({ prog: 'ingress', packets: 64 });
  });

  it('reports a fault', async () => {
    const load = ['bench', '--unverified', '--type', 'xdp', 'hex:b702000000000000 6120000000000000 9500000000000000'];
    const { stdout, exit } = await farcall([...load, ...FRAME, '-e', 'wasm', '-e', 'interp'], { clock });
    expect(exit).toBe(1);
    expect(stdout.match(/fault: out-of-bounds/g)).toHaveLength(2);
  });

  it.each([
    [['-e', 'ppc64'], 'ppc64 is big-endian'],
    [['-e', 'magic'], 'magic'],
    [['--rounds', '0'], '--rounds is not usable'],
    [['--repeat', '3'], 'repeat'],
  ])('refuses %s', async (options, message) => {
    const { exit, stderr } = await farcall([...CHECKSUM, ...FRAME, ...options]);
    expect(exit).toBe(2);
    expect(stderr).toContain(message);
  });
});

it('samples have a median and a spread', () => {
  const samples = new Samples();
  for (const ns of [5, 1, 4]) samples.add(ns);
  expect([samples.least, samples.median, samples.most, samples.count]).toEqual([1, 4, 5, 3]);
});
