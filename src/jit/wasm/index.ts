/** BPF programs to WebAssembly: one module a program, one function a BPF function, blocks and loops from the dominator tree. */
export {
  type CallShape,
  helperImport,
  kfuncImport,
  MAIN_STATE,
  RUN_STATE,
  WASM_FAULTS,
  WASM_IMPORTS,
  type WasmFault,
} from './abi.ts';
export { ACCESS_KINDS } from './access-check.ts';
export type { TailCallLayout } from './emission.ts';
export { mapOps } from './map-ops.ts';
export { callTrampoline } from './trampoline.ts';
export { translateProgram, type WasmOptions, type WasmProgram } from './translate.ts';
