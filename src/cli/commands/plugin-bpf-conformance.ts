import { checkForm, decodeInsns } from '../../isa/index.ts';
import { createMachine } from '../../machine/index.ts';
import { bpf_prog_type } from '../../uapi/index.ts';
import { decodeText, fromHex } from '../../util/index.ts';
import type { Call, Command } from '../command.ts';
import { EXIT } from '../failure.ts';
import { readStdin } from '../input/files.ts';
import { ENGINE_OPTIONS, engineOf } from '../run/engines.ts';

/** The suite's programs are short; one that runs this long never ends. */
const INSN_LIMIT = 100_000_000;

/** A program that is not accepted or does not end well: said on standard error, exit code 1. */
function refuse({ out }: Call, code: string, insnIdx: number, message: string): void {
  out.failure({ code, message: `insn ${insnIdx}: ${message}`, where: { insnIdx }, exit: EXIT.refused });
}

async function run(call: Call): Promise<void> {
  const { args, options, out, io } = call;
  const memory = fromHex(args[0] ?? '');
  const insns = decodeInsns(fromHex(decodeText(await readStdin(io))));
  const [problem] = checkForm(insns, { arguments: [1, 2] });
  if (problem !== undefined) return refuse(call, 'insn.refused', problem.insnIdx, problem.message);
  const machine = createMachine({ engine: engineOf(options, 'interp') });
  const program = machine.loadInsns('test', bpf_prog_type.BPF_PROG_TYPE_UNSPEC, insns);
  const result = machine.runOnMemory(program, memory, { insnBudget: INSN_LIMIT });
  if (!result.ok) return refuse(call, `run.${result.fault.kind}`, result.fault.insnIdx, result.fault.message);
  out.record({ r0: result.r0.toString(16), memory });
  out.text(`${result.r0.toString(16)}\n`);
}

export const pluginBpfConformance: Command = {
  summary: 'Run one test of the bpf_conformance suite, by its plugin protocol',
  description:
    "The program comes as hex on standard input, r0 goes as hex to standard output. r1 is the address of the memory's " +
    'bytes, r2 how many there are. Programs with reserved fields set, unknown opcodes, jumps outside, unset registers ' +
    'or without an exit are refused with exit code 1.',
  args: [{ name: 'HEXMEM', summary: 'the memory as hex; none when left out', kind: 'text' }],
  options: ENGINE_OPTIONS,
  examples: [
    {
      line: "echo '71 10 00 00 00 00 00 00 95 00 00 00 00 00 00 00' | farcall plugin bpf_conformance 2a",
      what: 'the first byte of the memory',
    },
  ],
  run,
};
