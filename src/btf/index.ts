/** BTF: types ⇄ bytes ⇄ C, `.BTF.ext`, and what CO-RE needs of types alone. Knows neither ELF nor instructions. */
export { Btf, type OpenBtfOptions, openBtf } from './btf.ts';
export { type BtfHeader, btfByteOrder } from './header.ts';
export { type BtfKind, KIND_ROWS, type KindRow, kindName, kindNumber } from './kind.ts';
export type { NoSize } from './layout.ts';
export { essentialName, essentialNameLength } from './name-index.ts';
export * from './type.ts';
