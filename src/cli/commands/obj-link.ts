import { writeFileSync } from 'node:fs';
import { linkObjects } from '../../object/index.ts';
import type { Call, Command } from '../command.ts';
import { fileError, usageError } from '../failure.ts';
import { objectImage } from '../input/object-file.ts';

function run({ args, out }: Call): void {
  const [output, ...files] = args;
  if (files.length === 0) throw usageError('nothing to link', 'OUT FILE…');
  const images = files.map(objectImage);
  const linked = linkObjects(images.map(({ bytes, label }) => ({ bytes, name: label })));
  try {
    writeFileSync(output, linked);
  } catch (error) {
    throw fileError(error, output);
  }
  const from = images.map(image => image.label);
  out.record({ output, bytes: linked.length, inputs: from });
  out.text(`${output}  ${linked.length} bytes from ${from.join(', ')}\n`);
}

export const objLink: Command = {
  summary: 'Link several objects into one',
  description: 'As bpftool gen object does: sections of one name are joined, symbols and externs resolved, BTF merged.',
  args: [
    { name: 'OUT', summary: 'object to write', kind: 'file', required: true },
    { name: 'FILE', summary: 'objects to link', kind: 'file', required: true, variadic: true },
  ],
  options: [],
  examples: [
    { line: 'farcall obj link linked.o a.bpf.o b.bpf.o', what: 'two objects' },
    { line: 'farcall gen object linked.o a.bpf.o b.bpf.o', what: 'the same as bpftool spells it' },
  ],
  run,
};
