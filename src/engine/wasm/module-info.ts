import type { LoadedProgram } from '../types.ts';
import { WasmLoaded } from './loaded.ts';

/** A program's module, as it is run. */
export interface WasmModuleInfo {
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** First slots of the program's functions that are in the machine's table; those inlined everywhere are not. */
  readonly functionSlots: readonly number[];
  readonly imports: readonly { readonly name: string; readonly kind: string }[];
  readonly exports: readonly { readonly name: string; readonly kind: string }[];
  /** Whether each access is checked, as nobody proved that it may be. */
  readonly checked: boolean;
}

/** The module of a program of the WebAssembly engine; undefined for others, and for programs that are interpreted. */
export function wasmModuleOf(loaded: LoadedProgram): WasmModuleInfo | undefined {
  if (!(loaded instanceof WasmLoaded)) return undefined;
  const compiled = loaded.compiled();
  if (compiled === undefined) return undefined;
  const { bytes, functionSlots, module } = compiled;
  const plain = ({ name, kind }: { name: string; kind: string }) => ({ name, kind });
  return {
    bytes,
    functionSlots,
    imports: WebAssembly.Module.imports(module).map(plain),
    exports: WebAssembly.Module.exports(module).map(plain),
    checked: !loaded.trusted,
  };
}
