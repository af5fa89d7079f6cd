/** The reference interpreter. */
export * from './engine.ts';
