import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { allKeys, numberBytes as n, T, TestMapHost } from '../../test/support/map-host.ts';
import { ERRNO } from '../uapi/index.ts';
import { concatBytes, toHex } from '../util/index.ts';

interface Entry {
  readonly bits: string;
  readonly key: Uint8Array;
  readonly value: Uint8Array;
}

const bitsOf = (data: Uint8Array, prefixlen: number): string =>
  [...data]
    .map(byte => byte.toString(2).padStart(8, '0'))
    .join('')
    .slice(0, prefixlen);

/** Longer prefixes before those that hold them, zeros before ones. */
function byWalk(a: Entry, b: Entry): number {
  if (a.bits.startsWith(b.bits)) return -1;
  if (b.bits.startsWith(a.bits)) return 1;
  return a.bits < b.bits ? -1 : 1;
}

describe('LPM trie', () => {
  it('finds the longest prefix, as a search through all entries does', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 17 }).chain(dataBytes =>
          fc.record({
            dataBytes: fc.constant(dataBytes),
            order: fc.constantFrom('little' as const, 'big' as const),
            maxEntries: fc.integer({ min: 1, max: 20 }),
            ops: fc.array(
              fc.record({
                // Few distinct bytes, so that prefixes nest.
                data: fc.array(fc.constantFrom(0, 1, 0x80, 0xff, 0xc0), { minLength: dataBytes, maxLength: dataBytes }),
                prefixlen: fc.oneof(fc.integer({ min: 0, max: dataBytes * 8 + 1 }), fc.constant(dataBytes * 8)),
                what: fc.nat(9),
                flags: fc.constantFrom(0, 0, 0, 1, 2, 3),
                value: fc.nat(255),
              }),
              { maxLength: 50 },
            ),
          }),
        ),
        ({ dataBytes, order, maxEntries, ops }) => {
          const host = new TestMapHost({ order });
          const map = host.create({
            type: T.BPF_MAP_TYPE_LPM_TRIE,
            keySizeBytes: 4 + dataBytes,
            valueSizeBytes: 3,
            maxEntries,
            flags: 1,
          });
          const model = new Map<string, Entry>();
          for (const op of ops) {
            const data = Uint8Array.from(op.data);
            const key = concatBytes([n(op.prefixlen, 4, order), data]);
            const at = host.place(key);
            const bits = bitsOf(data, op.prefixlen);
            const old = model.get(bits);
            const bad = op.prefixlen > dataBytes * 8;
            if (op.what < 6) {
              const value = new Uint8Array(3).fill(op.value);
              const expected =
                op.flags > 2 || bad
                  ? -ERRNO.EINVAL
                  : old !== undefined && op.flags === 1
                    ? -ERRNO.EEXIST
                    : old === undefined && op.flags === 2
                      ? -ERRNO.ENOENT
                      : old === undefined && model.size >= maxEntries
                        ? -ERRNO.ENOSPC
                        : 0;
              expect(map.update(at, host.place(value), op.flags)).toBe(expected);
              if (expected === 0) model.set(bits, { bits, key, value });
            } else if (op.what < 8) {
              expect(map.userDelete(key)).toBe(bad ? -ERRNO.EINVAL : old === undefined ? -ERRNO.ENOENT : 0);
              if (!bad) model.delete(bits);
            }
            const matches = [...model.values()].filter(entry => bits.startsWith(entry.bits));
            const best = matches.sort((a, b) => b.bits.length - a.bits.length)[0];
            const found = map.lookup(at);
            if (bad || best === undefined) expect(found).toBe(0);
            else {
              expect(host.mem.read(found, 3)).toEqual(best.value);
              expect(host.mem.accessible(found, 3, 'write')).toBeDefined();
              expect(host.mem.accessible(found, 4, 'read')).toBeUndefined();
            }
          }
          const walked = allKeys(map).map(key => toHex(key));
          expect(walked).toEqual([...model.values()].sort(byWalk).map(entry => toHex(entry.key)));
        },
      ),
      { numRuns: 300 },
    );
  });
});
