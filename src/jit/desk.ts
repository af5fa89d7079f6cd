import type { ByteOrder } from '../util/index.ts';
import { CodeBuffer } from './code-buffer.ts';
import { Room } from './room.ts';

/** Rooms that wait for the next function. */
const MOST_SPARE = 8;

/**
 * What functions are compiled on, one after the other, whatever the target: memory whose content no pass and no emission
 * leaves to the next. Arrays of its own would cost a function of a hundred instructions as much as its code.
 */
export class Desk {
  /** Cleared by whoever begins a pass or an emission. */
  readonly room = new Room();
  readonly #little = new CodeBuffer('little', 0, 0);
  readonly #big = new CodeBuffer('big', 0, 0);
  /** Given back, the last on top. */
  readonly #spare: Room[] = [];

  /** Nobody else's from the emission's beginning to its end. */
  buffer(order: ByteOrder): CodeBuffer {
    return order === 'little' ? this.#little : this.#big;
  }

  /** An empty room for somebody to keep until {@link giveBack}, or for good. */
  lend(): Room {
    const room = this.#spare.pop() ?? new Room();
    room.clear();
    return room;
  }

  /** Takes back what was lent: arrays in it are nobody's any more. */
  giveBack(room: Room): void {
    if (this.#spare.length < MOST_SPARE) this.#spare.push(room);
    // What is too large to wait is dropped now.
    room.clear();
  }
}

/** The one desk: passes and emissions run to their end, so no two are on it at the same time. */
export const DESK = new Desk();
