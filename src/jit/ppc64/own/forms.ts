import { filled, type Room } from '../../room.ts';
import type { Target } from './targets.ts';

/**
 * What one emission has to tell the next: forms only grow, so that emitting again until nothing changes comes to an end.
 */
export class Forms {
  /** r2 is loaded. */
  toc = false;
  /** By slot: its conditional branch did not reach once. */
  readonly far: Uint8Array;
  /** By slot: words its call or address took last time; a shorter one is filled up with nops. */
  readonly words: Uint8Array;
  /** Subprogs that `bl` did not reach once. */
  readonly unreached = new Set<number>();
  /** How many those were when r2 and the stubs were decided on; −1 before. */
  chosenFor = -1;
  /** Callees called through stubs, in the order they stand. */
  stubGroups: readonly (readonly Target[])[] = [];
  /** Words of a stub last time, by its key. */
  readonly stubWords = new Map<string, number>();

  /** @param kept where what is told of slots lives */
  constructor(slots: number, kept: Room) {
    this.far = kept.bytes(slots);
    this.words = kept.bytes(slots);
  }

  /** As if nothing had been emitted. */
  clear(): void {
    this.toc = false;
    filled(this.far, 0);
    filled(this.words, 0);
    if (this.unreached.size > 0) this.unreached.clear();
    this.chosenFor = -1;
    this.stubGroups = [];
    if (this.stubWords.size > 0) this.stubWords.clear();
  }
}
