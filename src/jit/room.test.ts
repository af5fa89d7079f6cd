import { describe, expect, it } from 'vitest';
import { Room } from './room.ts';

describe('a room', () => {
  it('hands out arrays of zeroes that do not touch each other, however many', () => {
    const room = new Room();
    for (let pass = 0; pass < 3; pass++) {
      room.clear();
      const bytes = [1, 3, 0, 5000, 40_000].map(length => room.bytes(length));
      const ints = [7, 0, 9000].map(length => room.ints(length, -1));
      const more = room.bytes(300_000);
      expect(bytes.map(array => array.length)).toEqual([1, 3, 0, 5000, 40_000]);
      expect([...bytes, more].every(array => array.every(byte => byte === 0))).toBe(true);
      expect(ints.every(array => array.every(value => value === -1))).toBe(true);
      for (const array of bytes) array.fill(0xaa);
      more.fill(0x55);
      expect(ints.every(array => array.every(value => value === -1))).toBe(true);
      for (const array of ints) array.fill(7);
      expect(bytes.every(array => array.every(byte => byte === 0xaa))).toBe(true);
      expect(more.every(byte => byte === 0x55)).toBe(true);
    }
  });

  it('hands out zeroes again where others were released, also across new memory', () => {
    const room = new Room();
    for (const length of [10, 3000, 30_000]) {
      const kept = room.ints(length, 5);
      const mark = room.mark();
      for (let pass = 0; pass < 3; pass++) {
        const arrays = [room.bytes(length), room.shorts(7), room.ints(length)];
        for (const array of arrays) {
          expect(array.every(value => value === 0)).toBe(true);
          array.fill(0x7f);
        }
        expect(kept.every(value => value === 5)).toBe(true);
        room.release(mark);
      }
    }
  });
});
