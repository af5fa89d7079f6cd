import { RUN_STATE } from '../../jit/index.ts';
import { u64Of } from '../../util/index.ts';
import { DEFAULT_INSN_BUDGET } from '../interp/index.ts';
import type { Fault, PacketWays, ProgramRunner } from '../types.ts';
import type { WasmLoaded } from '../wasm/loaded.ts';
import type { WasmMachine } from '../wasm/shared-machine.ts';
import type { NativeCode } from './loaded.ts';

export interface NativeRunnerParts {
  readonly machine: WasmMachine;
  readonly loaded: WasmLoaded;
  readonly code: NativeCode;
  readonly ctxAddr: number;
  /** Contexts of packets may be made in native code. */
  readonly packets: boolean;
  readonly close: () => void;
}

/** A program between `open` and `close`. */
export class NativeRunner implements ProgramRunner {
  fault: Fault | undefined;
  readonly packet: ProgramRunner['packet'];
  readonly batch: ProgramRunner['batch'];
  readonly ready: ProgramRunner['ready'];
  readonly over: ProgramRunner['over'];
  readonly #machine: WasmMachine;
  readonly #loaded: WasmLoaded;
  readonly #run: NativeCode['run'];
  readonly #repeat: NativeCode['repeat'];
  readonly #close: () => void;

  constructor(parts: NativeRunnerParts) {
    const { machine, loaded, code, ctxAddr, packets, close } = parts;
    this.#machine = machine;
    this.#loaded = loaded;
    this.#run = code.run;
    this.#repeat = code.repeat;
    this.#close = close;
    machine.state.put(RUN_STATE.ctx, ctxAddr);
    const { run, packet, batch } = code;
    this.ready = () => this.#one(run, ctxAddr, 0);
    if (!packets || packet === undefined || batch === undefined) return;
    this.packet = (data, sizeBytes) => this.#one(packet, data, sizeBytes);
    const many = (list: number, count: number, verdicts: number): void => {
      this.fault = undefined;
      try {
        batch(list, count, verdicts);
      } catch (error) {
        this.#caught(error);
      }
    };
    this.batch = many;
    this.over = (list, count, verdicts): PacketWays => {
      const { i32 } = machine.host.env.mem;
      return {
        nth: index => {
          const at = (list >> 2) + 2 * index;
          return index >= 0 && index < count ? this.#one(packet, i32[at], i32[at + 1]) : 0;
        },
        all: () => many(list, count, verdicts),
      };
    };
  }

  get done(): number {
    return this.#machine.state.get(RUN_STATE.done);
  }
  get probedReads(): number {
    return this.#machine.state.get(RUN_STATE.probedReads) >>> 0;
  }
  get r0(): bigint {
    const { state } = this.#machine;
    return u64Of(state.get(RUN_STATE.regs + 4), state.get(RUN_STATE.regs));
  }

  run(ctx: number): number {
    return this.#one(this.#run, ctx, 0);
  }
  repeat(ctx: number, count: number): number {
    return this.#one(this.#repeat, ctx, count);
  }
  close(): void {
    this.#close();
  }

  #one(entry: (a: number, b: number) => number, a: number, b: number): number {
    if (this.fault !== undefined) this.fault = undefined;
    try {
      return entry(a, b);
    } catch (error) {
      return this.#caught(error);
    }
  }

  #caught(error: unknown): number {
    const machine = this.#machine;
    const result = this.#loaded.outcome(DEFAULT_INSN_BUDGET, false, () => {
      throw error;
    });
    this.fault = result.ok ? undefined : result.fault;
    machine.reset();
    return this.fault === undefined ? machine.state.get(RUN_STATE.regs) : 0;
  }
}
