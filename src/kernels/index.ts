/** What kernels know: recorded builds, address layouts, and the simulated kernel address space. */
export type * from './types.ts';
