import { customLayout, type LayoutRow } from '../../kernels/index.ts';

const GB = 1n << 30n;
const TB = 1n << 40n;
/** Where the kernel's functions are taken to be: behind all linear memory and 8 GB more, so that code may lie before it. */
const TEXT = 64n * GB;

function userLayout(name: string, images: bigint, summary: string): LayoutRow {
  const range = { start: images, end: images + GB };
  return customLayout({
    name,
    arch: 'ppc64',
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
export const USER_LAYOUTS: readonly LayoutRow[] = [
  userLayout('user', TEXT + GB / 2n, 'a process: images 512 MB behind the functions they call'),
  userLayout('user-4g', TEXT + 4n * GB, 'a process: images 4 GB behind the functions they call'),
  userLayout('user-16g', TEXT + 16n * GB, 'a process: images 16 GB behind the functions they call'),
  userLayout('user-far', 112n * TB, 'a process: images 112 TB behind the functions they call'),
];

/** A layout for executables by name. */
export function findUserLayout(name: string): LayoutRow | undefined {
  return USER_LAYOUTS.find(layout => layout.name === name);
}
