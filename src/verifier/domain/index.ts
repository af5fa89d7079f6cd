/**
 * What the verifier knows of numbers, exactly as Linux 6.12 does: bits and bounds, how instructions and branches change
 * them, and how the log writes them. Knows nothing of registers, pointers or paths.
 */
export { forkCase, forkWidth, isComputable, scalarAlu, scalarOffset } from './alu.ts';
export { syncBounds } from './bounds.ts';
export * from './branch.ts';
export * from './cast.ts';
export * from './pointer-offset.ts';
export * from './print.ts';
export * from './scalar.ts';
export * from './tnum.ts';
