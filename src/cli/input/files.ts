import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { concatBytes, FarcallError } from '../../util/index.ts';
import { fileError } from '../failure.ts';
import type { Io } from '../io.ts';

/** No input is larger. */
export const MAX_FILE_BYTES = 512 * 1024 * 1024;

function tooLarge(file: string, found: string): FarcallError {
  return new FarcallError({
    code: 'arg.file-too-large',
    message: 'the file is too large',
    expected: `at most ${MAX_FILE_BYTES / 1024 / 1024} MiB`,
    found,
    where: { file },
  });
}

/**
 * The bytes of a file. Also of those whose size nobody knows beforehand (pipes, `/sys/kernel/btf/vmlinux`), to the same
 * limit. Throws `arg.file` (absent, a directory, not readable) and `arg.file-too-large`.
 */
export function readFileBytes(file: string): Uint8Array {
  try {
    const fd = openSync(file, 'r');
    try {
      const stat = fstatSync(fd);
      if (stat.isDirectory()) throw new FarcallError({ code: 'arg.file', message: 'is a directory', where: { file } });
      if (stat.size > MAX_FILE_BYTES) throw tooLarge(file, `${stat.size} bytes`);
      return stat.isFile() && stat.size > 0 ? readSized(fd, stat.size) : readUnsized(fd, file);
    } finally {
      closeSync(fd);
    }
  } catch (error) {
    throw fileError(error, file);
  }
}

function readSized(fd: number, sizeBytes: number): Uint8Array {
  const bytes = new Uint8Array(sizeBytes);
  let length = 0;
  while (length < sizeBytes) {
    const got = readSync(fd, bytes, length, sizeBytes - length, null);
    if (got === 0) break;
    length += got;
  }
  return bytes.subarray(0, length);
}

function readUnsized(fd: number, file: string): Uint8Array {
  const parts: Uint8Array[] = [];
  let length = 0;
  for (;;) {
    const part = new Uint8Array(65536);
    const got = readSync(fd, part, 0, part.length, null);
    if (got === 0) return concatBytes(parts);
    length += got;
    if (length > MAX_FILE_BYTES) throw tooLarge(file, 'more');
    parts.push(part.subarray(0, got));
  }
}

/** All of standard input, to the same limit. */
export async function readStdin(io: Io): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let length = 0;
  for await (const part of io.stdin()) {
    length += part.length;
    if (length > MAX_FILE_BYTES) throw tooLarge('standard input', 'more');
    parts.push(part);
  }
  return concatBytes(parts);
}

/** A file, or standard input for `-`. */
export async function readInput(file: string, io: Io): Promise<Uint8Array> {
  return file === '-' ? await readStdin(io) : readFileBytes(file);
}

/** Unpacks gzip when the bytes are that; others are returned as they are. Throws `arg.gzip`. */
export function gunzipped(bytes: Uint8Array, file: string): Uint8Array {
  if (bytes[0] !== 0x1f || bytes[1] !== 0x8b) return bytes;
  try {
    return gunzipSync(bytes, { maxOutputLength: MAX_FILE_BYTES });
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    if (code === 'ERR_BUFFER_TOO_LARGE') throw tooLarge(file, 'more when unpacked');
    throw new FarcallError({ code: 'arg.gzip', message: `gzip data is damaged: ${message}`, where: { file }, cause });
  }
}
