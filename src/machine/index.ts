/** The running system: maps and programs in one linear memory, test runs, clock, trace pipe, events. */
export { type Clock, HostClock, StepClock } from './clock.ts';
export * from './dump/index.ts';
export { type ExecutableOptions, executableOf, expectedLine } from './executable.ts';
export { createMachine, type Machine } from './machine.ts';
export { type BatchResult, ContextRunner, PacketBatch } from './packet-batch.ts';
export {
  checkProgLoad,
  type LoadCaps,
  type LoadProblem,
  loaderLog,
  type PreparedObject,
  type PreparedProgram,
  type PrepareOptions,
  type ProgramChoices,
  type ProgramVerdict,
  prepareInsns,
  prepareObject,
  type RawProgram,
  VerifiedPrograms,
  type VerifiedProgramsOptions,
  verifyInsns,
  verifyPrepared,
} from './prepare/index.ts';
export { recordedInterpreter } from './recorded-interpreter.ts';
export { GateTable, type RecordedRun, type RecordOptions, RunRecorder } from './run-recorder.ts';
export { type SharedObjectOptions, sharedObjectOf, sharedObjectOfInsns } from './shared-object.ts';
export { attachProgram, type SharedProgram, type ShareOptions, type ThreadRunner } from './shared-program.ts';
export type * from './types.ts';
