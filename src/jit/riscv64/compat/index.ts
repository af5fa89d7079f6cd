/** What the 6.12 kernel's JIT for riscv64 emits, instruction by instruction; differences stand in docs/spec/riscv64-compat.md. */
export { COMPAT_CAPS } from './caps.ts';
export { compatCompiler } from './compiler.ts';
