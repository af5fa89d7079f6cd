import {
  type Disassembler,
  dumpJited,
  dumpJitedJson,
  type InspectedProgram,
  type JitedDumpOptions,
  showHead,
  showHeadJson,
  visibleInfo,
} from '../../machine/index.ts';
import type { Call, Command } from '../command.ts';
import { capstoneDisassembler } from '../inspect/disassembler.ts';
import { inspectObject } from '../inspect/inspect-object.ts';
import {
  AS_BPFTOOL,
  type DumpWord,
  INSPECT_OPTIONS,
  OBJECT_ARG,
  VIEWER_OPTIONS,
  viewerOf,
  wordArg,
  wordOptions,
  wordsGiven,
} from '../inspect/options.ts';
import { between, noteLines, reportInspection } from '../inspect/report.ts';
import { VERIFIED_FORM } from '../inspect/verified.ts';

const WORDS: readonly DumpWord[] = ['opcodes', 'linum'];

/** Bytes of a function descriptor in front of the code. */
function descriptorBytes({ prog }: InspectedProgram): number {
  return prog.jited ? Number(prog.funcs[0].entry - prog.funcs[0].addr) : 0;
}

async function run(call: Call): Promise<void> {
  const { args, options, out } = call;
  const words = wordsGiven(WORDS, args.slice(1), options);
  const inspection = inspectObject(call);
  const { programs, target } = inspection;
  const capstone = await capstoneDisassembler(target);
  if (capstone === undefined) out.note('without @alexaltea/capstone-js code is shown as numbers');
  const disassemble: Disassembler = capstone ?? (() => undefined);
  for (const [i, program] of programs.entries()) {
    const info = visibleInfo(program.info, viewerOf(options));
    const source = { ...program.source, info };
    const several = programs.length > 1;
    if (info.jited.length === 0) {
      out.note(`${program.name}: no instructions returned`);
      continue;
    }
    noteLines(call, source);
    const shown: JitedDumpOptions = {
      asBpftool: options.flag('as-bpftool'),
      opcodes: words.has('opcodes'),
      linum: words.has('linum'),
      descriptorBytes: descriptorBytes(program),
      unitBytes: target.alignBytes,
    };
    out.text(
      `${between(programs, i, '\n')}${several ? showHead(info, source.btf) : ''}${dumpJited(source, disassemble, shown)}`,
    );
    if (!out.json) continue;
    const functions = dumpJitedJson(source, disassemble, shown);
    out.record(several ? { ...showHeadJson(info, source.btf), insns: functions } : functions);
  }
  reportInspection(call, inspection);
}

export const progDumpJited: Command = {
  summary: 'Disassemble programs as they are compiled, function by function',
  description:
    'In the form of bpftool prog dump jited: for each function its prototype, its symbol, its code beside the source. ' +
    'With --json one program is an array, as bpftool has it; several are an object a line. ' +
    VERIFIED_FORM,
  args: [OBJECT_ARG, wordArg(WORDS)],
  options: [...INSPECT_OPTIONS, ...wordOptions(WORDS), ...VIEWER_OPTIONS, AS_BPFTOOL],
  examples: [
    { line: 'farcall prog dump jited examples/checksum.bpf.o --target ppc64le', what: 'all functions' },
    {
      line: 'farcall prog dump jited examples/checksum.bpf.o --target ppc64le --layout ppc64-hash --compat opcodes',
      what: "as Linux 6.12 compiles it, in an old kernel's addresses",
    },
  ],
  run,
};
