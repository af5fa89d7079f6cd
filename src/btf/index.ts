/** BTF: types ⇄ bytes ⇄ C, `.BTF.ext`, and what CO-RE needs of types alone. Knows neither ELF nor instructions. */
export { Btf, type OpenBtfOptions, openBtf } from './btf.ts';
export { coreFieldsAreCompat, coreTypesAreCompat, coreTypesMatch, type TypeRef } from './core-compat.ts';
export { CORE_RELO_KINDS, type CoreReloKind, type CoreReloKindRow, coreReloKindOf } from './core-kind.ts';
export { matchCoreSpec } from './core-match.ts';
export {
  type CoreCandidate,
  type CoreReloInput,
  type CoreReloResult,
  CoreResolver,
  findCoreCandidates,
  resolveCoreRelo,
} from './core-resolve.ts';
export { type CoreAccessor, type CoreSpec, formatCoreSpec, parseCoreSpec } from './core-spec.ts';
export { type DatasecFacts, fixDatasecs, needsDatasecFix } from './datasec-fix.ts';
export { type CDumpStyle, type DumpCOptions, dumpC } from './dump-c.ts';
export { CDumper } from './dump-c-emit.ts';
export * from './dump-raw.ts';
export * from './ext.ts';
export { type BtfHeader, btfByteOrder } from './header.ts';
export { type BtfKind, KIND_ROWS, type KindRow, kindName, kindNumber } from './kind.ts';
export type { NoSize } from './layout.ts';
export { type MergeBtfOptions, type MergedBtf, mergeBtf } from './merge.ts';
export { essentialName, essentialNameLength } from './name-index.ts';
export { remapTypeIds } from './remap.ts';
export * from './type.ts';
export * from './type-tests.ts';
export { BtfBuilder, type BtfCompositeInit, type BtfTypeInit } from './writer.ts';
