import { fileURLToPath } from 'node:url';
import { type Btf, btfByteOrder, openBtf } from '../../btf/index.ts';
import { isElf, openElf } from '../../elf/index.ts';
import { FarcallError } from '../../util/index.ts';
import { packageFile } from '../package-info.ts';
import { gunzipped, readFileBytes } from './files.ts';

/** The kernel's types that come with farcall; what CO-RE relocations are applied against unless told otherwise. */
export const DEFAULT_KERNEL_BTF = 'assets/btf/vmlinux-6.12-amd64.btf.gz';

/** BTF in whatever wrapping: raw bytes, gzip of them, an ELF file (object, vmlinux, module) with a .BTF section. */
export function openBtfFile(bytes: Uint8Array, file: string, base?: Btf): Btf {
  const unpacked = gunzipped(bytes, file);
  const where = { file };
  if (btfByteOrder(unpacked) !== undefined) return openBtf(unpacked, { base, where });
  if (isElf(unpacked)) {
    const section = openElf(unpacked, where).sectionByName('.BTF');
    if (section !== undefined) return openBtf(section.data, { base, where: { ...where, section: '.BTF' } });
    throw new FarcallError({
      code: 'btf.magic',
      message: 'the ELF file has no types',
      expected: 'a .BTF section',
      where,
    });
  }
  throw new FarcallError({
    code: 'btf.magic',
    message: 'not a file with BTF',
    expected: 'raw BTF, gzip of it, or ELF with a .BTF section',
    found: `${unpacked.length} bytes of something else`,
    where,
  });
}

const opened = new Map<string, Btf>();

/** The BTF in a file; each file is opened once a thread. */
export function readBtfFile(file: string): Btf {
  let btf = opened.get(file);
  if (btf === undefined) {
    btf = openBtfFile(readFileBytes(file), file);
    opened.set(file, btf);
  }
  return btf;
}

/**
 * The kernel BTF an option names: a file, or `default` for the one that comes with farcall; there is one of every release whose
 * rules are known.
 */
export function kernelBtf(file = 'default', release = '6.12'): Btf {
  const own = release === '6.12' ? DEFAULT_KERNEL_BTF : `assets/btf/vmlinux-${release}-amd64.btf.gz`;
  return readBtfFile(file === 'default' ? fileURLToPath(packageFile(own)) : file);
}
