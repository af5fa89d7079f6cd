/** No entry. */
export const NO_ENTRY = -1;

/**
 * Where paths went and what going back needs to know of it (`struct bpf_insn_hist_entry`), one entry after the other. A path's
 * entries end where its state says; what lies behind belonged to paths that are over.
 */
export class InsnHistory {
  idx: Int32Array = new Int32Array(64);
  prevIdx: Int32Array = new Int32Array(64);
  /** `INSN_F_*` */
  flags: Int32Array = new Int32Array(64);
  /** Registers and slots linked when a jump was taken. */
  readonly linkedRegs: (readonly number[] | undefined)[] = [];

  /** Writes entry `at`, at most one behind the last there ever was. */
  set(at: number, idx: number, prevIdx: number, flags: number, linkedRegs: readonly number[] | undefined): void {
    if (at === this.idx.length) this.#grow();
    this.idx[at] = idx;
    this.prevIdx[at] = prevIdx;
    this.flags[at] = flags;
    this.linkedRegs[at] = linkedRegs;
  }

  #grow(): void {
    const twice = (from: Int32Array): Int32Array => {
      const to = new Int32Array(2 * from.length);
      to.set(from);
      return to;
    };
    this.idx = twice(this.idx);
    this.prevIdx = twice(this.prevIdx);
    this.flags = twice(this.flags);
  }
}
