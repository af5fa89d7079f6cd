import type { ExeMemory, ExeRange } from '../jit/index.ts';
import { mulhuU32, u64Of } from '../util/index.ts';

/** Pieces closer than this are one: each costs a header. */
const GAP_BYTES = 32;
const ZERO = new ArrayBuffer(0);

/** What is not zero in `bytes[start, end)`, at the addresses it lies at. */
export function contentPieces(bytes: Uint8Array, start: number, end: number): ExeMemory[] {
  const words = new Int32Array(bytes.buffer, bytes.byteOffset + start, (end - start) >> 2);
  const pieces: ExeMemory[] = [];
  let from = -1;
  let to = 0;
  const close = (): void => {
    if (from >= 0) pieces.push({ addr: start + 4 * from, bytes: bytes.slice(start + 4 * from, start + 4 * to) });
  };
  for (let i = 0; i < words.length; i++) {
    if (words[i] === 0) continue;
    if (from < 0 || 4 * (i - to) >= GAP_BYTES) {
      close();
      from = i;
    }
    to = i + 1;
  }
  close();
  return pieces;
}

/** Where `now` differs from `before`, as it is now; what `before` is too short for counts as zero. `addr` is that of both. */
export function changedPieces(before: Uint8Array, now: Uint8Array, addr: number): ExeMemory[] {
  const pieces: ExeMemory[] = [];
  let from = -1;
  let to = 0;
  const close = (): void => {
    if (from >= 0) pieces.push({ addr: addr + from, bytes: now.slice(from, to) });
  };
  const known = Math.min(before.length, now.length);
  const wordwise = ((before.byteOffset | now.byteOffset) & 3) === 0;
  const words = wordwise ? known >> 2 : 0;
  const old = new Int32Array(wordwise ? before.buffer : ZERO, wordwise ? before.byteOffset : 0, words);
  const fresh = new Int32Array(wordwise ? now.buffer : ZERO, wordwise ? now.byteOffset : 0, words);
  for (let i = 0; i < now.length; i++) {
    // Nearly all of memory is as it was.
    if ((i & 3) === 0) {
      let word = i >> 2;
      while (word < words && old[word] === fresh[word]) word++;
      i = Math.max(i, Math.min(4 * word, now.length));
      if (i === now.length) break;
    }
    if (now[i] === (i < known ? before[i] : 0)) continue;
    if (from < 0 || i - to >= GAP_BYTES) {
      close();
      from = i;
    }
    to = i + 1;
  }
  close();
  return pieces;
}

/** FNV-1a, 64 bits, over ranges of the linear memory. */
export function digestOf(memory: Uint8Array, ranges: readonly ExeRange[]): bigint {
  let hi = 0xcbf29ce4 | 0;
  let lo = 0x84222325 | 0;
  for (const { addr, sizeBytes } of ranges) {
    for (let i = addr; i < addr + sizeBytes; i++) {
      lo ^= memory[i];
      // times 2^40 + 0x1b3
      const low = Math.imul(lo, 0x1b3);
      const carry = mulhuU32(lo, 0x1b3);
      hi = (Math.imul(hi, 0x1b3) + carry + (lo << 8)) | 0;
      lo = low;
    }
  }
  return u64Of(hi, lo);
}
