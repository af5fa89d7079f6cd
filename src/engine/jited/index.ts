export { type JitEngine, type JitEngineOptions, type JitLoadedProgram, jitEngine, xlateForEngine } from './engine.ts';
