import { FarcallError, hex64 } from '../../util/index.ts';

/** What segments are aligned to: the largest page of the CPUs there are. */
export const PAGE_BYTES = 0x10000;
const PAGE = BigInt(PAGE_BYTES);

/** Bytes with an address. */
export interface Piece {
  readonly addr: bigint;
  readonly sizeBytes: number;
  readonly name: string;
}

/** Pieces that share pages, ascending. */
export interface Run<P extends Piece> {
  readonly pieces: readonly P[];
  /** Of the first piece's first byte; not aligned. */
  readonly start: bigint;
  readonly end: bigint;
}

export const endOf = (piece: Piece): bigint => piece.addr + BigInt(piece.sizeBytes);
export const pageStart = (addr: bigint): bigint => addr - (addr % PAGE);
export const pageEnd = (addr: bigint): bigint => pageStart(addr + PAGE - 1n);

/**
 * Groups pieces so that no two groups have a page in common. Throws `arg.exe` for pieces that overlap, lie below
 * `lowest` or reach past `highest`.
 */
export function runsOf<P extends Piece>(pieces: readonly P[], lowest: bigint, highest: bigint): Run<P>[] {
  const sorted = [...pieces].sort((a, b) => (a.addr < b.addr ? -1 : a.addr > b.addr ? 1 : 0));
  const groups: P[][] = [];
  let last: P | undefined;
  for (const piece of sorted) {
    if (piece.addr < lowest || endOf(piece) > highest) {
      throw new FarcallError({
        code: 'arg.exe',
        message: `${piece.name} lies where a process has no memory of its own`,
        expected: `${hex64(lowest)}..${hex64(highest)}`,
        found: hex64(piece.addr),
      });
    }
    if (last !== undefined && piece.addr < endOf(last)) {
      throw new FarcallError({
        code: 'arg.exe',
        message: `${piece.name} overlaps ${last.name}`,
        expected: `an address from ${hex64(endOf(last))} on`,
        found: hex64(piece.addr),
      });
    }
    if (last === undefined || pageStart(piece.addr) >= pageEnd(endOf(last))) groups.push([piece]);
    else groups[groups.length - 1].push(piece);
    last = piece;
  }
  return groups.map(group => ({ pieces: group, start: group[0].addr, end: endOf(group[group.length - 1]) }));
}

/** The bytes from a run's start to its end, zero between pieces. */
export function runBytes<P extends Piece & { readonly bytes: Uint8Array }>(run: Run<P>): Uint8Array {
  const bytes = new Uint8Array(Number(run.end - run.start));
  for (const piece of run.pieces) bytes.set(piece.bytes, Number(piece.addr - run.start));
  return bytes;
}
