import { type DialectName, disassemble, printInsn } from '../../asm/index.ts';
import { decodeInsns, isWide } from '../../isa/index.ts';
import { helperName } from '../../uapi/index.ts';
import type { Call, Command } from '../command.ts';
import { byteOrderOf, readInsnBytes } from '../input/insn-input.ts';
import { DIALECT, ORDER } from './shared-options.ts';

async function run({ args, options, out, io }: Call): Promise<void> {
  const bytes = await readInsnBytes(args.length > 1 ? `hex:${args.join(' ')}` : args[0], io);
  const insns = decodeInsns(bytes, byteOrderOf(options.text('order')));
  const dialect = options.text('dialect') as DialectName;
  const hooks = dialect === 'kernel' ? { helperName, linux: options.text('linux') } : {};
  out.text(disassemble(insns, { dialect, labels: options.flag('labels'), ...hooks }));
  if (!out.json) return;
  for (let idx = 0; idx < insns.length; idx++) {
    out.record({ insn_idx: idx, ...insns[idx], text: printInsn(insns, idx, { dialect, ...hooks }) });
    if (isWide(insns[idx]) && idx + 1 < insns.length) idx++;
  }
}

export const insnDisasm: Command = {
  summary: 'Disassemble instructions to text',
  description: 'What is printed assembles to the same bytes again. The JSON form has one object an instruction.',
  args: [
    {
      name: 'HEX|FILE',
      summary: 'hex digits, or a file of bytes or hex text; standard input when left out',
      kind: 'file',
      variadic: true,
    },
  ],
  options: [
    DIALECT,
    ORDER,
    { name: 'labels', summary: 'name jump targets instead of counting' },
    { name: 'linux', value: 'RELEASE', kind: 'text', summary: 'kernel dialect: print as this release does, 6.12' },
  ],
  examples: [
    {
      line: "farcall insn disasm 'b7 00 00 00 02 00 00 00 95 00 00 00 00 00 00 00'",
      what: 'hex from the command line',
    },
    { line: 'farcall insn disasm --labels prog.bin', what: 'a file of raw instructions' },
    { line: 'farcall insn disasm -d kernel prog.bin', what: 'as the verifier log prints them' },
  ],
  run,
};
