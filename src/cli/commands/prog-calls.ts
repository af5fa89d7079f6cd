import { defaultLayout, findLayout, type Placement } from '../../kernels/index.ts';
import { showHead, showHeadJson } from '../../machine/index.ts';
import type { Call, Command } from '../command.ts';
import { callRecord, callsText, type LayoutCalls, layoutCalls } from '../inspect/call-table.ts';
import { capstoneDisassembler } from '../inspect/disassembler.ts';
import { type Inspection, inspectObject } from '../inspect/inspect-object.ts';
import { INSPECT_OPTIONS, OBJECT_ARG, SEVERAL_LAYOUTS } from '../inspect/options.ts';
import { between, reportInspection } from '../inspect/report.ts';
import { VERIFIED_FORM } from '../inspect/verified.ts';

/** Farther than any CPU's call relative to its own address reaches: 8 GB on POWER10. */
const OUT_OF_REACH = 1n << 34n;
/** So that addresses have bits in all their parts, as most have. */
const CROOKED = 0x13579bd0n;

/** Places every function out of reach of all others; undefined where the layout has no room for that. */
function farPlacement({
  space,
  programs,
}: Inspection): ((program: string, index: number) => Placement | undefined) | undefined {
  const { start, end } = space.layout.images;
  const places = (end - start) / OUT_OF_REACH - 1n;
  const functions = programs.reduce((sum, { prog }) => sum + (prog.jited ? prog.funcs.length : 0), 0);
  if (places < BigInt(functions)) return undefined;
  const shown = new Set(programs.map(({ name }) => name));
  let next = 0n;
  return program => (shown.has(program) && next < places ? { at: start + OUT_OF_REACH * ++next + CROOKED } : undefined);
}

async function run(call: Call): Promise<void> {
  const { options, out } = call;
  const names = [...new Set(options.texts('layout'))];
  const first = inspectObject(call, { layout: names[0] });
  const { verified } = first;
  const wanted = names.length > 0 ? names : [defaultLayout(first.target.arch).name];
  for (const name of wanted) findLayout(name);
  const disassemble = await capstoneDisassembler(first.target);
  if (disassemble === undefined) out.note('without @alexaltea/capstone-js the instructions of calls are not shown');
  const views = wanted.map((layout, i) => {
    const near = i === 0 ? first : inspectObject(call, { layout, verified });
    const placement = farPlacement(near);
    return { near, far: placement === undefined ? undefined : inspectObject(call, { layout, placement, verified }) };
  });
  for (const [i, { name, prog, info, source }] of first.programs.entries()) {
    if (!prog.jited) continue;
    const layouts = views.flatMap(({ near, far }): LayoutCalls[] => {
      const here = near.programs.find(program => program.name === name)?.prog;
      const apart = far?.programs.find(program => program.name === name)?.prog;
      return here?.jited === true ? [layoutCalls(here, apart?.jited === true ? apart : undefined, disassemble)] : [];
    });
    const head = `${prog.target.name}, ${prog.cpu}${prog.mode === 'compat' ? ', as Linux 6.12 compiles' : ''}`;
    const text = layouts[0].calls.length === 0 ? 'no calls\n' : callsText(layouts, out.paint);
    out.text(`${between(first.programs, i, '\n')}${showHead(info, source.btf)}${head}\n${text}`);
    out.record({
      ...showHeadJson(info, source.btf),
      target: prog.target.name,
      cpu: prog.cpu,
      mode: prog.mode,
      layouts: layouts.map(callRecord),
    });
  }
  reportInspection(call, first);
}

export const progCalls: Command = {
  summary: 'Show how each call of a compiled program reaches its callee',
  description:
    'For each call its distance, the form the compiler chose, and the code; what calls within the program take ' +
    'together, what they would take were every callee out of reach, and where a compiler would lead them that knows of ' +
    'the distance from __bpf_call_base only the 32 bits that imm can hold. ' +
    VERIFIED_FORM,
  args: [OBJECT_ARG],
  options: INSPECT_OPTIONS.map(option => (option.name === 'layout' ? SEVERAL_LAYOUTS : option)),
  examples: [
    { line: 'farcall prog calls examples/checksum.bpf.o --target ppc64le', what: 'where the kernel usually lies' },
    {
      line: 'farcall prog calls examples/checksum.bpf.o -t ppc64le --layout ppc64-radix --layout ppc64-hash',
      what: 'two address layouts side by side',
    },
  ],
  run,
};
