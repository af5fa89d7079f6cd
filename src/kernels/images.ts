import { type ByteOrder, FarcallError } from '../util/index.ts';
import { KERNEL_6_1_AMD64 } from './generated/6.1-amd64.ts';
import { KERNEL_6_12_AMD64 } from './generated/6.12-amd64.ts';
import { KERNEL_6_12_ARM64 } from './generated/6.12-arm64.ts';
import { KERNEL_6_12_PPC64EL } from './generated/6.12-ppc64el.ts';
import { KERNEL_6_12_RISCV64 } from './generated/6.12-riscv64.ts';
import { KERNEL_7_2_AMD64 } from './generated/7.2-amd64.ts';
import { KERNEL_7_2_PPC64EL } from './generated/7.2-ppc64el.ts';
import { TableKernel } from './image.ts';
import type { KernelTable } from './kernel-table.ts';
import type { KernelArch, KernelImage } from './types.ts';

/** A kernel nobody recorded: the distances and struct offsets of one that was. */
function generic(arch: KernelArch, order: ByteOrder, from: KernelTable): KernelTable {
  const elfv2 = arch === 'ppc64' && order === 'little';
  return {
    ...from,
    name: `generic-${arch}`,
    arch,
    order,
    symbols: elfv2 ? from.symbols : from.symbols.replace(/E/g, ''),
  };
}

/** Every kernel there is; of one CPU and byte order, the first is the default. */
const TABLES: readonly KernelTable[] = [
  KERNEL_6_12_PPC64EL,
  KERNEL_6_12_AMD64,
  KERNEL_6_12_ARM64,
  KERNEL_6_12_RISCV64,
  KERNEL_7_2_PPC64EL,
  KERNEL_7_2_AMD64,
  KERNEL_6_1_AMD64,
  generic('ppc64', 'big', KERNEL_6_12_PPC64EL),
  generic('s390x', 'big', KERNEL_6_12_ARM64),
];

/** One row a kernel, for lists and options. */
export const KERNEL_IMAGES: readonly {
  /** As {@link kernelImage} takes it. */
  readonly name: string;
  readonly version: string;
  readonly arch: KernelArch;
  readonly order: ByteOrder;
  /** Whether distances and offsets are those of a kernel that ran. */
  readonly recorded: boolean;
}[] = TABLES.map(({ name, version, arch, order }) => ({
  name,
  version,
  arch,
  order,
  recorded: !name.startsWith('generic-'),
}));

/**
 * A kernel by name. Each call makes one of its own: places it gives to functions the recording lacks are kept in it.
 * Throws `arg.kernel`, which lists the names.
 */
export function kernelImage(name: string): KernelImage {
  const table = TABLES.find(row => row.name === name);
  if (table !== undefined) return new TableKernel(table);
  throw new FarcallError({
    code: 'arg.kernel',
    message: 'there is no such kernel',
    expected: TABLES.map(row => row.name).join(', '),
    found: `'${name}'`,
  });
}

/** The kernel used for a CPU and byte order where none is named. Throws `arg.kernel`: there is none for that pair. */
export function defaultKernelImage(arch: KernelArch, order: ByteOrder): KernelImage {
  const table = TABLES.find(row => row.arch === arch && row.order === order);
  if (table !== undefined) return new TableKernel(table);
  throw new FarcallError({
    code: 'arg.kernel',
    message: `there is no ${order}-endian kernel for ${arch}`,
    expected: TABLES.filter(row => row.arch === arch)
      .map(row => `${row.order}-endian`)
      .join(', '),
    found: `${order}-endian`,
  });
}
