/** Verified programs as x86-64 code over the linear memory, at its real address. */
export type { Gate } from './emission.ts';
export type { LinearEntries } from './entries.ts';
export { compileLinear, type LinearOptions, type LinearProgram } from './program.ts';
