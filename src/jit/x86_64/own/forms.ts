import type { Room } from '../../room.ts';

/** What emissions of one function agreed on so far. Entries only grow, so that emitting again ends. */
export class Forms {
  /** By slot: its jump takes 32 bits. */
  readonly near: Uint8Array;
  /** By slot: its call or function address was once out of reach of 32 bits. */
  readonly far: Uint8Array;
  /** Callees out of reach that share a jump behind the code, by key. */
  readonly stubs = new Set<string>();

  constructor(slots: number, kept: Room) {
    this.near = kept.bytes(slots);
    this.far = kept.bytes(slots);
  }

  /** As if nothing had been emitted. */
  clear(): void {
    this.near.fill(0);
    this.far.fill(0);
    if (this.stubs.size > 0) this.stubs.clear();
  }
}
