import { FarcallError } from '../../util/index.ts';
import { EngineBench, type Samples } from '../bench/measure.ts';
import type { Call, Command, OptionSpec } from '../command.ts';
import { EXIT, usageError } from '../failure.ts';
import { formatTable } from '../format/table.ts';
import { Progress } from '../progress.ts';
import { ENGINE_NAMES, engineNamed } from '../run/engines.ts';
import { faultRecord, reportFault } from '../run/fault-report.ts';
import { makePlan, type RunPlan } from '../run/plan.ts';
import { RUN_OPTIONS } from '../run/run-options.ts';
import { typeNameOf } from '../run/session.ts';

/** Options of a run that mean something else here, or nothing. */
const OTHER = ['engine', 'layout', 'target-cpu', 'compat', 'repeat', 'event-type', 'insn-limit'];

const OPTIONS: readonly OptionSpec[] = [
  {
    name: 'engine',
    short: 'e',
    value: 'ENGINE',
    kind: 'choice',
    choices: ENGINE_NAMES,
    repeat: true,
    summary: "an engine to measure; may be repeated; default: all that run the object's byte order",
  },
  {
    name: 'rounds',
    value: 'N',
    kind: 'integer',
    min: 1n,
    max: 10_000n,
    summary: 'samples of each engine, which take turns; default 11',
  },
  {
    name: 'sample-ms',
    value: 'MS',
    kind: 'integer',
    min: 1n,
    max: 60_000n,
    summary: 'what a sample should take at least; default 20',
  },
  ...RUN_OPTIONS.filter(({ name }) => !OTHER.includes(name)),
];

/** Instructions of a run, on average over the packets, as the interpreter counts them. */
async function countInsns(call: Call): Promise<{ readonly insns: number; readonly plan: RunPlan }> {
  const plan = await makePlan(call, true, order => engineNamed('interp', order));
  const { session, request, data } = plan;
  const packets = packetsOf(plan);
  let total = 0;
  let ran = 0;
  for (const dataIn of packets) {
    try {
      const result = session.machine.run(session.program, { ...request, dataIn });
      if (result.fault !== undefined || result.insnCount === undefined) continue;
      total += result.insnCount;
      ran++;
    } catch (error) {
      // Captures often hold frames that no test run takes.
      if (!(error instanceof FarcallError) || data?.capture !== true) throw error;
    }
  }
  return { insns: ran === 0 ? 0 : total / ran, plan };
}

const packetsOf = ({ data }: RunPlan): readonly (Uint8Array | undefined)[] =>
  data === undefined ? [undefined] : data.packets.map(({ bytes }) => bytes);

/** Packets of a capture that a run begins with at all. */
function runnable(plan: RunPlan): readonly (Uint8Array | undefined)[] {
  const { session, request, data } = plan;
  if (data?.capture !== true) return packetsOf(plan);
  return packetsOf(plan).filter(dataIn => {
    try {
      session.machine.run(session.program, { ...request, dataIn });
      return true;
    } catch (error) {
      if (!(error instanceof FarcallError)) throw error;
      return false;
    }
  });
}

const figure = (ns: number): string => (ns < 100 ? ns.toFixed(2) : Math.round(ns).toString());

function samplesText(samples: Samples): [median: string, spread: string] {
  if (samples.count === 0) return ['', ''];
  return [figure(samples.median), `${figure(samples.least)}–${figure(samples.most)}`];
}

const samplesRecord = (samples: Samples): Record<string, number> | undefined =>
  samples.count === 0
    ? undefined
    : { median: samples.median, min: samples.least, max: samples.most, samples: samples.count };

async function run(call: Call): Promise<void> {
  const { options, out, io } = call;
  const runs: Call = { ...call, options: options.declaredAs(RUN_OPTIONS, OTHER) };
  const { insns, plan: counted } = await countInsns(runs);
  const packets = runnable(counted);
  if (packets.length === 0)
    throw usageError('no packet of the capture can be run', 'at least one that fits the program');
  const named = options.texts('engine');
  const order = counted.session.spec?.order ?? 'little';
  const names =
    named.length > 0 ? [...new Set(named)] : ENGINE_NAMES.filter(name => engineNamed(name, order, true) !== undefined);
  const effort = {
    rounds: options.integer('rounds') ?? 11,
    sampleMs: options.integer('sample-ms') ?? 20,
    now: () => io.now(),
  };
  const benches: EngineBench[] = [];
  for (const name of names) {
    const plan = await makePlan(runs, true, given => engineNamed(name, given));
    benches.push(new EngineBench(name, plan, packets, effort));
  }
  const progress = new Progress(out, 'rounds', effort.rounds);
  for (let round = 0; round < effort.rounds; round++) {
    for (const bench of benches) bench.round();
    progress.update(round + 1);
  }
  progress.end();
  const { program, spec } = counted.session;
  const title = {
    prog: program.name,
    type: typeNameOf(program),
    packets: packets[0] === undefined ? 0 : packets.length,
  };
  const rows: string[][] = [];
  for (const bench of benches) {
    const fault = bench.fault;
    const insnsPerSecond =
      bench.run.count === 0 || bench.run.median === 0 ? undefined : (insns / bench.run.median) * 1e9;
    out.record({
      ...title,
      engine: bench.name,
      insns,
      ns_a_run: samplesRecord(bench.run),
      ns_a_packet: samplesRecord(bench.packet),
      insns_a_second: insnsPerSecond,
      fault: fault === undefined ? undefined : faultRecord(reportFault(fault, program, spec)),
    });
    if (fault !== undefined) {
      out.fail(EXIT.refused);
      rows.push([bench.name, `fault: ${fault.kind}`, '', '', '', '']);
      continue;
    }
    const million = insnsPerSecond === undefined ? '' : figure(insnsPerSecond / 1e6);
    rows.push([bench.name, ...samplesText(bench.run), ...samplesText(bench.packet), million]);
  }
  for (const note of counted.notes) out.note(note);
  const on = title.packets === 0 ? '' : ` on ${title.packets === 1 ? 'a packet' : `${title.packets} packets`}`;
  out.text(
    `${out.paint('bold', title.prog)} (${title.type})${on}, ${figure(insns)} instructions a run, ${effort.rounds} rounds\n\n`,
  );
  out.text(formatTable(COLUMNS, rows, '  ', text => out.paint('dim', text)));
}

const COLUMNS = [
  { title: 'engine' },
  { title: 'ns a run', align: 'right' },
  { title: 'spread', align: 'right' },
  { title: 'ns a packet', align: 'right' },
  { title: 'spread', align: 'right' },
  { title: 'M insns/s', align: 'right' },
] as const;

export const bench: Command = {
  summary: 'Measure how fast engines run a program',
  description:
    'Takes what prog run takes. Engines take turns, round by round; what is printed are medians, with the least and the most. ' +
    'A run is one on a context that is ready, as --repeat does it; a packet is one whose context is made first, many of ' +
    'them in one call where the engine can. Instructions are those the interpreter counted on the same input. Compare times of ' +
    'one call of this command, not of several.',
  args: [{ name: 'FILE', summary: 'object file, or raw instructions (with --type)', kind: 'file', required: true }],
  options: OPTIONS,
  examples: [
    { line: 'farcall bench examples/checksum.bpf.o -p checksum --data-in examples/traffic.pcap', what: 'all engines' },
    {
      line: 'farcall bench examples/xdp_counter.bpf.o --data-in examples/traffic.pcap -e wasm -e interp --json',
      what: 'two of them, as data',
    },
  ],
  run,
};
