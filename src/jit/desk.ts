import type { ByteOrder } from '../util/index.ts';
import { CodeBuffer } from './code-buffer.ts';
import { Room } from './room.ts';

/** Rooms that wait for the next function, and how large all but one of them are. */
const MOST_SPARE = 8;
const SMALL_BYTES = 1 << 16;
/** What functions keep of a slot, about. */
const SLOT_BYTES = 32;

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
  #large: Room | undefined;

  /** Nobody else's from the emission's beginning to its end. */
  buffer(order: ByteOrder): CodeBuffer {
    return order === 'little' ? this.#little : this.#big;
  }

  /**
   * An empty room for somebody to keep until {@link giveBack}, or for good.
   *
   * @param slots of the function it is for
   */
  lend(slots: number): Room {
    let room: Room | undefined;
    if (slots * SLOT_BYTES <= SMALL_BYTES) room = this.#spare.pop();
    else {
      room = this.#large;
      this.#large = undefined;
    }
    return room ?? new Room();
  }

  /** Takes back what was lent: arrays in it are nobody's any more. */
  giveBack(room: Room): void {
    // Drops what is too large to wait.
    room.clear();
    if (room.sizeBytes > SMALL_BYTES) this.#large = room;
    else if (this.#spare.length < MOST_SPARE) this.#spare.push(room);
  }
}

/** The one desk: passes and emissions run to their end, so no two are on it at the same time. */
export const DESK = new Desk();
