/** `jit_subprogs`: split, compile, place, link, publish; and the CPUs that can be compiled for. */
export type * from './prog-info.ts';
export * from './types.ts';
