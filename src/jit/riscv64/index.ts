/** RISC-V, 64 bits. */
export { RISCV64 } from './target.ts';
