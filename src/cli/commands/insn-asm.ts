import { assembleSource, type DialectName } from '../../asm/index.ts';
import { encodeInsns } from '../../isa/index.ts';
import { helperId } from '../../uapi/index.ts';
import { decodeText, toHex } from '../../util/index.ts';
import type { Call, Command } from '../command.ts';
import { readInput } from '../input/files.ts';
import { byteOrderOf } from '../input/insn-input.ts';
import { DIALECT, ORDER } from './shared-options.ts';

async function run({ args, options, out, io }: Call): Promise<void> {
  const file = args[0] ?? '-';
  const text = decodeText(await readInput(file, io));
  const assembly = assembleSource(text, {
    dialect: options.text('dialect') as DialectName,
    file: file === '-' ? 'standard input' : file,
    helperId,
  });
  for (const error of assembly.errors) out.error(error);
  if (assembly.errors.length > 0) return;
  const bytes = encodeInsns(assembly.insns, byteOrderOf(options.text('order')));
  const format = out.json ? 'json' : options.text('format');
  if (format === 'raw') out.raw(bytes);
  else if (format === 'json') {
    out.raw(
      `${JSON.stringify({ hex: toHex(bytes), insns: assembly.insns, labels: Object.fromEntries(assembly.labels) })}\n`,
    );
  } else {
    for (let at = 0; at < bytes.length; at += 8) out.raw(`${toHex(bytes.subarray(at, at + 8), ' ')}\n`);
  }
}

export const insnAsm: Command = {
  summary: 'Assemble text to instructions',
  description: 'Prints all mistakes of the text with line and column, up to twenty.',
  args: [{ name: 'FILE', summary: 'text; standard input when left out', kind: 'file' }],
  options: [
    DIALECT,
    ORDER,
    {
      name: 'format',
      short: 'f',
      value: 'FORMAT',
      kind: 'choice',
      choices: ['hex', 'raw', 'json'],
      default: 'hex',
      summary: 'hex text with one slot a line, raw bytes, or JSON',
    },
  ],
  examples: [
    { line: "echo 'r0 = 2; exit' | farcall insn asm", what: 'two instructions to hex' },
    { line: 'farcall insn asm --format raw prog.s > prog.bin', what: 'a program to bytes' },
    {
      line: "echo 'mov %r0, 2' | farcall insn asm -d conformance",
      what: 'in the dialect of the bpf_conformance suite',
    },
  ],
  run,
};
