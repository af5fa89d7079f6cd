import { RUN_STATE } from '../../jit/index.ts';
import type { EngineHost } from '../types.ts';
import type { WasmMachine } from '../wasm/shared-machine.ts';
import type { NativeHost } from './native-host.ts';

/** What programs of one machine share beside what they share in WebAssembly. */
export class NativeMachine {
  readonly host: EngineHost;
  readonly wasm: WasmMachine;
  readonly native: NativeHost;
  /** Addresses of functions that callbacks reach, by their index in the table. */
  readonly functions = new Map<number, bigint>();
  readonly #halves = new Int32Array(10);

  constructor(host: EngineHost, wasm: WasmMachine, native: NativeHost) {
    this.host = host;
    this.wasm = wasm;
    this.native = native;
    if (!host.env.mem.shared) native.begin(host.env.mem);
    wasm.callNatively = index => this.#call(index);
  }

  #call(index: number): number | undefined {
    // Runs that count do so in WebAssembly.
    const address = this.wasm.mode.counted ? undefined : this.functions.get(index);
    if (address === undefined) return undefined;
    const { state } = this.wasm;
    const halves = this.#halves;
    for (let k = 0; k < 10; k++) halves[k] = state.get(RUN_STATE.regs + 8 + 4 * k);
    const end = this.native.use(this.host.env.mem);
    try {
      const found = this.native.callFunction(address, halves);
      const [lo, hi] = found;
      state.put64(RUN_STATE.regs, hi, lo);
      return lo;
    } finally {
      end();
    }
  }
}
