export {
  type EngineXlate,
  type JitEngine,
  type JitEngineOptions,
  type JitLoadedProgram,
  jitEngine,
  xlateForEngine,
} from './engine.ts';
