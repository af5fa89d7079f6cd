/** BTF: types ⇄ bytes ⇄ C, `.BTF.ext`, and what CO-RE needs of types alone. Knows neither ELF nor instructions. */
export { Btf, type OpenBtfOptions, openBtf } from './btf.ts';
export { type DatasecFacts, fixDatasecs, needsDatasecFix } from './datasec-fix.ts';
export { type CDumpStyle, type DumpCOptions, dumpC } from './dump-c.ts';
export { CDumper } from './dump-c-emit.ts';
export * from './dump-raw.ts';
export * from './ext.ts';
export { type BtfHeader, btfByteOrder } from './header.ts';
export { type BtfKind, KIND_ROWS, type KindRow, kindName, kindNumber } from './kind.ts';
export type { NoSize } from './layout.ts';
export { essentialName, essentialNameLength } from './name-index.ts';
export * from './type.ts';
export { BtfBuilder, type BtfCompositeInit, type BtfTypeInit } from './writer.ts';
