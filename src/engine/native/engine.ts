import type { LinearProgram } from '../../jit/index.ts';
import { CodeCache } from '../code-cache.ts';
import type { Engine, EngineHost } from '../types.ts';
import { machineOf, wasmEngine } from '../wasm/engine.ts';
import type { LinkHelper } from '../wasm/link-helpers.ts';
import { linkMapOps } from '../wasm/link-map-ops.ts';
import { ModuleCache } from '../wasm/module-cache.ts';
import type { AddonOptions } from './addon.ts';
import { NativeLoaded, type Unverified } from './loaded.ts';
import { NativeHost } from './native-host.ts';
import { NativeMachine } from './native-machine.ts';

export interface NativeEngineOptions {
  /**
   * What becomes of programs that were not verified: `refuse` (the default) throws `run.native-unverified` when one runs, `wasm`
   * runs them in WebAssembly with every access checked, and `dangerous` runs them as they are: such a program may loop for ever,
   * and may change all of the machine's memory. What it does outside of that the CPU stops, as a fault.
   */
  readonly unverified?: Unverified;
  readonly addon?: AddonOptions;
  /** Compiled programs; default those of every engine made without one. */
  readonly cache?: CodeCache<LinearProgram>;
  /** What programs call in place of JavaScript; default what maps do. */
  readonly linkHelper?: LinkHelper;
}

/** An addon, and machines with programs in its code: they jump to one another's, whichever engine loaded them. */
interface Native {
  readonly native: NativeHost;
  readonly machines: WeakMap<EngineHost, NativeMachine>;
}

const loadNative = (addon?: AddonOptions): Native => ({ native: new NativeHost(addon), machines: new WeakMap() });

/** One addon a thread: it is never unloaded. */
const shared: { native: Native | undefined; readonly cache: CodeCache<LinearProgram> } = {
  native: undefined,
  cache: new CodeCache(),
};

/**
 * Runs verified programs in code of the host's own CPU: Linux on x86-64 and arm64, no compiler, no addon to install. Code works in the machine's
 * linear memory at its real address. Programs that may reach pointers to kernel objects, and runs with a budget, are
 * WebAssembly's.
 *
 * Throws `run.native-host` where programs do not run natively, `run.native-load` where code cannot be loaded.
 */
export function nativeEngine(options: NativeEngineOptions = {}): Engine {
  const { addon } = options;
  const { native, machines } = addon === undefined ? (shared.native ??= loadNative()) : loadNative(addon);
  const how = {
    cache: new ModuleCache(),
    nativeCache: options.cache ?? shared.cache,
    linkHelper: options.linkHelper ?? linkMapOps,
  };
  return {
    name: 'native',
    load(program, host) {
      let machine = machines.get(host);
      if (machine === undefined) {
        machine = new NativeMachine(host, machineOf(host), native);
        machines.set(host, machine);
      }
      return new NativeLoaded(program, machine, how, options.unverified ?? 'refuse');
    },
    callFunction: (host, funcAddr, args) => wasmEngine().callFunction(host, funcAddr, args),
  };
}
