import { expect, it } from 'vitest';
import { Shelf } from './shelf.ts';

it('a shelf cuts pieces of zeroes that lie side by side and never on each other', () => {
  const shelf = new Shelf();
  const pieces: Uint8Array[] = [];
  for (let n = 0; n < 3000; n++) {
    const sizeBytes = [0, 1, 4, 7, 700, 2048, 2049, 40_000][n % 8];
    const at = shelf.take(sizeBytes);
    expect(at % 4).toBe(0);
    const piece = new Uint8Array(shelf.memory, at, sizeBytes);
    expect(piece.every(byte => byte === 0)).toBe(true);
    piece.fill(n % 255);
    pieces.push(piece);
  }
  expect(pieces.every((piece, n) => piece.every(byte => byte === n % 255))).toBe(true);
  // Short ones share, long ones pin nobody else's memory.
  expect(new Set(pieces.filter(({ length }) => length <= 700).map(({ buffer }) => buffer)).size).toBeLessThan(400);
  expect(pieces.filter(({ length }) => length > 2048).every(({ buffer, length }) => buffer.byteLength === length)).toBe(
    true,
  );
});
