import type { AddressRange } from './types.ts';

/** `BPF_PROG_CHUNK_SIZE` */
export const CHUNK_BYTES = 64;
const FIRST_CHUNKS = 16;

/**
 * A program pack: one large piece of executable memory that images share in chunks of 64 bytes, the lowest free run
 * first. Placed images may lie in it too and then share chunks, so chunks are counted.
 *
 * Source: `kernel/bpf/core.c: struct bpf_prog_pack`.
 */
export class ProgPack implements AddressRange {
  readonly start: bigint;
  readonly end: bigint;
  readonly #chunkCount: number;
  /** Users of each chunk; none behind its end. It grows with what is used: most packs stay nearly empty. */
  #uses: Uint16Array;
  /** Every chunk below is in use. */
  #firstFree = 0;
  #used = 0;

  constructor(start: bigint, sizeBytes: number) {
    this.start = start;
    this.end = start + BigInt(sizeBytes);
    this.#chunkCount = Math.floor(sizeBytes / CHUNK_BYTES);
    this.#uses = new Uint16Array(Math.min(FIRST_CHUNKS, this.#chunkCount));
  }

  get empty(): boolean {
    return this.#used === 0;
  }

  /** Address of the lowest run of free chunks that holds `sizeBytes`, or undefined. Takes nothing. */
  find(sizeBytes: number): bigint | undefined {
    const need = Math.ceil(sizeBytes / CHUNK_BYTES);
    const uses = this.#uses;
    let run = 0;
    for (let i = this.#firstFree; i < uses.length; i++) {
      run = uses[i] === 0 ? run + 1 : 0;
      if (run === need) return this.start + BigInt((i + 1 - need) * CHUNK_BYTES);
    }
    const first = uses.length - run;
    return first + need <= this.#chunkCount ? this.start + BigInt(first * CHUNK_BYTES) : undefined;
  }

  /** Counts every chunk of the pack that `[start, end)` touches up or down. */
  #count(start: bigint, end: bigint, by: 1 | -1): void {
    const from = Math.max(0, Number(start - this.start));
    const to = Math.min(Number(end - this.start), this.#chunkCount * CHUNK_BYTES);
    const first = Math.floor(from / CHUNK_BYTES);
    const last = Math.ceil(to / CHUNK_BYTES);
    if (last > this.#uses.length) this.#grow(last);
    for (let i = first; i < last; i++) {
      const before = this.#uses[i];
      this.#uses[i] = before + by;
      if (before === 0) this.#used++;
      else if (before + by === 0) this.#used--;
    }
    if (by < 0 && first < this.#firstFree) this.#firstFree = first;
    while (by > 0 && this.#firstFree < this.#uses.length && this.#uses[this.#firstFree] > 0) this.#firstFree++;
  }

  #grow(chunks: number): void {
    const grown = new Uint16Array(Math.min(this.#chunkCount, Math.max(chunks, 2 * this.#uses.length)));
    grown.set(this.#uses);
    this.#uses = grown;
  }

  take(start: bigint, end: bigint): void {
    this.#count(start, end, 1);
  }

  give(start: bigint, end: bigint): void {
    this.#count(start, end, -1);
  }
}
