import type { ModuleWriter } from './module-writer.ts';
import { I32, I64 } from './opcodes.ts';

/** Module name of all imports. */
export const WASM_IMPORTS = 'farcall';

/** What stops a program, by the number that the `fault` import is given. */
export const WASM_FAULTS = ['step-budget', 'too-deep', 'left-program'] as const;
export type WasmFault = (typeof WASM_FAULTS)[number];

/**
 * Imports of a translated program. 64-bit values are BigInt in JavaScript; addresses are offsets into `memory`.
 *
 * - `memory`, `table`: the machine's linear memory and its table of functions
 * - `tableBase`: i32 constant, where this program's functions begin in the table; a function's address is its index there
 * - `helper(id, r1..r5) → r0` and `kfunc(btf id, fd index, r1..r5) → r0`
 * - `packet(offset, bytes) → value`: `ld_abs`, `ld_ind`; negative outside of the packet
 * - `tail(map, index) → table index`, negative when there is no such program
 * - `fault(kind, slot)`: must throw
 */
export interface WasmImports {
  readonly memory: number;
  readonly table: number;
  readonly tableBase: number;
  readonly helper: number;
  readonly kfunc: number;
  readonly packet: number;
  readonly tail: number;
  readonly fault: number;
  /** Type of BPF functions: R1..R5 to R0. */
  readonly funcType: number;
}

/**
 * Mutable i32 globals, exported by these names. Who runs a program sets them first.
 *
 * - `sp`: where the next frame ends; the top of the stack. `stackLimit`: lowest address a frame may begin at (unproven code)
 * - `fuel`: rounds of loops and calls of functions left (unproven code)
 * - `tailCalls`: tail calls made; from 33 on there are none
 * - `r0High`: high half of R0 after `run`
 */
export const WASM_GLOBALS = ['sp', 'stackLimit', 'fuel', 'tailCalls', 'r0High'] as const;
export type WasmGlobals = Readonly<Record<(typeof WASM_GLOBALS)[number], number>>;

const ARGS = [I64, I64, I64, I64, I64];

export function declareImports(module: ModuleWriter): WasmImports {
  const funcType = module.type(ARGS, [I64]);
  const func = (name: string, params: readonly number[], results: readonly number[]): number =>
    module.import(WASM_IMPORTS, name, 'func', module.type(params, results));
  return {
    funcType,
    memory: module.import(WASM_IMPORTS, 'memory', 'memory', 0),
    table: module.import(WASM_IMPORTS, 'table', 'table', 0),
    tableBase: module.import(WASM_IMPORTS, 'tableBase', 'global', I32),
    helper: func('helper', [I32, ...ARGS], [I64]),
    kfunc: func('kfunc', [I32, I32, ...ARGS], [I64]),
    packet: func('packet', [I32, I32], [I64]),
    tail: func('tail', [I32, I32], [I32]),
    fault: func('fault', [I32, I32], []),
  };
}

export function declareGlobals(module: ModuleWriter): WasmGlobals {
  return Object.fromEntries(
    WASM_GLOBALS.map(name => {
      const index = module.global(I32, 0);
      module.export(name, 'global', index);
      return [name, index];
    }),
  ) as WasmGlobals;
}
