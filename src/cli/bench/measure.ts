import type { Fault } from '../../engine/index.ts';
import type { PacketBatch } from '../../machine/index.ts';
import { InternalError } from '../../util/index.ts';
import type { RunPlan } from '../run/plan.ts';

/** Times of something, in ns, smallest first. */
export class Samples {
  readonly #ns: number[] = [];

  add(ns: number): void {
    this.#ns.push(ns);
  }
  get count(): number {
    return this.#ns.length;
  }
  #sorted(): readonly number[] {
    return this.#ns.sort((a, b) => a - b);
  }
  get median(): number {
    return this.#sorted()[this.#ns.length >> 1];
  }
  get least(): number {
    return this.#sorted()[0];
  }
  get most(): number {
    return this.#sorted()[this.#ns.length - 1];
  }
}

/** How long measuring goes on. */
export interface Effort {
  readonly rounds: number;
  /** What a sample should take at least. */
  readonly sampleMs: number;
  /** Milliseconds on a clock. */
  now(): number;
}

/** Most runs of one sample. */
const MOST_RUNS = 1 << 28;

/** One engine's program, ready to be run in rounds that take turns with others'. */
export class EngineBench {
  readonly name: string;
  /** A run on a context laid out before, and a packet with its context made anew. */
  readonly run = new Samples();
  readonly packet = new Samples();
  readonly #plan: RunPlan;
  readonly #effort: Effort;
  readonly #packets: readonly (Uint8Array | undefined)[];
  /** Runs a sample has on each packet, and how often all packets go through. */
  #repeat = 1;
  #passes = 1;
  #calibrated = false;
  #ran = 0;
  fault: Fault | undefined;

  constructor(name: string, plan: RunPlan, packets: readonly (Uint8Array | undefined)[], effort: Effort) {
    this.name = name;
    this.#plan = plan;
    this.#packets = packets;
    this.#effort = effort;
  }

  /** Runs on all packets, each `repeat` times; milliseconds. */
  #runs(repeat: number): number {
    const { session, request } = this.#plan;
    let ms = 0;
    for (const dataIn of this.#packets) {
      const from = this.#effort.now();
      const result = session.machine.run(session.program, { ...request, dataIn, repeat, countInsns: false });
      ms += this.#effort.now() - from;
      this.fault ??= result.fault;
      // What the run printed and sent is nobody's concern.
      session.machine.readTrace();
      session.machine.readEvents();
    }
    return ms;
  }

  #batch(): PacketBatch | undefined {
    const { machine, program } = this.#plan.session;
    const packets = this.#packets.filter(bytes => bytes !== undefined);
    return packets.length === 0 || this.#plan.ctxIn !== undefined ? undefined : machine.openBatch(program, packets);
  }

  /** All packets, `passes` times, each with a context of its own; milliseconds. */
  #packetPasses(passes: number): number {
    const batch = this.#batch();
    const from = this.#effort.now();
    if (batch === undefined) {
      for (let pass = 0; pass < passes; pass++) this.#runs(1);
      return this.#effort.now() - from;
    }
    for (let pass = 0; pass < passes; pass++) this.fault ??= batch.runAll();
    const ms = this.#effort.now() - from;
    batch.close();
    return ms;
  }

  /** Doubles `count` until `measure` takes long enough. */
  #calibrate(measure: (count: number) => number): number {
    let count = 1;
    while (this.fault === undefined && count < MOST_RUNS) {
      const ms = measure(count);
      this.#ran++;
      if (ms >= this.#effort.sampleMs || this.#ran > CALIBRATIONS) break;
      count *= ms < this.#effort.sampleMs / 16 ? 8 : 2;
    }
    return count;
  }

  /** One sample of each kind. The first call also finds out how many runs make a sample. */
  round(): void {
    if (!this.#calibrated) {
      this.#calibrated = true;
      this.#repeat = this.#calibrate(count => this.#runs(count));
      this.#ran = 0;
      if (this.hasPackets) this.#passes = this.#calibrate(count => this.#packetPasses(count));
    }
    if (this.fault !== undefined) return;
    const per = this.#packets.length;
    if (per === 0) throw new InternalError('nothing to measure');
    this.run.add((this.#runs(this.#repeat) * 1e6) / (this.#repeat * per));
    if (this.hasPackets) this.packet.add((this.#packetPasses(this.#passes) * 1e6) / (this.#passes * per));
  }

  get hasPackets(): boolean {
    return this.#packets[0] !== undefined;
  }
}

/** Calibration ends even where the clock stands still. */
const CALIBRATIONS = 40;
