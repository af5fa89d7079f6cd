import { filled, type Room } from '../../room.ts';

/** What emissions of one function agreed on so far. Entries only grow, so that emitting again ends. */
export class Forms {
  /** By slot: its jump takes 32 bits. */
  readonly near: Uint8Array;
  /** By slot: its call or function address was once out of reach of 32 bits. */
  readonly far: Uint8Array;
  /** Callees out of reach that share a jump behind the code, by key. */
  stubs: Set<string> | undefined;

  constructor(slots: number, kept: Room) {
    this.near = kept.bytes(slots);
    this.far = kept.bytes(slots);
  }

  /** As if nothing had been emitted. */
  clear(): void {
    filled(this.near, 0);
    filled(this.far, 0);
    this.stubs = undefined;
  }
}
