/** What the 6.12 kernel's JIT for arm64 emits, instruction by instruction; differences stand in docs/spec/arm64-compat.md. */
export { COMPAT_CAPS } from './caps.ts';
export { compatCompiler } from './compiler.ts';
