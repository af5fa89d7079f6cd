import { customLayout, type KernelArch, type LayoutRow } from '../../kernels/index.ts';

const GB = 1n << 30n;
const TB = 1n << 40n;
/** Where the kernel's functions are taken to be: behind all linear memory and 8 GB more, so that code may lie before it. */
const TEXT = 64n * GB;

function userLayout(arch: KernelArch, name: string, images: bigint, summary: string): LayoutRow {
  const range = { start: images, end: images + GB };
  return customLayout({
    name,
    arch,
    summary,
    textBase: TEXT,
    modules: range,
    images: range,
    linearMap: { start: 0x10000n, end: 2n * GB },
    userLimit: 0xffffn,
    packBytes: 0x200000,
    pageBytes: 0x10000,
  });
}

/**
 * Layouts whose addresses a Linux process can have, for executables. They differ in how far images are from the
 * kernel's functions: within 2 GB as modules are, just past what one or two instructions reach, and as far as user space goes.
 */
export function userLayouts(arch: KernelArch): readonly LayoutRow[] {
  return [
    userLayout(arch, 'user', TEXT + GB / 2n, 'a process: images 512 MB behind the functions they call'),
    userLayout(arch, 'user-4g', TEXT + 4n * GB, 'a process: images 4 GB behind the functions they call'),
    userLayout(arch, 'user-16g', TEXT + 16n * GB, 'a process: images 16 GB behind the functions they call'),
    userLayout(arch, 'user-far', 112n * TB, 'a process: images 112 TB behind the functions they call'),
  ];
}

/** What {@link userLayouts} are called, the usual one first. */
export const USER_LAYOUT_NAMES = ['user', 'user-4g', 'user-16g', 'user-far'] as const;

/** A layout for executables by name; undefined for names of others. */
export function findUserLayout(name: string, arch: KernelArch): LayoutRow | undefined {
  return userLayouts(arch).find(layout => layout.name === name);
}
