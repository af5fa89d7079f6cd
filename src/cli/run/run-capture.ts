import type { TestRunResult } from '../../machine/index.ts';
import { equalBytes, FarcallError } from '../../util/index.ts';
import type { Call } from '../command.ts';
import { EXIT, type Failure, failureOf } from '../failure.ts';
import { formatTable } from '../format/table.ts';
import type { Packet } from '../input/pcap.ts';
import type { Output } from '../output.ts';
import { Progress } from '../progress.ts';
import { type FaultReport, faultRecord, faultText, reportFault } from './fault-report.ts';
import { mapRecord, mapsText } from './map-text.ts';
import { Emitted, type RunPlan, runOn } from './plan.ts';
import { eventRecord, eventsText, probedText, retvalName, retvalText, runRecord, traceText } from './run-report.ts';
import { typeNameOf } from './session.ts';

/** Packets the text lists; the JSON form has them all. */
const MAX_LISTED = 200;

interface Row {
  readonly index: number;
  readonly packet: Packet;
  readonly result: TestRunResult | undefined;
  readonly fault: FaultReport | undefined;
  /** Why this packet was not run: too short for the program type, too long. */
  readonly failure: Failure | undefined;
}

function runPacket(plan: RunPlan, packet: Packet, index: number): Row {
  const { machine, spec } = plan.session;
  try {
    const result = runOn(plan, packet.bytes);
    const found = result.fault;
    const fault =
      found === undefined
        ? undefined
        : reportFault(
            found,
            machine.programs.find(({ name }) => name === found.prog),
            spec,
          );
    return { index, packet, result, fault, failure: undefined };
  } catch (error) {
    if (!(error instanceof FarcallError)) throw error;
    return { index, packet, result: undefined, fault: undefined, failure: failureOf(error) };
  }
}

function outcomeText({ result, fault, failure }: Row, progType: number): string {
  if (failure !== undefined) return 'not run';
  if (fault !== undefined) return `fault: ${fault.fault.kind}`;
  return retvalText(progType, result?.retval ?? 0);
}

/** How the packet came out: '' when as it went in. */
function changeText({ packet, result }: Row): string {
  const after = result?.dataOut;
  if (after === undefined || equalBytes(packet.bytes, after)) return '';
  return after.length === packet.bytes.length ? 'changed' : `${after.length} bytes out`;
}

function packetRecord(row: Row, progType: number): Record<string, unknown> {
  const { index, packet, result, fault, failure } = row;
  return {
    packet: index + 1,
    bytes: packet.bytes.length,
    ...(result === undefined ? { retval: null } : runRecord(result, progType)),
    fault: fault === undefined ? null : faultRecord(fault),
    error: failure === undefined ? undefined : { code: failure.code, message: failure.message },
  };
}

/** All packets of a capture in order: a line each, then counts, then what is left in the maps. */
export function runCapture({ out }: Call, plan: RunPlan): void {
  const { session, notes } = plan;
  const { program } = session;
  const packets = plan.data?.packets ?? [];
  const emitted = new Emitted(session);
  const progress = new Progress(out, 'packets', packets.length);
  const counts = new Map<string, number>();
  const listed: Row[] = [];
  let probedReads = 0;
  // Captures often hold a frame that no test run takes; only one without any other is bad input.
  let ran = false;
  let firstFault: FaultReport | undefined;
  let firstFailure: Failure | undefined;
  for (const [index, packet] of packets.entries()) {
    const row = runPacket(plan, packet, index);
    emitted.collect();
    firstFault ??= row.fault;
    firstFailure ??= row.failure;
    probedReads += row.result?.probedReads ?? 0;
    ran ||= row.failure === undefined;
    const outcome = outcomeText(row, program.type);
    counts.set(outcome, (counts.get(outcome) ?? 0) + 1);
    out.record(packetRecord(row, program.type));
    if (listed.length < MAX_LISTED) listed.push(row);
    progress.update(index + 1);
  }
  progress.end();
  if (firstFault !== undefined) out.fail(EXIT.refused);
  if (firstFailure !== undefined && !ran) out.fail(EXIT.badInput);
  out.record({
    prog: program.name,
    type: typeNameOf(program),
    packets: packets.length,
    counts: Object.fromEntries(counts),
    maps: session.maps.map(view => mapRecord(view, false)),
    trace: emitted.trace,
    events: emitted.events.map(event => eventRecord(event, plan.eventTypes)),
    notes,
  });
  if (out.json) return;
  for (const note of notes) out.note(note);
  if (firstFailure !== undefined) out.note(`packets that were not run: ${firstFailure.message}`);
  const { paint } = out;
  out.text(`${paint('bold', program.name)} (${typeNameOf(program)}) on ${packets.length} packets\n\n`);
  out.text(packetTable(listed, program.type, packets.length, out));
  const countRows = [...counts].sort((a, b) => b[1] - a[1]).map(([outcome, count]) => [outcome, String(count)]);
  const countTable = formatTable([{ title: 'outcome' }, { title: 'packets', align: 'right' }], countRows, '  ', text =>
    paint('dim', text),
  );
  const parts = [
    countTable,
    probedText(probedReads, paint),
    firstFault === undefined ? '' : faultText(firstFault, paint),
    traceText(emitted.trace, paint),
    eventsText(emitted.events, plan.eventTypes, paint),
    mapsText(session.maps, paint),
  ];
  for (const part of parts) if (part !== '') out.text(`\n${part}`);
}

const COLUMNS = [
  { title: '#', align: 'right' },
  { title: 'bytes', align: 'right' },
  { title: 'returned' },
  { title: 'insns', align: 'right' },
  { title: 'packet' },
] as const;

function packetTable(rows: readonly Row[], progType: number, total: number, out: Output): string {
  const cells = rows.map(row => {
    const text = outcomeText(row, progType);
    const named =
      row.fault === undefined &&
      row.failure === undefined &&
      retvalName(progType, row.result?.retval ?? 0) !== undefined;
    return [
      String(row.index + 1),
      String(row.packet.bytes.length),
      row.fault !== undefined ? out.paint('red', text) : named ? out.paint('green', text) : text,
      row.result === undefined ? '0' : String(row.result.insnCount ?? ''),
      changeText(row),
    ];
  });
  const more = total > rows.length ? `  … ${total - rows.length} more packets (--json lists all)\n` : '';
  return formatTable(COLUMNS, cells, '  ', text => out.paint('dim', text)) + more;
}
