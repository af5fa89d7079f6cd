import type { Insn } from '../../isa/index.ts';
import type { WasmOptions, WasmProgram } from '../../jit/index.ts';
import { CodeCache } from '../code-cache.ts';

/** A translated program, compiled. */
export interface CompiledProgram extends WasmProgram {
  readonly module: WebAssembly.Module;
}

/** Options of a translation that are plain data: what modules are told apart by, beside their instructions. */
export type CacheableOptions = Omit<WasmOptions, 'helperShape' | 'kfuncShape'> & {
  /** As `helper_ID` or `kfunc_ID_IDX`: arguments, and whether there is a result. */
  readonly shapes: Readonly<Record<string, readonly [args: number, returns: boolean]>>;
};

/** Compiled programs by instructions and options. */
export class ModuleCache extends CodeCache<CompiledProgram> {
  /** The module of a program, translated by `make` if there is none. */
  module(insns: readonly Insn[], options: CacheableOptions, make: () => WasmProgram): CompiledProgram {
    return this.get(insns, JSON.stringify(options), () => {
      const program = make();
      return { ...program, module: new WebAssembly.Module(program.bytes) };
    });
  }
}
