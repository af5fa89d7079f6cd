import { chmodSync, writeFileSync } from 'node:fs';
import type { Call } from '../command.ts';
import { fileError, usageError } from '../failure.ts';

/** What is said of a file that was written. */
export interface Written {
  readonly record: Readonly<Record<string, unknown>>;
  /** What it holds, in a few words. */
  readonly text: string;
  /** More lines, without newlines. */
  readonly lines?: readonly string[];
}

/** Writes to the file `--output` names and says so, or to standard output and says nothing. */
export function writeOutput({ options, out, io }: Call, bytes: Uint8Array, mode: number, written: Written): void {
  const path = options.text('output');
  if (path === undefined || path === '-') {
    if (io.stdout.isTTY && bytes.includes(0))
      throw usageError('binary code does not go to a terminal', '--output FILE');
    out.raw(bytes);
    return;
  }
  try {
    writeFileSync(path, bytes, { mode });
    // A file that was there keeps its mode otherwise.
    if ((mode & 0o111) !== 0) chmodSync(path, mode);
  } catch (error) {
    throw fileError(error, path);
  }
  out.record({ output: path, bytes: bytes.length, ...written.record });
  out.text(
    `${path}  ${bytes.length} bytes: ${written.text}\n${(written.lines ?? []).map(line => `${line}\n`).join('')}`,
  );
}
