/**
 * By slot of eight bytes from the frame's top down: 1 where anything else may touch it than accesses whose base is the frame pointer
 * and whose place is a constant. What is not listed is not touched so.
 */
export type FrameReach = Uint8Array;

const SLOT_LOG2 = 3;

/** A frame of so many bytes, by its slots as the verifier says; see `StackReach`. */
export function frameReach([lo, hi]: readonly [number, number], frameBytes: number): FrameReach {
  return Uint8Array.from({ length: frameBytes >> SLOT_LOG2 }, (_, n) => ((n < 32 ? lo : hi) >>> (n & 31)) & 1);
}

/** Bytes from `from` up to `end` of a frame, from its lowest one: 1 for those that may be reached goes into `bytes`. */
export function markReached(reach: FrameReach, bytes: Uint8Array, frameBytes: number, from: number): void {
  for (let n = 0; n < reach.length; n++) {
    const at = frameBytes - ((n + 1) << SLOT_LOG2);
    if (reach[n] !== 0) bytes.fill(1, Math.max(at, from, 0), Math.max(at + 8, from, 0));
  }
}

interface Framed {
  readonly frameBytes: number;
  readonly reach?: FrameReach | undefined;
}

/** Of a frame that nothing touches. */
export const emptyReach = (frameBytes: number): FrameReach => new Uint8Array(frameBytes >> SLOT_LOG2);

/** What a function touches, in a frame where its own begins `depth` bytes below the top. */
export function putReach(to: FrameReach, depth: number, { frameBytes, reach }: Framed): void {
  const slots = frameBytes >> SLOT_LOG2;
  const from = depth >> SLOT_LOG2;
  for (let n = 0; n < slots; n++) if (reach === undefined || reach[n] === 1) to[from + n] = 1;
}
