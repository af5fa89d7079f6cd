/** ELF + BTF → ObjectSpec: what libbpf does when it opens an object and fits it to a kernel, as pure functions. */
export {
  type CoreReloReport,
  coreReloText,
  type RelocateOptions,
  type RelocateResult,
  relocateObject,
} from './core.ts';
export { CORE_POISON_IMM, type PatchOutcome, patchCoreInsn } from './core-patch.ts';
export { type ExternValue, externValues, type KernelSymbols } from './extern-values.ts';
export { type KconfigData, type KconfigValues, kconfigData } from './kconfig.ts';
export { type LinkSource, linkObjects } from './link.ts';
export { ringbufSizeBytes } from './map-btf.ts';
export { kernelName } from './map-data.ts';
export { type OpenObjectOptions, objectNameOf, openObject } from './open.ts';
export type * from './types.ts';
