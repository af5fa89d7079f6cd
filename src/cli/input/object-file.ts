import { existsSync } from 'node:fs';
import { EM_BPF, EM_NONE, type EmbeddedElf, ET_REL, findEmbeddedElf, isElf, openElf } from '../../elf/index.ts';
import { type ObjectSpec, openObject } from '../../object/index.ts';
import { FarcallError, withWhere } from '../../util/index.ts';
import { readFileBytes } from './files.ts';

/** The bytes of one BPF object and how to name it. */
export interface ObjectImage {
  /** The file on disk. */
  readonly file: string;
  /** Where in it the object begins; undefined when the file is the object. */
  readonly offBytes: number | undefined;
  /** `prog.o`, or `/usr/sbin/tool:0x1f40` for one inside another file; accepted wherever a file is. */
  readonly label: string;
  readonly bytes: Uint8Array;
}

/** Whether a file is itself a BPF object rather than something that may have some inside. */
function isBpfObject(bytes: Uint8Array, file: string): boolean {
  const elf = openElf(bytes, { file });
  return elf.type === ET_REL && (elf.machine === EM_BPF || elf.machine === EM_NONE);
}

const embeddedLabel = (file: string, offBytes: number): string => `${file}:0x${offBytes.toString(16)}`;

function imageAt(file: string, bytes: Uint8Array, { offset, size }: EmbeddedElf): ObjectImage {
  return {
    file,
    offBytes: offset,
    label: embeddedLabel(file, offset),
    bytes: bytes.subarray(offset, offset + size),
  };
}

/** `FILE:0x1f40` → file and offset, unless a file of the whole name exists. */
function splitLabel(text: string): { file: string; offBytes: number | undefined } {
  const match = /^(.+):(0x[0-9a-fA-F]{1,12})$/.exec(text);
  if (match === null || existsSync(text)) return { file: text, offBytes: undefined };
  return { file: match[1], offBytes: Number(match[2]) };
}

/**
 * The BPF objects a command-line argument stands for: the file itself, those embedded in an executable or any other
 * file, or the one at the offset of `FILE:0x1f40`. Throws `arg.file`, `arg.no-object`, and `elf.*` for a broken ELF file.
 */
export function objectImages(text: string): ObjectImage[] {
  const { file, offBytes } = splitLabel(text);
  const bytes = readFileBytes(file);
  if (offBytes === undefined && isElf(bytes) && isBpfObject(bytes, file)) {
    return [{ file, offBytes: undefined, label: file, bytes }];
  }
  const all = findEmbeddedElf(bytes, { machine: EM_BPF });
  const found = offBytes === undefined ? all : all.filter(({ offset }) => offset === offBytes);
  if (found.length > 0) return found.map(image => imageAt(file, bytes, image));
  throw new FarcallError({
    code: 'arg.no-object',
    message:
      offBytes === undefined ? 'neither a BPF object nor a file with one inside' : 'no BPF object at this offset',
    expected:
      offBytes === undefined
        ? 'an ELF file for BPF'
        : all.map(({ offset }) => embeddedLabel(file, offset)).join(', ') || 'one',
    found: bytes.length === 0 ? 'an empty file' : undefined,
    where: { file: text },
  });
}

/** The one object an argument stands for. Throws `arg.which-object` when a file holds several. */
export function objectImage(text: string): ObjectImage {
  const images = objectImages(text);
  if (images.length === 1) return images[0];
  throw new FarcallError({
    code: 'arg.which-object',
    message: `${images.length} BPF objects are inside; name one by its offset`,
    expected: images.map(image => image.label).join(' or '),
    where: { file: text },
  });
}

/** Opens an image. Its errors name it. */
export function openImage(image: ObjectImage): ObjectSpec {
  return withWhere({ file: image.label }, () => openObject(image.bytes, { name: image.file, file: image.label }));
}
