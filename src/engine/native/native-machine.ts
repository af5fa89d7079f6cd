import { RUN_STATE } from '../../jit/index.ts';
import type { LinearMemory } from '../../mem/index.ts';
import type { EngineHost } from '../types.ts';
import type { WasmMachine } from '../wasm/shared-machine.ts';
import type { NativeGate, NativeHost, NativeUser } from './native-host.ts';

/** What programs of one machine share beside what they share in WebAssembly. */
export class NativeMachine implements NativeUser {
  readonly host: EngineHost;
  readonly wasm: WasmMachine;
  readonly native: NativeHost;
  readonly mem: LinearMemory;
  readonly gates: (NativeGate | undefined)[] = [];
  /** Addresses of functions that callbacks reach, by their index in the table. */
  readonly functions = new Map<number, bigint>();
  readonly #halves = new Int32Array(10);

  constructor(host: EngineHost, wasm: WasmMachine, native: NativeHost) {
    this.host = host;
    this.wasm = wasm;
    this.native = native;
    this.mem = host.env.mem;
    if (!host.env.mem.shared) native.begin(host.env.mem);
    wasm.callNatively = index => this.#call(index);
  }

  /** Numbers for gates of a program: the first of them. */
  addGates(gates: readonly NativeGate[]): number {
    return this.gates.push(...gates) - gates.length;
  }
  dropGates(first: number, count: number): void {
    this.gates.fill(undefined, first, first + count);
  }

  #call(index: number): number | undefined {
    // Runs that count do so in WebAssembly.
    const address = this.wasm.mode.counted ? undefined : this.functions.get(index);
    if (address === undefined) return undefined;
    const { state } = this.wasm;
    const halves = this.#halves;
    for (let k = 0; k < 10; k++) halves[k] = state.get(RUN_STATE.regs + 8 + 4 * k);
    const [lo, hi] = this.native.callFunction(this, address, halves);
    state.put64(RUN_STATE.regs, hi, lo);
    return lo;
  }
}
