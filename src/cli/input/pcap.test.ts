import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type ByteOrder, ByteWriter, FarcallError, fromHex, toHex } from '../../util/index.ts';
import { isCapture, readCapture } from './pcap.ts';

const FRAME_A = fromHex('ffffffffffff0011223344550800');
const FRAME_B = fromHex('0102030405');

function pcap(order: ByteOrder, magic: number, linkType = 1): ByteWriter {
  return new ByteWriter(order).u32(magic).u16(2).u16(4).u32(0).u32(0).u32(65535).u32(linkType);
}
function record(
  out: ByteWriter,
  seconds: number,
  fraction: number,
  frame: Uint8Array,
  wire = frame.length,
): ByteWriter {
  return out.u32(seconds).u32(fraction).u32(frame.length).u32(wire).put(frame);
}

function block(out: ByteWriter, type: number, body: (out: ByteWriter) => void): ByteWriter {
  const inner = new ByteWriter(out.order);
  body(inner);
  inner.align(4);
  const length = inner.length + 12;
  return out.u32(type).u32(length).put(inner.finish()).u32(length);
}
const section = (out: ByteWriter): ByteWriter =>
  block(out, 0x0a0d0d0a, b => b.u32(0x1a2b3c4d).u16(1).u16(0).u64(0xffffffffffffffffn));
const device = (out: ByteWriter, linkType: number, snap: number, resolution?: number): ByteWriter =>
  block(out, 1, b => {
    b.u16(linkType).u16(0).u32(snap);
    if (resolution !== undefined) b.u16(9).u16(1).u8(resolution).align(4).u16(0).u16(0);
  });
const enhanced = (out: ByteWriter, id: number, ticks: bigint, frame: Uint8Array): ByteWriter =>
  block(out, 6, b =>
    b
      .u32(id)
      .u32(Number(ticks >> 32n))
      .u32(Number(ticks & 0xffffffffn))
      .u32(frame.length)
      .u32(frame.length)
      .put(frame),
  );

function pcapng(order: ByteOrder): Uint8Array {
  const out = section(new ByteWriter(order));
  device(out, 1, 0);
  device(out, 101, 3, 9);
  block(out, 5, b => b.u32(0)); // interface statistics: passed over
  enhanced(out, 0, 1_500_000n, FRAME_A);
  enhanced(out, 1, 1_500_000n, FRAME_B);
  block(out, 3, b => b.u32(FRAME_A.length).put(FRAME_A));
  block(out, 2, b => b.u16(1).u16(0).u32(0).u32(7).u32(FRAME_B.length).u32(99).put(FRAME_B));
  return out.finish();
}

describe('pcap', () => {
  const cases: [string, ByteOrder, number, bigint][] = [
    ['little-endian, microseconds', 'little', 0xa1b2c3d4, 3_000_005_000n],
    ['big-endian, microseconds', 'big', 0xa1b2c3d4, 3_000_005_000n],
    ['little-endian, nanoseconds', 'little', 0xa1b23c4d, 3_000_000_005n],
    ['big-endian, nanoseconds', 'big', 0xa1b23c4d, 3_000_000_005n],
  ];
  it.each(cases)('%s', (_, order, magic, timeNs) => {
    const out = record(record(pcap(order, magic), 3, 5, FRAME_A, 60), 4, 0, FRAME_B);
    const { packets, notes } = readCapture(out.finish());
    expect(notes).toEqual([]);
    expect(packets.map(packet => toHex(packet.bytes))).toEqual([toHex(FRAME_A), toHex(FRAME_B)]);
    expect(packets[0]).toMatchObject({ timeNs, wireBytes: 60, linkType: 1 });
  });

  it('of no packets', () => {
    expect(readCapture(pcap('little', 0xa1b2c3d4).finish())).toEqual({ packets: [], notes: [] });
  });

  it.each([1, 15, 16, 20])('that ends %i bytes into a packet gives those before', extra => {
    const whole = record(pcap('little', 0xa1b2c3d4), 0, 0, FRAME_A);
    const size = whole.length;
    const bytes = record(whole, 0, 0, FRAME_A)
      .finish()
      .subarray(0, size + extra);
    const { packets, notes } = readCapture(bytes);
    expect(packets.length).toBe(1);
    expect(notes).toEqual(['the capture ends inside packet 2']);
  });

  it('says what other link types mean', () => {
    const { notes } = readCapture(record(pcap('little', 0xa1b2c3d4, 101), 0, 0, FRAME_A).finish());
    expect(notes).toEqual([
      'packets of link type 101 (raw IP) have no Ethernet header; they are handed over as they are',
    ]);
  });

  it.each([
    ['nothing', new Uint8Array(0), 'not a capture file (expected pcap or pcapng magic, found 0 bytes)'],
    ['another file', fromHex('7f454c46020101'), 'not a capture file (expected pcap or pcapng magic, found 0x464c457f)'],
    [
      'half a header',
      pcap('little', 0xa1b2c3d4).finish().subarray(0, 20),
      'offset 0x0: the header is cut off (expected 24 bytes, found 20 bytes)',
    ],
    [
      'an absurd length',
      pcap('little', 0xa1b2c3d4).u32(0).u32(0).u32(0x7fffffff).u32(0).finish(),
      'offset 0x20: a packet is too long (expected at most 262144 bytes, found 2147483647)',
    ],
  ])('refuses %s', (_, bytes, message) => {
    expect(() => readCapture(bytes)).toThrow(message);
  });
});

describe('pcapng', () => {
  it.each(['little', 'big'] as const)('%s-endian, all kinds of packet blocks', order => {
    const { packets, notes } = readCapture(pcapng(order));
    expect(notes.length).toBe(1);
    expect(
      packets.map(({ bytes, timeNs, wireBytes, linkType }) => [toHex(bytes), timeNs, wireBytes, linkType]),
    ).toEqual([
      [toHex(FRAME_A), 1_500_000_000n, 14, 1],
      [toHex(FRAME_B), 1_500_000n, 5, 101],
      [toHex(FRAME_A), 0n, 14, 1],
      [toHex(FRAME_B), 7n, 99, 101],
    ]);
  });

  it('counts interfaces anew in each section, whose byte order may differ', () => {
    const first = enhanced(device(section(new ByteWriter('little')), 1, 0), 0, 0n, FRAME_A).finish();
    const second = enhanced(device(section(new ByteWriter('big')), 101, 0), 0, 0n, FRAME_B).finish();
    const bytes = new ByteWriter('little').put(first).put(second).finish();
    expect(readCapture(bytes).packets.map(packet => packet.linkType)).toEqual([1, 101]);
  });

  it('keeps time in powers of two', () => {
    const out = enhanced(device(section(new ByteWriter('little')), 1, 0, 0x80 | 10), 0, 512n, FRAME_A);
    expect(readCapture(out.finish()).packets[0].timeNs).toBe(500_000_000n);
  });

  const bad: [string, (out: ByteWriter) => void, string][] = [
    [
      'a packet of an unknown interface',
      out => enhanced(out, 4, 0n, FRAME_A),
      'no such interface (expected one of 0, found 4)',
    ],
    ['a block length that is no multiple of 4', out => out.u32(6).u32(13).u32(0).u32(0), 'bad block length'],
    ['lengths that differ', out => out.u32(9).u32(16).u32(0).u32(20), 'block lengths differ (expected 16, found 20)'],
    [
      'a packet longer than its block',
      out => block(device(out, 1, 0), 6, b => b.u32(0).u64(0n).u32(100).u32(100)),
      'a block is too short',
    ],
  ];
  it.each(bad)('refuses %s', (_, add, message) => {
    const out = section(new ByteWriter('little'));
    add(out);
    expect(() => readCapture(out.finish())).toThrow(message);
  });
});

it('ends in packets or a FarcallError for any damage', () => {
  const seeds = [pcapng('little'), pcapng('big'), record(pcap('big', 0xa1b23c4d), 1, 2, FRAME_A).finish()];
  const change = fc.record({ at: fc.nat(400), value: fc.nat(255) });
  fc.assert(
    fc.property(fc.constantFrom(...seeds), fc.array(change, { maxLength: 6 }), fc.nat(500), (seed, changes, cut) => {
      const bytes = seed.slice(0, Math.max(1, seed.length - (cut % seed.length)));
      for (const { at, value } of changes) bytes[at % bytes.length] = value;
      try {
        const { packets } = readCapture(bytes);
        return isCapture(bytes) && packets.every(packet => packet.bytes.length <= bytes.length);
      } catch (error) {
        return error instanceof FarcallError && error.code === 'run.pcap';
      }
    }),
    { numRuns: 3000 },
  );
});
