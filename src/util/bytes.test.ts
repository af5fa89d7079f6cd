import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ByteView, ByteWriter, concatBytes, equalBytes, FarcallError, fromHex, toHex } from './index.ts';

describe('ByteWriter and ByteView', () => {
  it.each(['little', 'big'] as const)('read back what was written, %s-endian, however the buffer grew', order => {
    const item = fc.oneof(
      fc.record({ size: fc.constant(1 as const), value: fc.bigInt({ min: 0n, max: 0xffn }) }),
      fc.record({ size: fc.constant(2 as const), value: fc.bigInt({ min: 0n, max: 0xffffn }) }),
      fc.record({ size: fc.constant(4 as const), value: fc.bigInt({ min: 0n, max: 0xffffffffn }) }),
      fc.record({ size: fc.constant(8 as const), value: fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }) }),
    );
    fc.assert(
      fc.property(fc.array(item, { maxLength: 40 }), items => {
        const out = new ByteWriter(order, 1);
        for (const { size, value } of items) {
          if (size === 8) out.u64(value);
          else out[`u${(size * 8) as 8 | 16 | 32}`](Number(value));
        }
        const view = new ByteView(out.finish(), order);
        let at = 0;
        for (const { size, value } of items) {
          expect(BigInt(view[`u${(size * 8) as 8 | 16 | 32 | 64}`](at))).toBe(value);
          at += size;
        }
        expect(view.length).toBe(at);
      }),
    );
  });

  it('says where a read leaves the bytes', () => {
    const view = new ByteView(new Uint8Array(6), 'little', { file: 'x.o', section: '.BTF' });
    expect(() => view.u32(4, 'magic')).toThrow(FarcallError);
    expect(() => view.u32(4, 'magic')).toThrow(
      /^x\.o: section \.BTF: magic reaches outside the 6 bytes there are \(expected 4 bytes at offset 4, found 2 bytes\)$/,
    );
    expect(() => new ByteView(fromHex('6161'), 'little').cstring(0)).toThrow(/terminating NUL/);
  });
});

describe('hex', () => {
  it('is the inverse of itself', () => {
    fc.assert(
      fc.property(fc.uint8Array(), bytes => {
        expect(equalBytes(fromHex(toHex(bytes, ' ')), concatBytes([bytes]))).toBe(true);
      }),
    );
  });
  it.each(['0', 'zz', '123'])('refuses %s', text => expect(() => fromHex(text)).toThrow(FarcallError));
});
