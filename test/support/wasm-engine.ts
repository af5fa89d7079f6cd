import {
  type Engine,
  type EngineHost,
  type EngineProgram,
  type Fault,
  interpEngine,
  type LoadedProgram,
  type RunOptions,
  type RunResult,
} from '../../src/engine/index.ts';
import {
  checkHelperArgs,
  type HelperDef,
  type HelperEnv,
  ProgramFault,
  ProgramThrow,
} from '../../src/helpers/index.ts';
import { MAX_BPF_STACK } from '../../src/isa/index.ts';
import { translateProgram, WASM_FAULTS, type WasmOptions } from '../../src/jit/index.ts';
import type { Region } from '../../src/mem/index.ts';
import { hi32, hiOfNumber, lo32, u64Of } from '../../src/util/index.ts';

// Translated programs behind the interface of engines, as plainly as can be: every call out of WebAssembly goes through one
// gate, arguments as BigInt. What checks results with it checks the translation.

type Main = (...args: bigint[]) => bigint;

const FRAMES = 8 * 34;
/** Programs of one machine share table, stack and what is running. */
interface Shared {
  readonly table: WebAssembly.Table;
  readonly stack: Region;
  readonly programs: WeakMap<LoadedProgram, WasmLoaded>;
}
const shared = new WeakMap<EngineHost, Shared>();

function sharedOf(host: EngineHost): Shared {
  let of = shared.get(host);
  if (of === undefined) {
    const { mem } = host.env;
    const sizeBytes = FRAMES * MAX_BPF_STACK;
    const start = mem.alloc(sizeBytes, 16);
    of = {
      // Addresses of functions are never 0.
      table: new WebAssembly.Table({ element: 'anyfunc', initial: 1 }),
      stack: mem.addRegion({ kind: 'stack', name: 'stack', start, sizeBytes }),
      programs: new WeakMap(),
    };
    shared.set(host, of);
  }
  return of;
}

class WasmLoaded implements LoadedProgram {
  readonly program: EngineProgram;
  readonly tableBase: number;
  readonly main: Main;
  readonly #host: EngineHost;
  readonly #globals: Record<string, WebAssembly.Global>;
  readonly #functionSlots: readonly number[];

  constructor(program: EngineProgram, host: EngineHost, options: WasmOptions) {
    this.program = program;
    this.#host = host;
    const { table, programs } = sharedOf(host);
    const entries = program.exceptionCallback === undefined ? [] : [program.exceptionCallback];
    const { bytes, functionSlots } = translateProgram(program.insns, { ...options, entries });
    this.#functionSlots = functionSlots;
    this.tableBase = table.grow(functionSlots.length);
    const { exports } = new WebAssembly.Instance(new WebAssembly.Module(bytes), {
      farcall: {
        memory: host.env.mem.wasm,
        table,
        tableBase: new WebAssembly.Global({ value: 'i32' }, this.tableBase),
        helper: (id: number, ...args: bigint[]) => this.#call(host.helper(id), `no helper has number ${id}`, args),
        kfunc: (btfId: number, fdIdx: number, ...args: bigint[]) =>
          this.#call(host.kfunc(btfId, fdIdx), `kernel function of BTF id ${btfId} is not there`, args),
        packet: (off: number, sizeBytes: 1 | 2 | 4) => {
          const value = host.packetLoad(off, sizeBytes);
          return value === undefined ? -1n : BigInt(value >>> 0);
        },
        tail: (map: number, index: number) => this.#tail(map >>> 0, index >>> 0),
        fault: (kind: number, slot: number) => {
          throw new ProgramFault(
            WASM_FAULTS[kind] === 'left-program' ? 'bad-instruction' : (WASM_FAULTS[kind] as 'too-deep'),
            `slot ${slot}`,
          );
        },
      },
    });
    this.main = exports.main as Main;
    this.#globals = exports as Record<string, WebAssembly.Global>;
    programs.set(this, this);
  }

  #call(def: HelperDef | undefined, missing: string, args: readonly bigint[]): bigint {
    if (def === undefined) throw new ProgramFault('bad-call', missing);
    const { env } = this.#host;
    const { regs } = env;
    args.forEach((value, i) => {
      regs[2 * i + 2] = lo32(value);
      regs[2 * i + 3] = hi32(value);
    });
    checkHelperArgs(env, def);
    const result = def.run(env, regs[2] >>> 0, regs[4] >>> 0, regs[6] >>> 0, regs[8] >>> 0, regs[10] >>> 0);
    if (def.proto.ret === 'RET_VOID') return 0n;
    return typeof result === 'number' ? u64Of(hiOfNumber(result), result | 0) : result;
  }

  #tail(map: number, index: number): number {
    const host = this.#host;
    if (host.env.mapAt(map) === undefined) throw new ProgramFault('bad-argument', 'bpf_tail_call: r2 is not a map');
    const target = host.tailCallTarget(map, index);
    const loaded = target === undefined ? undefined : sharedOf(host).programs.get(target);
    if (loaded === undefined) return -1;
    for (const name of ['sp', 'stackLimit', 'fuel', 'tailCalls']) loaded.set(name, this.get(name));
    return loaded.tableBase;
  }

  get(name: string): number {
    return this.#globals[name].value;
  }
  set(name: string, value: number): void {
    this.#globals[name].value = value;
  }

  /** What helpers call back: an element of the table. */
  #callFunc: HelperEnv['callFunc'] = (addr, ...args) => {
    const { table } = sharedOf(this.#host);
    const func = addr < table.length ? (table.get(addr) as Main | null) : null;
    if (func === null) throw new ProgramFault('bad-call', `callback 0x${addr.toString(16)} is not a function`);
    const saved = this.#host.env.regs.slice();
    const padded = Array.from({ length: 5 }, (_, i) => BigInt.asIntN(64, BigInt(args[i] ?? 0)));
    const result = func(...padded);
    this.#host.env.regs.set(saved);
    return lo32(BigInt.asUintN(64, result));
  };

  run(ctx: bigint, options: RunOptions = {}): RunResult {
    const { stack } = sharedOf(this.#host);
    this.set('sp', stack.end);
    this.set('stackLimit', stack.end - 8 * MAX_BPF_STACK);
    this.set('fuel', Math.min(options.insnBudget ?? 1_000_000, 0x7fffffff));
    this.set('tailCalls', 0);
    const previous = this.#host.setCallFunc(this.#callFunc);
    const counts = { insnCount: 0, probedReads: 0 };
    try {
      const r0 = this.#outcome(() => this.main(ctx, options.r2 ?? 0n, 0n, 0n, 0n));
      return { ok: true, r0: BigInt.asUintN(64, r0), ...counts };
    } catch (error) {
      return { ok: false, fault: this.#fault(error), ...counts };
    } finally {
      this.#host.setCallFunc(previous);
    }
  }

  /** The result; of a program that throws, its exception callback's. */
  #outcome(body: () => bigint): bigint {
    try {
      return body();
    } catch (error) {
      if (!(error instanceof ProgramThrow)) throw error;
      const slot = this.program.exceptionCallback;
      if (slot === undefined) return error.cookie;
      const { table, stack } = sharedOf(this.#host);
      this.set('sp', stack.end);
      const callback = table.get(this.tableBase + this.#functionSlots.indexOf(slot)) as Main;
      return callback(error.cookie, 0n, 0n, 0n, 0n);
    }
  }

  #fault(error: unknown): Fault {
    const trap = error instanceof WebAssembly.RuntimeError;
    if (!trap && !(error instanceof ProgramFault)) throw error;
    const kind = trap ? 'out-of-bounds' : error.kind;
    return { kind, prog: this.program.name, insnIdx: 0, message: error.message, regs: [], frames: [] };
  }

  free(): void {}
}

/** Runs programs translated to WebAssembly; by default as unproven ones. */
export function wasmEngine(options: WasmOptions = { unproven: true }): Engine {
  return {
    name: 'wasm',
    load: (program, host) => new WasmLoaded(program, host, options),
    callFunction: interpEngine.callFunction,
  };
}
