/** What runs a program: one interface, several engines. */

export { createPpc64Cpu, type Ppc64Cpu } from './emu-ppc64/index.ts';
export type * from './emu-types.ts';
export { type CompileOptions, canEmulate, emulatorEngine } from './emulators.ts';
export {
  DEFAULT_INSN_BUDGET,
  type InterpStep,
  interpEngine,
  type OnStep,
  tracingInterpEngine,
} from './interp/index.ts';
export {
  type EngineXlate,
  type JitEngine,
  type JitEngineOptions,
  type JitLoadedProgram,
  jitEngine,
  xlateForEngine,
} from './jited/index.ts';
export * from './types.ts';
export * from './wasm/index.ts';
