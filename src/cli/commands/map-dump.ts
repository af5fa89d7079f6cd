import type { Fault } from '../../engine/index.ts';
import { FarcallError } from '../../util/index.ts';
import type { Call, Command } from '../command.ts';
import { EXIT } from '../failure.ts';
import { Progress } from '../progress.ts';
import { faultText, reportFault } from '../run/fault-report.ts';
import { noSuchMap } from '../run/fill-maps.ts';
import { bpftoolText, contentsNote, mapRecord } from '../run/map-text.ts';
import type { MapView } from '../run/map-view.ts';
import { makePlan, type RunPlan, runOn } from '../run/plan.ts';
import { RUN_OPTIONS } from '../run/run-options.ts';

/**
 * Runs the program on all packets, or once when there are none; a fault ends it and is reported. Packets of a capture that
 * no test run takes are passed over, unless there is no other.
 */
function runAll({ out }: Call, plan: RunPlan): void {
  const { machine, spec } = plan.session;
  const packets = plan.data === undefined ? [undefined] : plan.data.packets.map(packet => packet.bytes);
  const progress = new Progress(out, 'packets', packets.length);
  let ran = false;
  let refused: unknown;
  for (const [i, packet] of packets.entries()) {
    let fault: Fault | undefined;
    try {
      fault = runOn(plan, packet).fault;
      ran = true;
    } catch (error) {
      if (!(error instanceof FarcallError) || plan.data?.capture !== true) throw error;
      refused ??= error;
    }
    progress.update(i + 1);
    if (fault === undefined) continue;
    out.fail(EXIT.refused);
    const found = fault;
    const report = reportFault(
      found,
      machine.programs.find(({ name }) => name === found.prog),
      spec,
    );
    out.note(`the program faulted; these are its maps at that point\n${faultText(report, (_, text) => text)}`);
    break;
  }
  progress.end();
  if (refused instanceof FarcallError && !ran) throw refused;
  if (refused instanceof FarcallError) out.note(`packets that were not run: ${refused.message}`);
}

function wantedMaps(views: readonly MapView[], names: readonly string[], file: string): readonly MapView[] {
  if (names.length === 0) return views;
  return names.map(name => {
    const found = views.find(view => view.name === name || view.map.def.name === name);
    if (found !== undefined) return found;
    throw noSuchMap(
      name,
      views.map(view => view.name),
      file,
    );
  });
}

async function run(call: Call): Promise<void> {
  const { options, out, args } = call;
  const runs = !options.flag('before');
  const plan = await makePlan(call, runs);
  const views = wantedMaps(plan.session.maps, options.texts('map'), args[0]);
  for (const note of plan.notes) out.note(note);
  if (runs) runAll(call, plan);
  for (const [i, view] of views.entries()) {
    out.record(mapRecord(view, true));
    const note = contentsNote(view);
    const head = views.length === 1 ? '' : `${i > 0 ? '\n' : ''}${out.paint('bold', `${view.name}:`)}\n`;
    out.text(`${head}${note === '' ? bpftoolText(view) : `${note}\n`}`);
  }
}

export const mapDump: Command = {
  summary: 'Show the contents of maps after a run',
  description:
    'Takes what prog run takes, runs the program, and prints its maps as bpftool map dump does: formatted where the ' +
    'object says what the bytes are, as hex otherwise.',
  args: [{ name: 'FILE', summary: 'object file', kind: 'file', required: true }],
  options: [
    { name: 'map', short: 'm', value: 'NAME', kind: 'text', repeat: true, summary: 'only this map; may be repeated' },
    { name: 'before', summary: 'do not run anything: the maps as they are loaded' },
    ...RUN_OPTIONS,
  ],
  examples: [
    { line: 'farcall map dump examples/xdp_counter.bpf.o --data-in examples/traffic.pcap', what: 'all maps' },
    { line: 'farcall map dump prog.o --map counts --data-in packet.bin --json', what: 'one map as JSON' },
    { line: 'farcall map dump prog.o --before --map .rodata', what: 'the constants of an object' },
  ],
  run,
};
