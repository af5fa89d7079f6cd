/** What emissions of one function agreed on so far. Entries only grow, so that emitting again ends. */
export class Forms {
  /** By slot: its jump takes 32 bits. */
  readonly near: Uint8Array;
  /** By slot: its call or function address was once out of reach of 32 bits. */
  readonly far: Uint8Array;
  /** Callees out of reach that share a jump behind the code, by key. */
  readonly stubs = new Set<string>();

  constructor(slots: number) {
    this.near = new Uint8Array(slots);
    this.far = new Uint8Array(slots);
  }
}
