import { FarcallError } from '../util/index.ts';
import { ARCHES, archRow } from './arch.ts';
import type { AddressRange, KernelArch, LayoutRow } from './types.ts';

const TB = 1n << 40n;
const GB = 1n << 30n;
const MB = 1n << 20n;
const PACK_BYTES = 0x200000;

/** A row in full, or, where modules and BPF images share a range, without `images`. */
interface Init extends Omit<LayoutRow, 'images' | 'packBytes' | 'pageBytes' | 'canonical'> {
  readonly images?: AddressRange;
  readonly packBytes?: number;
  readonly pageBytes?: number;
}

function row(init: Init): LayoutRow {
  const { pageBytes, kernel } = archRow(init.arch);
  return { images: init.modules, packBytes: PACK_BYTES, pageBytes, canonical: kernel, ...init };
}

function range(start: bigint, sizeBytes: bigint): AddressRange {
  return { start, end: start + sizeBytes };
}

// ppc64: text lies at the start of the linear mapping, BPF images in vmalloc space, which each MMU puts elsewhere.
//
//   c000000000000000  kernel text, linear mapping
//   c0003d0000000000  vmalloc, 4K hash from 5.2
//   c008000000000000  vmalloc, radix, and 64K hash from 5.2
//   d000000000000000  vmalloc, hash up to 5.1
const PPC_TEXT = 0xc000000000000000n;
const ppc64 = (
  name: string,
  summary: string,
  vmalloc: AddressRange,
  source: string,
  pageBytes?: number,
  images: AddressRange = vmalloc,
): LayoutRow =>
  row({
    name,
    arch: 'ppc64',
    summary,
    textBase: PPC_TEXT,
    modules: vmalloc,
    images,
    linearMap: { start: PPC_TEXT, end: vmalloc.start < 0xc008000000000000n ? vmalloc.start : 0xc008000000000000n },
    userLimit: PPC_TEXT,
    ...(pageBytes === undefined ? {} : { pageBytes }),
    source: `arch/powerpc/include/asm/book3s/64/${source}`,
  });

/** x86-64: BPF images lie in module space, behind the kernel's own 512 MB, or 1 GB with KASLR. */
const x86 = (name: string, summary: string, textBase: bigint, modules: bigint): LayoutRow =>
  row({
    name,
    arch: 'x86_64',
    summary,
    textBase,
    modules: { start: modules, end: 0xffffffffff000000n },
    linearMap: range(0xffff888000000000n, 64n * TB),
    // TASK_SIZE_MAX plus a page.
    userLimit: 0x800000000000n,
    source: 'arch/x86/include/asm/pgtable_64_types.h, arch/x86/net/bpf_jit_comp.c',
  });

/** arm64, 48 bits, 4 KiB pages: modules in 2 GB below `KIMAGE_VADDR`, BPF images anywhere in vmalloc space. */
const arm64 = (name: string, summary: string, textBase: bigint, modules: bigint): LayoutRow =>
  row({
    name,
    arch: 'arm64',
    summary,
    textBase,
    modules: range(modules, 2n * GB),
    images: { start: 0xffff800080000000n, end: 0xfffffdffbf800000n },
    linearMap: { start: 0xffff000000000000n, end: 0xffff800000000000n },
    userLimit: 0xffffffffffffn,
    source: 'arch/arm64/include/asm/memory.h, arch/arm64/mm/init.c: execmem_arch_setup',
  });

/** Every layout. Distances between text and images decide which calls a JIT may use. */
export const LAYOUTS: readonly LayoutRow[] = [
  ppc64(
    'ppc64-radix',
    'Linux with the radix MMU (POWER9 and later); images 2^51 bytes behind text',
    range(0xc008000000000000n, 512n * TB),
    'radix.h',
  ),
  ppc64(
    'ppc64-hash',
    'Linux up to 5.1 with the hash MMU; images 2^60 bytes behind text',
    range(0xd000000000000000n, 32n * TB),
    'hash.h',
  ),
  ppc64(
    'ppc64-hash-64k',
    'Linux 5.2 and later with the hash MMU and 64K pages; images 2^51 bytes behind text',
    range(0xc008000000000000n, 512n * TB),
    'hash-64k.h',
  ),
  ppc64(
    'ppc64-hash-4k',
    'Linux 5.2 and later with the hash MMU and 4K pages; images 61 TB behind text',
    range(0xc0003d0000000000n, 16n * TB),
    'hash-4k.h',
    0x1000,
  ),
  ppc64(
    'ppc64-recorded',
    'Debian 6.12 ppc64el as it ran: radix, 4K pages, the first pack 16 KiB into vmalloc space',
    range(0xc008000000000000n, 512n * TB),
    'radix.h; /proc/kallsyms of that kernel',
    0x1000,
    { start: 0xc008000000004000n, end: 0xc00a000000000000n },
  ),
  x86('x86_64', 'x86-64 without KASLR', 0xffffffff81000000n, 0xffffffffa0000000n),
  x86(
    'x86_64-kaslr',
    'x86-64 with KASLR: text where Debian 6.12 amd64 was recorded',
    0xffffffffb2e00000n,
    0xffffffffc0000000n,
  ),
  arm64(
    'arm64',
    'arm64 without KASLR, 48-bit addresses: images next to text',
    0xffff800080000000n,
    0xffff800000000000n,
  ),
  arm64(
    'arm64-kaslr',
    'arm64 with KASLR: text where Debian 6.12 arm64 was recorded, images 45 TB below it',
    0xffffadbfa1c00000n,
    0xffffadbf40000000n,
  ),
  row({
    name: 'riscv64',
    arch: 'riscv64',
    summary: 'riscv64, Sv48: images in the 128 MB below text',
    textBase: 0xffffffff80000000n,
    modules: range(0xffffffff00000000n, 2n * GB),
    images: range(0xffffffff80000000n - 128n * MB, 128n * MB),
    linearMap: range(0xffffaf8000000000n, 64n * TB),
    userLimit: 0x7fffffffffffn,
    source: 'arch/riscv/include/asm/pgtable.h, arch/riscv/net/bpf_jit_core.c',
  }),
  row({
    name: 's390x',
    arch: 's390x',
    summary: 's390x without KASLR: images in the 2 GB below text, each in pages of its own',
    textBase: 0x3ffe0000000n,
    modules: range(0x3ffe0000000n - 2n * GB, 2n * GB),
    linearMap: range(0n, 2n * TB),
    userLimit: 0xfffn,
    packBytes: 0,
    source: 'arch/s390/boot/startup.c: setup_kernel_memory_layout',
  }),
];

/** A layout by name. Throws `arg.layout`, which lists the names. */
export function findLayout(name: string): LayoutRow {
  const found = LAYOUTS.find(layout => layout.name === name);
  if (found !== undefined) return found;
  throw new FarcallError({
    code: 'arg.layout',
    message: 'there is no such address layout',
    expected: LAYOUTS.map(layout => layout.name).join(', '),
    found: `'${name}'`,
  });
}

export function layoutsOf(arch: KernelArch): readonly LayoutRow[] {
  return LAYOUTS.filter(layout => layout.arch === arch);
}

/** The layout used for a CPU where none is named. */
export function defaultLayout(arch: KernelArch): LayoutRow {
  return findLayout(ARCHES.find(facts => facts.arch === arch)!.layout);
}
