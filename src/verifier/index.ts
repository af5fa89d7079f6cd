/** bpf_check: the stages of the kernel's verifier, and the fixups that make an XlatedProgram. */

export { mapFieldPlaces, objectFieldPlaces } from './btf/field-places.ts';
export { loadStructMetas, type MapRecordSource, recordOfMap } from './btf/record.ts';
export type { FuncLinkage } from './btf-info.ts';
export type { CfgMarks } from './cfg.ts';
export * from './explain/index.ts';
export { MAP_TYPE_RELEASES, PROG_FLAG_RELEASES, PROG_TYPE_RELEASES } from './feature-releases.ts';
export { type KernelDump, xlatedFromKernel } from './from-kernel.ts';
export type * from './input.ts';
export { kernelRules, RULED_RELEASES, releaseNumber } from './kernel-rules.ts';
export { MESSAGES, type MessageArgs, type MessageId, type MessageRow, messageText } from './messages.ts';
export { type FeatureNeed, type MinimalVersion, minimalVersion, minimalVersionText } from './minimal-version.ts';
export { roundStackDepth } from './stack-depth.ts';
export type { ReachedSlots } from './stack-reach.ts';
export { STAGES, type Stage } from './stages.ts';
export type { BtfField, BtfRecord } from './state/record.ts';
export { checkStructure, type ProgramStructure } from './structure.ts';
export {
  coreReloTable,
  funcInfoTable,
  type InfoTable,
  JIT_SUPPORT,
  type JitSupport,
  lineInfoTable,
  type StructureInput,
  type StructureOptions,
  type WalkResult,
} from './structure-input.ts';
export { MAX_SUBPROGS } from './subprogs.ts';
export type * from './types.ts';
export { COMPLEXITY_LIMIT_INSNS, verify } from './verify.ts';
export { type KfuncName, type XlateArena, type XlateInput, type XlateOptions, xlateUnverified } from './xlate.ts';
