import type { Call } from '../command.ts';
import { EXIT } from '../failure.ts';
import { faultRecord, faultText, reportFault } from './fault-report.ts';
import { mapRecord, mapsText } from './map-text.ts';
import { Emitted, type RunPlan, runOn } from './plan.ts';
import {
  contextOutText,
  durationText,
  eventRecord,
  eventsText,
  packetOutText,
  probedText,
  retvalText,
  runRecord,
  traceText,
} from './run-report.ts';
import { typeNameOf } from './session.ts';

/** One run: everything about it. */
export function runOnce({ out, options }: Call, plan: RunPlan): void {
  const { session, data, ctxIn } = plan;
  const { program, maps, machine, spec } = session;
  const packet = data?.packets[0]?.bytes;
  const result = runOn(plan, packet);
  const emitted = new Emitted(session);
  emitted.collect();
  if (result.fault !== undefined) out.fail(EXIT.refused);
  const fault =
    result.fault === undefined
      ? undefined
      : reportFault(
          result.fault,
          machine.programs.find(other => other.name === result.fault?.prog),
          spec,
        );
  out.record({
    prog: program.name,
    type: typeNameOf(program),
    ...runRecord(result, program.type),
    fault: fault === undefined ? null : faultRecord(fault),
    maps: maps.map(view => mapRecord(view, false)),
    trace: emitted.trace,
    events: emitted.events.map(event => eventRecord(event, plan.eventTypes)),
    notes: plan.notes,
  });
  if (out.json) return;
  for (const note of plan.notes) out.note(note);
  const { paint } = out;
  const repeats = options.integer('repeat') ?? 1;
  const runs = repeats === 1 ? '' : ` in ${repeats} runs`;
  const insns = result.insnCount === undefined ? '' : `${result.insnCount} insns${runs}, `;
  const cost = `${insns}${durationText(result.durationNs)}${repeats === 1 ? '' : ' each'}${insns === '' ? runs : ''}`;
  out.text(`${paint('bold', program.name)} (${typeNameOf(program)})\n`);
  if (fault === undefined)
    out.text(`returned ${paint('green', retvalText(program.type, result.retval))}  ${paint('dim', cost)}\n`);
  else out.text(`${faultText(fault, paint)}${paint('dim', cost)}\n`);
  out.text(probedText(result.probedReads, paint));
  const parts = [
    packet === undefined ? '' : packetOutText(packet, result.dataOut, paint),
    contextOutText(ctxIn, result.ctxOut, paint),
    traceText(emitted.trace, paint),
    eventsText(emitted.events, plan.eventTypes, paint),
    mapsText(maps, paint),
  ];
  for (const part of parts) if (part !== '') out.text(`\n${part}`);
}
