/** One file a map type: its rules and its storage in linear memory. */
export type * from './types.ts';
