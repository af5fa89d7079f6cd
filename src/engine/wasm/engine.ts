import { RUN_STATE } from '../../jit/index.ts';
import { DEFAULT_INSN_BUDGET, interpEngine } from '../interp/index.ts';
import type { Engine, EngineHost } from '../types.ts';
import type { LinkHelper } from './link-helpers.ts';
import { linkMapOps } from './link-map-ops.ts';
import { WasmLoaded } from './loaded.ts';
import { ModuleCache } from './module-cache.ts';
import { WasmMachine } from './shared-machine.ts';

export interface WasmEngineOptions {
  /** Compiled programs; default those of every engine made without one. */
  readonly cache?: ModuleCache;
  /** What verified programs call in place of JavaScript; default {@link linkMapOps}. */
  readonly linkHelper?: LinkHelper;
  /** Which code long programs run first: code that was written fast, or the code all runs have in the end. Default `quick`. */
  readonly firstRuns?: 'quick' | 'full';
}

const machines = new WeakMap<EngineHost, WasmMachine>();
const sharedCache = new ModuleCache();

/** Whether a machine's byte order is not WebAssembly's: nothing of it is compiled, and it gets no second stack. */
const isForeign = (host: EngineHost): boolean => !host.env.mem.littleEndian;

/** What programs of a host share, whichever engine has them. */
export function machineOf(host: EngineHost): WasmMachine {
  let machine = machines.get(host);
  if (machine === undefined) {
    machine = new WasmMachine(host);
    machines.set(host, machine);
  }
  return machine;
}

/**
 * Runs programs as WebAssembly, compiled when they first run. What the verifier proved is not checked again; a program that
 * nobody verified ends, as in the interpreter, in a result or a fault. What has no translation is interpreted: machines of
 * the other byte order, jumps to computed places, instructions that are none.
 *
 * Faults have no registers, and of the frames the innermost. Verified programs do not count instructions unless a run has a budget.
 */
export function wasmEngine(options: WasmEngineOptions = {}): Engine {
  const how = {
    cache: options.cache ?? sharedCache,
    linkHelper: options.linkHelper ?? linkMapOps,
    firstRuns: options.firstRuns,
  };
  return {
    name: 'wasm',
    load: (program, host) =>
      isForeign(host) ? interpEngine.load(program, host) : new WasmLoaded(program, machineOf(host), how),
    callFunction: (host, funcAddr, args) => {
      if (isForeign(host)) return interpEngine.callFunction(host, funcAddr, args);
      const machine = machineOf(host);
      const owner = machine.ownerOf(funcAddr);
      if (owner === undefined) return interpEngine.callFunction(host, funcAddr, args);
      return machine.during(machine.mode, DEFAULT_INSN_BUDGET, () => {
        machine.state.put(RUN_STATE.tailCalls, 0);
        return owner.outcome(DEFAULT_INSN_BUDGET, false, () => {
          machine.setArgs(args);
          machine.call(machine.functionAt(funcAddr));
        });
      });
    },
  };
}
