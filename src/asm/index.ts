/**
 * Text to instructions and back, in three dialects of one shape: LLVM's, that of the bpf_conformance suite, and the
 * kernel's own. Each dialect spells the rows of the instruction table once; printer and reader both work from that.
 */
export { type AssembleOptions, type Assembly, assemble, assembleSource, MAX_SLOTS } from './assembler.ts';
export { DIALECTS, type Dialect, type DialectName } from './dialects.ts';
export { type DisassembleOptions, disassemble, type PrintOptions, printInsn } from './printer.ts';
export type { PrintHooks } from './style.ts';
