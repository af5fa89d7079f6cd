/** What runs a program: one interface, several engines. */
export type * from './types.ts';
