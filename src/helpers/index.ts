/** One file a family of helpers: contract beside behaviour. */
export * from './types.ts';
