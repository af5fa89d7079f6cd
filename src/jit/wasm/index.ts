/** BPF programs to WebAssembly: one module a program, one function a BPF function, blocks and loops from the dominator tree. */
export { WASM_FAULTS, WASM_GLOBALS, WASM_IMPORTS, type WasmFault } from './abi.ts';
export { translateProgram, type WasmOptions, type WasmProgram } from './translate.ts';
