/** 64-bit Arm: AArch64, little-endian, Armv8.0 and with the atomics of Armv8.1. */
export { ARM64 } from './target.ts';
