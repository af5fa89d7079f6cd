/** PowerPC 64-bit: ELFv2 little-endian and ELFv1 big-endian, POWER8 to POWER10. */
export { PPC64, PPC64LE } from './target.ts';
