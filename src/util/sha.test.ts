import { createHash } from 'node:crypto';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { encodeText, sha1, sha256, toHex } from './index.ts';

const RULES = [
  ['sha1', sha1],
  ['sha256', sha256],
] as const;

describe.each(RULES)('%s', (name, digest) => {
  const oracle = (bytes: Uint8Array): string => createHash(name).update(bytes).digest('hex');

  it('agrees with Node at every length around a block', () => {
    for (let length = 0; length <= 130; length++) {
      const bytes = Uint8Array.from({ length }, (_, i) => (i * 37 + length) & 255);
      expect(toHex(digest(bytes)), `${length} bytes`).toBe(oracle(bytes));
    }
  });

  it('agrees with Node on any bytes', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 3000 }), bytes => toHex(digest(bytes)) === oracle(bytes)));
  });

  it('does not read beyond a view of a larger buffer', () => {
    const whole = encodeText('before abc after');
    expect(toHex(digest(whole.subarray(7, 10)))).toBe(oracle(encodeText('abc')));
  });
});
