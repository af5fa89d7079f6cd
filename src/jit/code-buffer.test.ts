import { describe, expect, it } from 'vitest';
import { InternalError, toHex } from '../util/index.ts';
import { CodeBuffer } from './code-buffer.ts';

describe.each(['little', 'big'] as const)('a %s-endian code buffer', order => {
  it('writes and reads back numbers of every size', () => {
    const buffer = new CodeBuffer(order);
    buffer.u8(0x11);
    buffer.u8(0x12);
    buffer.u16(0x2324);
    buffer.u32(0x35363738);
    buffer.u64(0x41424344 | 0, 0xc5464748 | 0);
    buffer.put(Uint8Array.of(1, 2));
    expect(buffer.length).toBe(18);
    expect(buffer.peekU32(4)).toBe(0x35363738);
    buffer.patchU32(4, -2);
    expect(buffer.peekU32(4)).toBe(-2);
    expect(toHex(buffer.finish())).toBe(
      order === 'little' ? '11122423feffffff484746c5444342410102' : '11122324fffffffe41424344c54647480102',
    );
  });

  it('grows', () => {
    const buffer = new CodeBuffer(order, 0, 1);
    for (let n = 0; n < 1000; n++) buffer.u32(n);
    const view = new DataView(buffer.finish().buffer);
    expect(view.byteLength).toBe(4000);
    expect(view.getUint32(3996, order === 'little')).toBe(999);
  });

  it('patches places that wait for labels, forward and backward', () => {
    const buffer = new CodeBuffer(order, 1);
    const later = buffer.label();
    const many = Array.from({ length: 100 }, () => buffer.label());
    expect(later).toBe(1);
    buffer.bind(0);
    buffer.u32(0);
    buffer.fixup(later, 7);
    buffer.u32(0);
    for (const label of many) {
      buffer.fixup(label, 9);
      buffer.u32(0);
    }
    buffer.bind(later);
    for (const label of many) buffer.bind(label);
    buffer.fixup(0, 8);
    buffer.u32(0);
    const seen: number[][] = [];
    buffer.resolve((_, kind, off, distance) => seen.push([kind, off, distance]));
    expect([seen[0], seen[1], seen[101]]).toEqual([
      [7, 4, 404],
      [9, 8, 400],
      [8, 408, -408],
    ]);
    expect(buffer.offsetOf(later)).toBe(408);
  });

  it('gives what was written before instead of a copy of the same', () => {
    const buffer = new CodeBuffer(order);
    buffer.u32(1);
    buffer.u32(2);
    const bytes = buffer.finish();
    expect(buffer.finish(bytes)).toBe(bytes);
    expect(buffer.finish()).not.toBe(bytes);
    buffer.patchU8(7, 9);
    expect(buffer.finish(bytes)).not.toBe(bytes);
    buffer.reset(0);
    buffer.u32(1);
    expect(buffer.finish(bytes)).toHaveLength(4);
  });

  it('is as good as new after a function a thousand times as large', () => {
    const buffer = new CodeBuffer(order);
    buffer.reset(100_000);
    for (let n = 0; n < 100_000; n++) {
      buffer.bind(n);
      buffer.fixup(n, 0);
      buffer.u32(n);
    }
    buffer.reset(3);
    expect([buffer.length, buffer.offsetOf(0), buffer.offsetOf(2), buffer.label()]).toEqual([0, -1, -1, 3]);
    expect(buffer.offsetOf(3)).toBe(-1);
    buffer.resolve(() => expect.unreachable());
    expect(buffer.finish()).toHaveLength(0);
  });

  it('starts over, and misses labels nobody placed', () => {
    const buffer = new CodeBuffer(order, 3);
    buffer.bind(2);
    buffer.fixup(2, 0);
    buffer.u32(1);
    buffer.reset(5);
    expect([buffer.length, buffer.offsetOf(2), buffer.label()]).toEqual([0, -1, 5]);
    buffer.resolve(() => expect.unreachable());
    buffer.fixup(4, 0);
    expect(() => buffer.resolve(() => {})).toThrow(InternalError);
  });
});
