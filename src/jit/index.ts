/** `jit_subprogs`: split, compile, place, link, publish; and the CPUs that can be compiled for. */
export { type JitOptions, jitProgram } from './driver.ts';
export { dumpEncodingOf, prepareDump } from './dump-form.ts';
export { codeElf, rawCode } from './exe/code-file.ts';
export { writeExecutable } from './exe/executable.ts';
export { ReplayLog } from './exe/replay-log.ts';
export { type SharedCode, type SharedInit, sharedCode } from './exe/shared-code.ts';
export { cName } from './exe/shared-header.ts';
export { markedMaps, markOf, type SharedMap, valueMarkOf } from './exe/shared-maps.ts';
export * from './exe/types.ts';
export { findUserLayout, USER_LAYOUT_NAMES, userLayouts } from './exe/user-layouts.ts';
export { callTarget, immTarget } from './func-addr.ts';
export {
  ADDON_FUNCTIONS,
  type Gate,
  type LinearEntries,
  type LinearOptions,
  type LinearProgram,
  NATIVE_BLOCK,
  NATIVE_ENTRIES,
} from './linear/index.ts';
export { NATIVE_TARGETS, type NativeTarget } from './linear-targets.ts';
export { addressOfSlot, type LoadFacts, loadedProgInfo } from './load-info.ts';
export { OPT_PASSES, type OptPass } from './opt/index.ts';
export type * from './prog-info.ts';
export { tagHashOf } from './prog-tags.ts';
export type * from './program.ts';
export type { FaultInjector } from './steps.ts';
export { progTag } from './tag.ts';
export { findTarget, TARGETS } from './targets.ts';
export * from './types.ts';
export * from './wasm/index.ts';
