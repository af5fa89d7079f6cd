/** Bytes, 64-bit halves and errors. Knows nothing of BPF; every other room stands on it. */
export * from './bytes.ts';
export * from './errors.ts';
export * from './u64.ts';
