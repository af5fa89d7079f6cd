import type { AddressRange, KernelArch } from './types.ts';

/** What of addresses follows from the CPU alone. */
export interface ArchRow {
  readonly arch: KernelArch;
  /** Code begins at multiples of this: `alignment` of `bpf_jit_binary_pack_alloc()`. */
  readonly codeAlignBytes: number;
  readonly pageBytes: number;
  /** Addresses the kernel half can have. */
  readonly kernel: AddressRange;
  /** Addresses user space can have. */
  readonly user: AddressRange;
  /** The layout used where none is named. */
  readonly layout: string;
}

const TOP = 1n << 64n;

export const ARCHES: readonly ArchRow[] = [
  {
    arch: 'ppc64',
    codeAlignBytes: 4,
    pageBytes: 0x10000,
    // Quadrant 3, and on hash the segments 0xc to 0xf.
    kernel: { start: 0xc000000000000000n, end: TOP },
    user: { start: 0n, end: 1n << 52n },
    layout: 'ppc64-radix',
  },
  {
    arch: 'x86_64',
    codeAlignBytes: 1,
    pageBytes: 0x1000,
    // Bits 47 to 63 alike; five-level tables are not laid out here.
    kernel: { start: 0xffff800000000000n, end: TOP },
    user: { start: 0n, end: 1n << 47n },
    layout: 'x86_64',
  },
  {
    arch: 'arm64',
    codeAlignBytes: 4,
    pageBytes: 0x1000,
    kernel: { start: 0xffff000000000000n, end: TOP },
    user: { start: 0n, end: 1n << 48n },
    layout: 'arm64',
  },
  {
    arch: 'riscv64',
    codeAlignBytes: 4,
    pageBytes: 0x1000,
    kernel: { start: 0xffff800000000000n, end: TOP },
    user: { start: 0n, end: 1n << 47n },
    layout: 'riscv64',
  },
  {
    arch: 's390x',
    codeAlignBytes: 8,
    pageBytes: 0x1000,
    // Kernel and user space are different spaces; the kernel's begins at 0 and reaches as far as its tables have levels.
    kernel: { start: 0n, end: 1n << 53n },
    user: { start: 0n, end: 1n << 53n },
    layout: 's390x',
  },
];

export function archRow(arch: KernelArch): ArchRow {
  return ARCHES.find(row => row.arch === arch)!;
}
