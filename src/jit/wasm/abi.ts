import type { Code } from './code.ts';
import type { ModuleWriter } from './module-writer.ts';
import { I32, I32_LOAD, I32_STORE, I64, I64_LOAD, I64_STORE } from './opcodes.ts';

/** Module name of all imports. */
export const WASM_IMPORTS = 'farcall';

/** What stops a program, by the number that the `fault` import is given. */
export const WASM_FAULTS = ['step-budget', 'too-deep', 'left-program'] as const;
export type WasmFault = (typeof WASM_FAULTS)[number];

/**
 * What a run works with, in the linear memory: a block at an address that is known when the program is translated, one for
 * each thread. Byte offsets; addresses and counts are u32 where nothing else is said.
 */
export const RUN_STATE = {
  /** u64 each: R0..R5 of a call that leaves WebAssembly, and R0 of a run. */
  regs: 0,
  /** Where the next frame ends. */
  sp: 48,
  stackTop: 52,
  /** Tail calls made; from 33 on there are none. */
  tailCalls: 56,
  /** Call frames of the program that runs, as the limit of 8 counts them (programs nobody verified). */
  level: 60,
  /** i64: instructions left (counted code). */
  fuel: 64,
  /** Loads that found nothing and read 0. */
  probedReads: 72,
  /** Runs a batch has completed. */
  done: 76,
  /** i64 each, of checked code: where a region begins and ends that may be read, and one that may be written. Empty: -1 and 8. */
  readStart: 80,
  readEnd: 88,
  writeStart: 96,
  writeEnd: 104,
  /** Eight bytes of zeros: what a load that found nothing reads. */
  zeros: 112,
  /** Where contexts are made. */
  ctx: 124,
  /** The CPU the thread is. */
  cpu: 128,
  /** A list of packets that is ready to be run: its address, how many, and where their verdicts go. */
  list: 132,
  count: 136,
  verdicts: 140,
  sizeBytes: 144,
} as const;

/** Where the state of a machine's own thread is: in the first page, which no program may touch. */
export const MAIN_STATE = 1024;

/** What a call of a helper or kernel function needs to be known of: arguments it takes, whether it leaves something in R0. */
export interface CallShape {
  readonly args: number;
  readonly returns: boolean;
}

/**
 * Imports of a translated program. All numbers are i32; addresses are offsets into `memory`.
 *
 * - `memory`, `table`: the machine's linear memory and its table of functions
 * - `tableBase`: constant, where this program's functions begin in the table
 * - `helper_ID(slot)` and `kfunc_ID_IDX(slot)`, those that are called: arguments and result in the run's state
 * - `callx(slot)`: the register of the call in R0's place; the table index of a function, or -1 when a helper was called
 * - `packet(offset, bytes) → 1 and the value in R0's place, or 0`: `ld_abs`, `ld_ind`
 * - `tail(slot) → table index`, negative when there is no such program; arguments in the run's state
 * - `access(kind, low, high, bytes, slot) → address`: an access by checked code at a place that is not the last one; 0 read,
 *   1 write, 2 read that may find nothing
 * - `fault(kind, slot)`: must throw
 */
export interface WasmImports {
  readonly memory: number;
  readonly table: number;
  readonly tableBase: number;
  readonly helpers: ReadonlyMap<number, number>;
  readonly kfuncs: ReadonlyMap<string, number>;
  readonly callx: number;
  readonly packet: number;
  readonly tail: number;
  readonly access: number;
  readonly fault: number;
  /** Type of BPF functions: R1..R5 to R0. */
  readonly funcType: number;
}

export const helperImport = (id: number): string => `helper_${id}`;
export const kfuncImport = (btfId: number, fdIdx: number): string => `kfunc_${btfId}_${fdIdx}`;

/** Calls out of WebAssembly that a program has. */
export interface OutsideCalls {
  /** Helper ids. */
  readonly helpers: readonly number[];
  readonly kfuncs: readonly (readonly [btfId: number, fdIdx: number])[];
}

/** @param shared the memory is shared between threads */
export function declareImports(module: ModuleWriter, calls: OutsideCalls, shared: boolean): WasmImports {
  const funcType = module.type([I64, I64, I64, I64, I64], [I64]);
  const func = (name: string, params: number, result: boolean): number =>
    module.import(
      WASM_IMPORTS,
      name,
      'func',
      module.type(
        Array.from({ length: params }, () => I32),
        result ? [I32] : [],
      ),
    );
  return {
    funcType,
    memory: shared ? module.sharedMemory(WASM_IMPORTS, 'memory') : module.import(WASM_IMPORTS, 'memory', 'memory', 1),
    table: module.import(WASM_IMPORTS, 'table', 'table', 0),
    tableBase: module.import(WASM_IMPORTS, 'tableBase', 'global', I32),
    helpers: new Map(calls.helpers.map(id => [id, func(helperImport(id), 1, false)])),
    kfuncs: new Map(calls.kfuncs.map(([id, idx]) => [kfuncImport(id, idx), func(kfuncImport(id, idx), 1, false)])),
    callx: func('callx', 1, true),
    packet: func('packet', 2, true),
    tail: func('tail', 1, true),
    access: func('access', 5, true),
    fault: func('fault', 2, false),
  };
}

/** Code that reads and writes the state of a run. */
export class StateAccess {
  readonly #code: Code;
  readonly #at: number;

  /** @param at address of the state */
  constructor(code: Code, at: number) {
    this.#code = code;
    this.#at = at;
  }

  get32(offBytes: number): void {
    this.#code.i32(0);
    this.#code.access(I32_LOAD, this.#at + offBytes);
  }
  get64(offBytes: number): void {
    this.#code.i32(0);
    this.#code.access(I64_LOAD, this.#at + offBytes);
  }
  /** Stores what `value` leaves on the stack. */
  put32(offBytes: number, value: () => void): void {
    this.#code.i32(0);
    value();
    this.#code.access(I32_STORE, this.#at + offBytes);
  }
  put64(offBytes: number, value: () => void): void {
    this.#code.i32(0);
    value();
    this.#code.access(I64_STORE, this.#at + offBytes);
  }
}
