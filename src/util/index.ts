/** Bytes, 64-bit halves, errors and hashes. Knows nothing of BPF; every other room stands on it. */
export * from './bytes.ts';
export * from './errors.ts';
export * from './sha.ts';
export * from './u64.ts';
