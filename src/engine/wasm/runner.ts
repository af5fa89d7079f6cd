import { RUN_STATE } from '../../jit/index.ts';
import { u64Of } from '../../util/index.ts';
import type { Fault, ProgramRunner } from '../types.ts';
import type { Exports } from './exports.ts';
import type { WasmMachine } from './shared-machine.ts';

/** What a runner is made of. */
export interface RunnerParts {
  readonly machine: WasmMachine;
  readonly exports: Exports;
  /** Whether contexts of packets may be made in compiled code. */
  readonly packets: boolean;
  /** Instructions a run may take, where the code counts them. */
  readonly budget: number | undefined;
  /** What an exception that ended a run means: the fault, or undefined when an exception callback left a result. */
  readonly caught: (error: unknown) => Fault | undefined;
  readonly close: () => void;
}

/** A program between `open` and `close`: its exports, called with nothing in between but what counting needs. */
export class WasmRunner implements ProgramRunner {
  fault: Fault | undefined;
  readonly packet: ProgramRunner['packet'];
  readonly batch: ProgramRunner['batch'];
  readonly #parts: RunnerParts;
  readonly #run: Exports['run'];
  /** Runs that were counted here. */
  #counted: number | undefined;

  constructor(parts: RunnerParts) {
    this.#parts = parts;
    this.#run = parts.exports.run;
    const { packet, batch } = parts.exports;
    if (!parts.packets || parts.budget !== undefined || packet === undefined || batch === undefined) return;
    this.packet = (data, sizeBytes) => this.#one(packet, data, sizeBytes);
    this.batch = (list, count, verdicts) => {
      this.#begin();
      this.#counted = undefined;
      try {
        batch(list, count, verdicts);
      } catch (error) {
        this.#caught(error);
      }
    };
  }

  get done(): number {
    return this.#counted ?? this.#parts.machine.state.get(RUN_STATE.done);
  }
  get probedReads(): number {
    return this.#parts.machine.state.get(RUN_STATE.probedReads) >>> 0;
  }
  get r0(): bigint {
    const { state } = this.#parts.machine;
    return u64Of(state.get(RUN_STATE.regs + 4), state.get(RUN_STATE.regs));
  }

  run(ctx: number): number {
    return this.#one(this.#run, ctx, 0);
  }
  repeat(ctx: number, count: number): number {
    this.#counted = undefined;
    if (this.#parts.budget !== undefined) return this.#countedRepeat(ctx, count);
    return this.#one(this.#parts.exports.repeat, ctx, count);
  }
  /** Each run has a budget of its own. */
  #countedRepeat(ctx: number, count: number): number {
    let last = 0;
    for (let done = 0; done < count; done++) {
      this.#counted = done;
      last = this.run(ctx);
      if (this.fault !== undefined) return last;
    }
    this.#counted = count;
    return last;
  }
  close(): void {
    this.#parts.close();
  }

  #one(entry: (a: number, b: number) => number, a: number, b: number): number {
    this.#begin();
    try {
      return entry(a, b);
    } catch (error) {
      return this.#caught(error);
    }
  }

  #begin(): void {
    this.fault = undefined;
    const { budget, machine } = this.#parts;
    if (budget !== undefined) machine.setFuel(budget);
  }

  #caught(error: unknown): number {
    const { caught, machine } = this.#parts;
    this.fault = caught(error);
    machine.reset();
    return this.fault === undefined ? machine.state.get(RUN_STATE.regs) : 0;
  }
}
