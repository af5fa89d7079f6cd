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

  addrOf(chunk: number): bigint {
    return this.start + BigInt(chunk * CHUNK_BYTES);
  }

  /** First chunk of the lowest run of free ones that holds `sizeBytes`, or -1. Takes nothing. */
  find(sizeBytes: number): number {
    const need = Math.ceil(sizeBytes / CHUNK_BYTES);
    const uses = this.#uses;
    let run = 0;
    for (let i = this.#firstFree; i < uses.length; i++) {
      run = uses[i] === 0 ? run + 1 : 0;
      if (run === need) return i + 1 - need;
    }
    const first = uses.length - run;
    return first + need <= this.#chunkCount ? first : -1;
  }

  /** Chunks from `first` up to `end` have one user more, or less. */
  count(first: number, end: number, by: 1 | -1): void {
    if (end > this.#uses.length) this.#grow(end);
    const uses = this.#uses;
    for (let i = first; i < end; i++) {
      const before = uses[i];
      uses[i] = before + by;
      if (before === 0) this.#used++;
      else if (before + by === 0) this.#used--;
    }
    if (by < 0 && first < this.#firstFree) this.#firstFree = first;
    while (by > 0 && this.#firstFree < uses.length && uses[this.#firstFree] > 0) this.#firstFree++;
  }

  #grow(chunks: number): void {
    const grown = new Uint16Array(Math.min(this.#chunkCount, Math.max(chunks, 2 * this.#uses.length)));
    grown.set(this.#uses);
    this.#uses = grown;
  }

  /** Every chunk that a range of addresses touches has one user more, or less. */
  countRange({ start, end }: AddressRange, by: 1 | -1): void {
    if (start >= this.end || end <= this.start) return;
    const first = Math.floor(Math.max(0, Number(start - this.start)) / CHUNK_BYTES);
    const last = Math.ceil(Number(end - this.start) / CHUNK_BYTES);
    this.count(first, Math.min(last, this.#chunkCount), by);
  }
}
