/** Verified programs as code over the linear memory at its real address, whatever the CPU; `<arch>/linear` writes the instructions. */
export * from './addon.ts';
export { type EmissionParts, type Gate, LinearEmission, type ProgramEmission } from './emission.ts';
export type { LinearEntries } from './entries.ts';
export type { FunctionFrame, LinearRegisters, LocalHome } from './frame.ts';
export { compileLinear, type LinearOptions, type LinearProgram, numberGates } from './program.ts';
export { type Reciprocal, reciprocal } from './reciprocal.ts';
export { NATIVE_ENTRIES, type NativeTailCalls } from './tail-calls.ts';
export { type LinearTarget, linearRows, type RowWriter } from './target.ts';
export { isExact, isNarrow, isWide, isZero, type MaskPlan, planMask } from './zero-extended.ts';
