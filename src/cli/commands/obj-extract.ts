import { mkdirSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import type { Call, Command } from '../command.ts';
import { fileError, usageError } from '../failure.ts';
import { type ObjectImage, objectImages } from '../input/object-file.ts';

/** `biosnoop.o`, or `biosnoop-0x1f40.o` when the file holds several. */
function fileName(image: ObjectImage, only: boolean): string {
  const base = basename(image.file);
  const name = base.endsWith('.o') ? base.slice(0, -2) : base;
  return only || image.offBytes === undefined ? `${name}.o` : `${name}-0x${image.offBytes.toString(16)}.o`;
}

/** A name nothing has been written to in this call: `tool.o`, `tool-2.o` … */
function unused(name: string, taken: Set<string>): string {
  let candidate = name;
  for (let n = 2; taken.has(candidate); n++) candidate = `${name.slice(0, -2)}-${n}.o`;
  taken.add(candidate);
  return candidate;
}

function run({ args, options, out }: Call): void {
  const dir = options.text('output');
  if (dir === undefined) throw usageError('where to is missing', '-o DIR');
  try {
    mkdirSync(dir, { recursive: true });
  } catch (error) {
    throw fileError(error, dir);
  }
  const taken = new Set<string>();
  for (const file of args) {
    try {
      const images = objectImages(file);
      for (const image of images) {
        const path = join(dir, unused(fileName(image, images.length === 1), taken));
        writeImage(path, image);
        out.record({ file: image.file, offset: image.offBytes ?? 0, bytes: image.bytes.length, output: path });
        out.text(`${path}  ${image.bytes.length} bytes from ${image.label}\n`);
      }
    } catch (error) {
      out.error(error);
    }
  }
}

function writeImage(path: string, image: ObjectImage): void {
  try {
    writeFileSync(path, image.bytes);
  } catch (error) {
    throw fileError(error, path);
  }
}

export const objExtract: Command = {
  summary: 'Write BPF objects that are embedded in other files to a directory',
  args: [{ name: 'FILE', summary: 'files to search', kind: 'file', required: true, variadic: true }],
  options: [{ name: 'output', short: 'o', value: 'DIR', kind: 'dir', summary: 'where to; made when it is not there' }],
  examples: [
    { line: 'farcall obj extract /usr/sbin/biosnoop -o objects', what: 'the objects of one program' },
    { line: 'farcall obj extract /usr/sbin/* -o objects', what: 'all there are; files without any are reported' },
  ],
  run,
};
