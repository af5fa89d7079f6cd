import { RUN_STATE } from '../../jit/index.ts';
import { u64Of } from '../../util/index.ts';
import type { Fault, PacketWays, ProgramRunner } from '../types.ts';
import type { Exports } from './exports.ts';
import type { WasmMachine } from './shared-machine.ts';

/** What a runner is made of. */
export interface RunnerParts {
  readonly machine: WasmMachine;
  readonly exports: Exports;
  readonly ctxAddr: number;
  /** Whether contexts of packets may be made in compiled code. */
  readonly packets: boolean;
  /** No run can end in a fault: callers get the exports themselves, which costs a call less each time. */
  readonly faultless: boolean;
  /** Instructions a run may take, where the code counts them. */
  readonly budget: number | undefined;
  /** What an exception that ended a run means: the fault, or undefined when an exception callback left a result. */
  readonly caught: (error: unknown) => Fault | undefined;
  readonly close: () => void;
}

/** A program between `open` and `close`: its exports, called with nothing in between but what faults and counting need. */
export class WasmRunner implements ProgramRunner {
  fault: Fault | undefined;
  readonly ready: ProgramRunner['ready'];
  readonly packet: ProgramRunner['packet'];
  readonly batch: ProgramRunner['batch'];
  readonly over: ProgramRunner['over'];
  readonly #parts: RunnerParts;
  /** Runs that were counted here. */
  #counted: number | undefined;

  constructor(parts: RunnerParts) {
    this.#parts = parts;
    const { machine, exports, ctxAddr, faultless } = parts;
    machine.state.put(RUN_STATE.ctx, ctxAddr);
    this.ready = faultless ? exports.ready : () => this.#one(exports.ready, 0, 0);
    const { packet, nth, batch, all } = exports;
    if (!parts.packets || parts.budget !== undefined) return;
    if (packet === undefined || nth === undefined || batch === undefined || all === undefined) return;
    this.packet = faultless ? packet : (data, sizeBytes) => this.#one(packet, data, sizeBytes);
    const many = (list: number, count: number, verdicts: number): void => {
      this.#begin();
      this.#counted = undefined;
      try {
        batch(list, count, verdicts);
      } catch (error) {
        this.#caught(error);
      }
    };
    this.batch = faultless ? batch : many;
    this.over = (list, count, verdicts): PacketWays => {
      const { state } = machine;
      state.put(RUN_STATE.list, list);
      state.put(RUN_STATE.count, count);
      state.put(RUN_STATE.verdicts, verdicts);
      if (faultless) return { nth, all };
      return { nth: index => this.#one(nth, index, 0), all: () => many(list, count, verdicts) };
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
    return this.#one(this.#parts.exports.run, ctx, 0);
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
