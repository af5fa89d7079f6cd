/** Where a machine's time comes from. */
export interface Clock {
  /** ns since boot, without time asleep; never goes back. */
  monotonicNs(): bigint;
  /** ns since 1970. */
  realtimeNs(): bigint;
}

/** Uptime of a deterministic machine at its first reading. */
const START_NS = 1_000_000_000_000n;
/** 2025-01-01 00:00:00 UTC: when a deterministic machine booted. */
const BOOT_NS = 1_735_689_600_000_000_000n;

/**
 * Time that repeats: each reading is `stepNs` after the one before, so two runs of the same program see the same times.
 */
export class StepClock implements Clock {
  #now: bigint;
  readonly #step: bigint;

  constructor(startNs = START_NS, stepNs = 1000n) {
    this.#now = startNs;
    this.#step = stepNs;
  }

  monotonicNs(): bigint {
    this.#now += this.#step;
    return this.#now;
  }
  realtimeNs(): bigint {
    return BOOT_NS + this.monotonicNs();
  }
  /** Lets time pass. */
  advance(ns: bigint): void {
    this.#now += ns;
  }
}

/** The host's own time. */
export class HostClock implements Clock {
  #offset = 0n;

  monotonicNs(): bigint {
    return BigInt(Math.floor(performance.now() * 1e6)) + this.#offset;
  }
  realtimeNs(): bigint {
    return BigInt(Date.now()) * 1_000_000n + this.#offset;
  }
  advance(ns: bigint): void {
    this.#offset += ns;
  }
}
