/** What a loader does before the verifier begins: an object fitted to a kernel, its programs as `BPF_PROG_LOAD` gets them. */
export { loaderLog } from './loader-log.ts';
export { prepareInsns, type RawProgram } from './prepare-insns.ts';
export {
  type PreparedObject,
  type PreparedProgram,
  type PrepareOptions,
  type ProgramChoices,
  prepareObject,
} from './prepare-object.ts';
export type { LoadProblem } from './problem.ts';
export { checkProgLoad, fixupAttachType, GPL_LICENSES, type LoadCaps, type ProgLoadAttr } from './prog-load.ts';
export { VerifiedPrograms, type VerifiedProgramsOptions } from './verified-programs.ts';
export { type ProgramVerdict, verifyInsns, verifyPrepared } from './verify-prepared.ts';
