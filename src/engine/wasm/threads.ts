import { ProgramFault } from '../../helpers/index.ts';
import { helperImport, RUN_STATE, WASM_FAULTS, WASM_IMPORTS } from '../../jit/index.ts';
import { MAP_GATES } from '../../maps/index.ts';
import type { LoadedProgram } from '../types.ts';
import type { Exports } from './exports.ts';
import { WasmLoaded } from './loaded.ts';

/** A program's code for another thread. Can be posted to it. */
export interface SharedModule {
  readonly module: WebAssembly.Module;
  readonly memory: WebAssembly.Memory;
  /** Where the thread's runs have their state. */
  readonly stateAddr: number;
}

/** What a thread calls. Addresses are offsets into the memory; exceptions are what ended a run. */
export interface ThreadProgram {
  readonly run: (ctx: number, r2: number) => number;
  readonly repeat: (ctx: number, count: number) => number;
  readonly packet: ((data: number, sizeBytes: number) => number) | undefined;
  readonly batch: ((list: number, count: number, verdicts: number) => void) | undefined;
  /** A word of the run's state; offsets of `RUN_STATE`. */
  get(offBytes: number): number;
  put(offBytes: number, value: number): void;
}

/**
 * The code of a program for a thread whose runs have their state at `stateAddr`. undefined for programs that need their machine:
 * helpers in JavaScript, tail calls, addresses of functions, checks of accesses, packet loads.
 */
export function shareModule(
  loaded: LoadedProgram,
  memory: WebAssembly.Memory,
  stateAddr: number,
): SharedModule | undefined {
  const module = loaded instanceof WasmLoaded ? loaded.sharedModule(stateAddr) : undefined;
  return module === undefined ? undefined : { module, memory, stateAddr };
}

/** Makes the code ready in the thread it was posted to. Pools of shared maps never grow, and fields that die are nobody's here. */
export function attachModule({ module, memory, stateAddr }: SharedModule): ThreadProgram {
  const at = stateAddr >> 2;
  const words = (): Int32Array => new Int32Array(memory.buffer, 0, (stateAddr + RUN_STATE.sizeBytes) >> 2);
  const never = (): never => {
    throw new ProgramFault('bad-call', 'a thread called what only the machine has');
  };
  const imports: Record<string, WebAssembly.ImportValue> = {
    memory,
    table: new WebAssembly.Table({ element: 'anyfunc', initial: TABLE_ELEMENTS }),
    tableBase: new WebAssembly.Global({ value: 'i32' }, 0),
    callx: never,
    packet: never,
    tail: never,
    access: never,
    fault: (kind: number) => {
      throw new ProgramFault(
        WASM_FAULTS[kind] === 'step-budget' ? 'step-budget' : 'bad-instruction',
        WASM_FAULTS[kind],
      );
    },
  };
  const state = words();
  for (const id of Object.values(MAP_GATES)) {
    imports[helperImport(id)] = () => {
      state[at + (RUN_STATE.regs >> 2)] = 0;
      state[at + (RUN_STATE.regs >> 2) + 1] = 0;
    };
  }
  const exports = new WebAssembly.Instance(module, { [WASM_IMPORTS]: imports }).exports as unknown as Exports;
  return {
    run: exports.run,
    repeat: exports.repeat,
    packet: exports.packet,
    batch: exports.batch,
    get: off => state[at + (off >> 2)],
    put: (off, value) => {
      state[at + (off >> 2)] = value;
    },
  };
}

/** More than a program has functions (`include/linux/bpf_verifier.h: BPF_MAX_SUBPROGS`), operations of maps included. */
const TABLE_ELEMENTS = 1024;
