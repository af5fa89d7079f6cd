import { formatKsym } from '../../kernels/index.ts';
import { hex64 } from '../../util/index.ts';
import type { Call, Command } from '../command.ts';
import { inspectObject } from '../inspect/inspect-object.ts';
import { INSPECT_OPTIONS, OBJECT_ARG } from '../inspect/options.ts';
import { reportInspection } from '../inspect/report.ts';
import { VERIFIED_FORM } from '../inspect/verified.ts';

function run(call: Call): void {
  const { options, out } = call;
  const hide = options.flag('kptr-restrict');
  const inspection = inspectObject(call);
  const { space, programs } = inspection;
  const list = (symbol: ReturnType<typeof space.ksyms>[number], owner: object = {}): void => {
    out.text(`${formatKsym(symbol, { hide })}\n`);
    const { addr, sizeBytes, kind, name, module } = symbol;
    out.record({ addr: hex64(hide ? 0n : addr), size: sizeBytes, kind, name, module: module || undefined, ...owner });
  };
  if (options.flag('all')) for (const symbol of space.ksyms(true)) if (symbol.module === '') list(symbol);
  const published = new Map(space.ksyms().map(symbol => [symbol.addr, symbol]));
  for (const { name, prog, info } of programs) {
    if (!prog.jited) continue;
    // A program's own symbol is published last, when the system call is done.
    for (const func of [...prog.funcs.slice(1), prog.funcs[0]]) {
      const symbol = published.get(func.addr);
      if (symbol !== undefined) list(symbol, { prog: name, id: info.id, func: func.index });
    }
  }
  reportInspection(call, inspection);
}

export const kallsyms: Command = {
  summary: 'List the symbols of compiled programs, as /proc/kallsyms does',
  description:
    'The object is loaded into a simulated kernel; each function of each program has a symbol there. They stand in the ' +
    'order in which Linux publishes them: the functions of a program, then the program. ' +
    VERIFIED_FORM,
  args: [OBJECT_ARG],
  options: [
    ...INSPECT_OPTIONS,
    { name: 'all', summary: "the kernel's own symbols first, as far as they are recorded" },
    { name: 'kptr-restrict', summary: 'as seen where kernel.kptr_restrict is 2: addresses are 0' },
  ],
  examples: [
    { line: 'farcall kallsyms examples/checksum.bpf.o', what: 'where its functions lie' },
    {
      line: 'farcall kallsyms examples/checksum.bpf.o --target ppc64le --layout ppc64-hash',
      what: 'on a PowerPC with hash page tables',
    },
  ],
  run,
};
