import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { T, TestMapHost } from '../../test/support/map-host.ts';
import { BPF_FLAGS as F } from '../uapi/index.ts';
import { isRingbufMap, RINGBUF_LAYOUT, ringbufOfSample } from './ringbuf.ts';
import type { RingbufMap, UserRingbufMap } from './types.ts';
import { isUserRingbufMap } from './user-ringbuf.ts';

const SIZE = 4096;
const SHAPE = { keySizeBytes: 0, valueSizeBytes: 0, maxEntries: SIZE };

function ringbuf(host: TestMapHost): RingbufMap {
  const map = host.create({ type: T.BPF_MAP_TYPE_RINGBUF, ...SHAPE });
  if (!isRingbufMap(map)) throw new Error('not a ring buffer');
  return map;
}
function userRingbuf(host: TestMapHost): UserRingbufMap {
  const map = host.create({ type: T.BPF_MAP_TYPE_USER_RINGBUF, ...SHAPE });
  if (!isUserRingbufMap(map)) throw new Error('not a user ring buffer');
  return map;
}

interface Record {
  readonly addr: number;
  readonly size: number;
  readonly fill: number;
  readonly cost: number;
  state: 'reserved' | 'submitted' | 'discarded';
}

describe('ring buffer', () => {
  it('is a queue of records with room for one byte less than its size', () => {
    fc.assert(
      fc.property(
        fc.constantFrom('little' as const, 'big' as const),
        fc.array(
          fc.tuple(fc.nat(9), fc.oneof(fc.nat(40), fc.nat(1500), fc.constantFrom(4080, 4088, 5000)), fc.nat(255)),
          {
            maxLength: 120,
          },
        ),
        (order, ops) => {
          const host = new TestMapHost({ order });
          const map = ringbuf(host);
          const source = host.place(new Uint8Array(5000));
          const records: Record[] = [];
          let consumed = 0;
          let produced = 0;
          for (const [what, size, fill] of ops) {
            const open = records.filter(record => record.state === 'reserved');
            if (what < 5) {
              const cost = Math.ceil((size + 8) / 8) * 8;
              const used = records.reduce((sum, record) => sum + record.cost, 0);
              const fits = used + cost < SIZE;
              if (what === 4) {
                host.mem.u8.fill(fill, source, source + size);
                expect(map.output(source, size, 0)).toBe(fits ? 0 : -11);
              }
              const addr = what === 4 ? 0 : map.reserve(size);
              if (what < 4) {
                expect(addr !== 0).toBe(fits);
                if (fits) {
                  expect(map.isReserved(addr)).toBe(true);
                  expect(ringbufOfSample(host, addr)).toBe(map);
                  if (size > 0) {
                    expect(host.mem.accessible(addr, size, 'write')).toBeDefined();
                    expect(host.mem.accessible(addr, size + 1, 'write')).toBeUndefined();
                    expect(host.mem.accessible(addr - 1, 1, 'read')).toBeUndefined();
                  }
                  host.mem.u8.fill(fill, addr, addr + size);
                }
              }
              if (fits) {
                produced += cost;
                records.push({ addr, size, fill, cost, state: what === 4 ? 'submitted' : 'reserved' });
              }
            } else if (what < 8 && open.length > 0) {
              const record = open[fill % open.length];
              record.state = what === 7 ? 'discarded' : 'submitted';
              expect(what === 7 ? map.discard(record.addr, 0) : map.submit(record.addr, 0)).toBe(0);
              expect(map.submit(record.addr, 0)).toBe(-22);
              if (record.size > 0) expect(host.mem.accessible(record.addr, 1, 'read')).toBeUndefined();
              expect(ringbufOfSample(host, record.addr)).toBeUndefined();
            } else if (what >= 8) {
              const ready: Record[] = [];
              while (records.length > 0 && records[0].state !== 'reserved') ready.push(records.shift()!);
              consumed += ready.reduce((sum, record) => sum + record.cost, 0);
              expect(map.consume()).toEqual(
                ready
                  .filter(record => record.state === 'submitted')
                  .map(record => new Uint8Array(record.size).fill(record.fill)),
              );
            }
            expect([0, 1, 2, 3, 4].map(flag => map.query(flag))).toEqual([
              produced - consumed,
              SIZE,
              consumed,
              produced,
              0,
            ]);
          }
          map.free();
          expect(host.mem.regions()).toEqual([]);
        },
      ),
      { numRuns: 150 },
    );
  });

  it('wakes a consumer that has caught up, and by flag', () => {
    const host = new TestMapHost();
    const map = ringbuf(host);
    const source = host.place(new Uint8Array(8));
    const wakeups = (flags: number): number => {
      const before = map.wakeups;
      expect(map.output(source, 8, flags)).toBe(0);
      return map.wakeups - before;
    };
    expect(wakeups(0)).toBe(1);
    expect(wakeups(0)).toBe(0);
    expect(wakeups(F.BPF_RB_FORCE_WAKEUP)).toBe(1);
    map.consume();
    expect(wakeups(F.BPF_RB_NO_WAKEUP)).toBe(0);
    expect(map.output(source, 8, 4)).toBe(-22);
  });

  it('refuses what is no reserved record', () => {
    const host = new TestMapHost();
    const map = ringbuf(host);
    const addr = map.reserve(16);
    for (const wrong of [0, 8, addr + 8, addr - 8, map.addr, host.mem.u8.length + 8]) {
      expect(map.discard(wrong, 0)).toBe(-22);
      expect(ringbufOfSample(host, wrong)).toBeUndefined();
    }
    expect([map.userLookup(new Uint8Array(0)), map.userDelete(new Uint8Array(0)), map.userNextKey(null)]).toEqual([
      -524, -524, -524,
    ]);
  });
});

describe('user ring buffer', () => {
  it('gives programs what user space put in, in order', () => {
    fc.assert(
      fc.property(
        fc.array(fc.oneof(fc.uint8Array({ maxLength: 600 }), fc.nat(4)), { maxLength: 80 }),
        fc.constantFrom('little' as const, 'big' as const),
        (ops, order) => {
          const host = new TestMapHost({ order });
          const map = userRingbuf(host);
          let waiting: Uint8Array[] = [];
          for (const op of ops) {
            if (typeof op !== 'number') {
              const used = waiting.reduce((sum, bytes) => sum + Math.ceil((bytes.length + 8) / 8) * 8, 0);
              const fits = used + Math.ceil((op.length + 8) / 8) * 8 <= SIZE;
              expect(map.produce(op)).toBe(fits ? 0 : -28);
              if (fits) waiting.push(op);
              continue;
            }
            const seen: Uint8Array[] = [];
            const visit = (addr: number, size: number): number => {
              seen.push(host.mem.read(addr, size));
              if (size > 0) expect(host.mem.accessible(addr, size, 'read')).toBeDefined();
              expect(host.mem.accessible(addr, size + 1, 'read')).toBeUndefined();
              expect(map.drain(visit, 0)).toBe(-16);
              return seen.length > op ? 1 : 0;
            };
            const expected = waiting.slice(0, op + 1);
            waiting = waiting.slice(op + 1);
            expect(map.drain(visit, 0)).toBe(expected.length);
            expect(seen).toEqual(expected);
          }
          expect(host.mem.regions()).toHaveLength(1);
        },
      ),
    );
  });

  it('does not believe what user space wrote', () => {
    const host = new TestMapHost();
    const map = userRingbuf(host);
    const never = (): number => 0;
    expect(map.produce(new Uint8Array(SIZE))).toBe(-7);
    expect(map.drain(never, 4)).toBe(-22);
    expect(map.produce(new Uint8Array(16))).toBe(0);
    const ring = host.mem.view.getUint32(map.addr + RINGBUF_LAYOUT.ring, true);
    const header = ring + 3 * 4096;
    host.mem.view.setUint32(header, 17 + 8, true);
    expect(map.drain(never, 0)).toBe(-22);
    host.mem.view.setUint32(header, 2 ** 31 + 16, true);
    expect(map.drain(never, 0)).toBe(0);
    host.mem.view.setUint32(header, 2 ** 30 + 16, true);
    expect(map.drain(never, F.BPF_RB_FORCE_WAKEUP)).toBe(0);
    expect(map.wakeups).toBe(1);
    expect(map.drain(never, 0)).toBe(0);
    host.mem.view.setUint32(ring + 2 * 4096, 25, true);
    expect(map.drain(never, 0)).toBe(-22);
  });
});
