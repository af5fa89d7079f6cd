/** Programs as WebAssembly, in the machine's linear memory. */
export { type WasmEngineOptions, wasmEngine } from './engine.ts';
export type { HelperCall, HelperFunction, LinkHelper } from './link-helpers.ts';
export { ModuleCache } from './module-cache.ts';
export { type WasmModuleInfo, wasmModuleOf } from './module-info.ts';
export { attachModule, type SharedModule, shareModule, type ThreadProgram } from './threads.ts';
