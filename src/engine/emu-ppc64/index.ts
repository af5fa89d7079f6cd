/** A PowerPC64 CPU, POWER8 to POWER10, both byte orders, both ABIs. Executes bytes; knows no BPF. */
export type { Abi } from './abi.ts';
export { createPpc64Cpu, type Ppc64Cpu, type Ppc64CpuOptions } from './cpu.ts';
export { CpuFault } from './fault.ts';
