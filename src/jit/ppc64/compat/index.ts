/** What the 6.12 kernel's JIT for ppc64 emits, instruction by instruction; differences stand in docs/spec/ppc64-compat.md. */
export type { CompatAbi } from './abi.ts';
export { COMPAT_CAPS } from './caps.ts';
export { compatCompiler } from './compiler.ts';
