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

  constructor(slots: number) {
    const bytes = new Uint8Array(2 * slots);
    this.far = bytes.subarray(0, slots);
    this.words = bytes.subarray(slots);
  }
}
