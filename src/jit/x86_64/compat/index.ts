/** What the 6.12 kernel's JIT for x86-64 emits, byte by byte; differences stand in docs/spec/x86_64-compat.md. */
export { COMPAT_CAPS } from './caps.ts';
export { compatCompiler } from './compiler.ts';
