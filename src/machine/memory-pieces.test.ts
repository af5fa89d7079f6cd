import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { encodeText, equalBytes } from '../util/index.ts';
import { changedPieces, contentPieces, digestOf } from './memory-pieces.ts';

/** Mostly zeros, as memory is. */
const sparse = (words: number) =>
  fc.array(fc.tuple(fc.nat(words - 1), fc.integer({ min: 1, max: 0xff })), { maxLength: 12 }).map(cells => {
    const bytes = new Uint8Array(4 * words);
    for (const [word, byte] of cells) bytes[4 * word + (byte & 3)] = byte;
    return bytes;
  });

describe('pieces of memory', () => {
  it('content: everything that is not zero, in order, not touching', () => {
    fc.assert(
      fc.property(sparse(200), fc.constantFrom(0, 64), (bytes, start) => {
        const pieces = contentPieces(bytes, start, bytes.length);
        const again = new Uint8Array(bytes.length);
        for (const piece of pieces) again.set(piece.bytes, piece.addr);
        expect(equalBytes(again.subarray(start), bytes.subarray(start))).toBe(true);
        for (let i = 1; i < pieces.length; i++) {
          expect(pieces[i].addr).toBeGreaterThan(pieces[i - 1].addr + pieces[i - 1].bytes.length);
        }
      }),
    );
  });

  it('changes: put into what was before they make what is now, whatever it grew by', () => {
    fc.assert(
      fc.property(sparse(100), sparse(150), fc.nat(150 * 4), fc.nat(4), (old, now, size, skew) => {
        const before = old.subarray(skew);
        const after = now.subarray(Math.min(skew & 2, size), size);
        const again = new Uint8Array(after.length);
        again.set(before.subarray(0, after.length));
        for (const piece of changedPieces(before, after, 0x5000)) again.set(piece.bytes, piece.addr - 0x5000);
        expect(equalBytes(again, after)).toBe(true);
        expect(changedPieces(after, after, 0)).toEqual([]);
      }),
    );
  });
});

describe('digestOf', () => {
  // From the FNV authors' list of test vectors.
  it.each([
    ['', 0xcbf29ce484222325n],
    ['a', 0xaf63dc4c8601ec8cn],
    ['foobar', 0x85944171f73967e8n],
  ])('of %j', (text, digest) => {
    const bytes = encodeText(text);
    expect(digestOf(bytes, [{ addr: 0, sizeBytes: bytes.length }])).toBe(digest);
  });

  it('of ranges is that of their bytes in a row', () => {
    const bytes = encodeText('..foo...bar');
    const ranges = [2, 8].map(addr => ({ addr, sizeBytes: 3 }));
    expect(digestOf(bytes, ranges)).toBe(0x85944171f73967e8n);
  });
});
