/** What runs a program: one interface, several engines. */
export { DEFAULT_INSN_BUDGET, interpEngine } from './interp/index.ts';
export * from './types.ts';
