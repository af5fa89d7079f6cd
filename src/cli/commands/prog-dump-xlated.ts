import {
  type DumpSource,
  dumpXlated,
  dumpXlatedGraph,
  dumpXlatedJson,
  HIDDEN_SYMBOLS,
  type InspectedProgram,
  showHead,
  showHeadJson,
  visibleInfo,
} from '../../machine/index.ts';
import { FarcallError } from '../../util/index.ts';
import type { Call, Command } from '../command.ts';
import { inspectObject } from '../inspect/inspect-object.ts';
import {
  AS_BPFTOOL,
  DUMP_WORDS,
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

/** The program as the caller may see it. */
function seenBy({ options }: Call, { info, source, name }: InspectedProgram): DumpSource {
  const viewer = viewerOf(options);
  const seen = visibleInfo(info, viewer);
  if (seen.xlated.length === 0) {
    throw new FarcallError({
      code: 'run.hidden',
      message: 'error retrieving insn dump: kernel.kptr_restrict set?',
      expected: 'CAP_BPF',
      where: { name },
    });
  }
  return { ...source, info: seen, symbols: viewer.kallsymsShow ? source.symbols : HIDDEN_SYMBOLS };
}

/** The one whose kernel's form is known exactly. */
const USUALLY = 'x86_64';

function run(call: Call): void {
  const { args, options, out } = call;
  const words = wordsGiven(DUMP_WORDS, args.slice(1), options);
  const inspection = inspectObject(call, { usually: USUALLY });
  const { programs } = inspection;
  const asBpftool = options.flag('as-bpftool');
  const shown = { opcodes: words.has('opcodes'), linum: words.has('linum'), asBpftool };
  for (const [i, program] of programs.entries()) {
    const source = seenBy(call, program);
    const { info, btf } = source;
    const several = programs.length > 1;
    noteLines(call, source);
    if (words.has('visual')) {
      const dot = dumpXlatedGraph(source, shown);
      out.text(dot);
      out.record({ ...showHeadJson(info, btf), dot });
      continue;
    }
    out.text(`${between(programs, i, '\n')}${several ? showHead(info, btf) : ''}${dumpXlated(source, shown)}`);
    if (!out.json) continue;
    const insns = dumpXlatedJson(source, shown);
    out.record(several ? { ...showHeadJson(info, btf), insns } : insns);
  }
  reportInspection(call, inspection);
}

export const progDumpXlated: Command = {
  summary: 'Disassemble programs as their kernel keeps them',
  description:
    'After the fixups of the verifier and with the addresses of the JIT, in the words of bpftool prog dump xlated: ' +
    'prototypes and source lines, the names of callees, maps by id. With --json one program is an array, as bpftool ' +
    'has it; several are an object a line. ' +
    VERIFIED_FORM,
  args: [OBJECT_ARG, wordArg(DUMP_WORDS)],
  options: [
    ...INSPECT_OPTIONS.map(option =>
      option.name === 'target'
        ? { ...option, summary: `whose kernel it is; default: ${USUALLY}, or the first of the object's byte order` }
        : option,
    ),
    ...wordOptions(DUMP_WORDS),
    ...VIEWER_OPTIONS,
    AS_BPFTOOL,
  ],
  examples: [
    { line: 'farcall prog dump xlated examples/checksum.bpf.o', what: 'all programs' },
    { line: 'farcall prog dump xlated examples/firewall.bpf.o --prog ingress opcodes linum', what: 'one in full' },
    { line: 'farcall prog dump xlated prog.o --target ppc64le', what: "as farcall's engines run it on PowerPC" },
    { line: 'farcall prog dump xlated prog.o -p main visual | dot -Tsvg > prog.svg', what: 'its control flow graph' },
  ],
  run,
};
