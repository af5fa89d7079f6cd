import { showProg, showProgJson, visibleInfo } from '../../machine/index.ts';
import type { Call, Command } from '../command.ts';
import { inspectObject } from '../inspect/inspect-object.ts';
import { INSPECT_OPTIONS, OBJECT_ARG, VIEWER_OPTIONS, viewerOf } from '../inspect/options.ts';
import { bootTime, reportInspection } from '../inspect/report.ts';
import { VERIFIED_FORM } from '../inspect/verified.ts';

function run(call: Call): void {
  const { options, out } = call;
  const inspection = inspectObject(call);
  const boot = bootTime(call);
  for (const { info, source, memlockBytes } of inspection.programs) {
    const seen = visibleInfo(info, viewerOf(options));
    const facts = { ...boot, memlockBytes };
    out.text(showProg(seen, source.btf, facts));
    out.record(showProgJson(seen, source.btf, facts));
  }
  reportInspection(call, inspection);
}

export const progShow: Command = {
  summary: 'Show programs as their kernel lists them once they are loaded',
  description:
    'The object is loaded into a simulated kernel and compiled; what is printed is what bpftool prog show says there. ' +
    'Programs are loaded when the command runs; SOURCE_DATE_EPOCH sets another time. ' +
    VERIFIED_FORM,
  args: [OBJECT_ARG],
  options: [...INSPECT_OPTIONS, ...VIEWER_OPTIONS],
  examples: [
    { line: 'farcall prog show examples/load_balancer.bpf.o', what: 'programs, tags and sizes' },
    { line: 'farcall prog show examples/tail_parser.bpf.o --target ppc64le --compat --json', what: 'as data' },
  ],
  run,
};
