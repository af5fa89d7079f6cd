import { existsSync } from 'node:fs';
import { isElf } from '../../elf/index.ts';
import { type ByteOrder, FarcallError, fromHex } from '../../util/index.ts';
import type { Io } from '../io.ts';
import { readFileBytes, readStdin } from './files.ts';

/** Whether bytes are text of hex digits: instructions as bytes always hold something else, such as zeroes. */
function looksLikeHex(bytes: Uint8Array): boolean {
  for (const byte of bytes) {
    const digit = (byte >= 0x30 && byte <= 0x39) || (byte >= 0x41 && byte <= 0x46) || (byte >= 0x61 && byte <= 0x66);
    const between = byte === 0x20 || (byte >= 9 && byte <= 13) || byte === 0x2c || byte === 0x3a || byte === 0x78;
    if (!digit && !between) return false;
  }
  return bytes.length > 0;
}

function bytesOf(bytes: Uint8Array, file: string): Uint8Array {
  if (isElf(bytes)) {
    throw new FarcallError({
      code: 'arg.input',
      message: 'this is an ELF object; use: farcall prog dump raw',
      expected: 'instructions as bytes or hex text',
      where: { file },
    });
  }
  return looksLikeHex(bytes) ? fromHex(new TextDecoder().decode(bytes)) : bytes;
}

/** Instruction bytes: of a file or standard input, as bytes or as hex text; or of hex text given in place of a file. */
export async function readInsnBytes(text: string | undefined, io: Io): Promise<Uint8Array> {
  if (text === undefined || text === '-') return bytesOf(await readStdin(io), 'standard input');
  if (text.startsWith('hex:')) return fromHex(text.slice('hex:'.length));
  if (!existsSync(text) && /^[0-9a-fA-Fx\s:,]+$/.test(text)) return fromHex(text);
  return bytesOf(readFileBytes(text), text);
}

export function byteOrderOf(text: string | undefined): ByteOrder {
  return text === 'big' ? 'big' : 'little';
}
