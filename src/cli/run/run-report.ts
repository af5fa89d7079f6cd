import type { MachineEvent, TestRunResult } from '../../machine/index.ts';
import { returnName } from '../../progtypes/index.ts';
import { equalBytes, toHex } from '../../util/index.ts';
import type { BtfValue } from '../format/btf-value.ts';
import { hexdump } from '../format/bytes.ts';
import { compactValue } from '../format/compact.ts';
import type { Painter } from '../output.ts';
import type { EventTypes, TypedEvent } from './event-types.ts';

/** The name of what a program of this type returned, whatever sign the table gives it. */
export function retvalName(progType: number, retval: number): string | undefined {
  return returnName(progType, retval) ?? returnName(progType, retval | 0);
}

/** `XDP_PASS (2)`; `-1` for 4294967295, as an int is what programs return. */
export function retvalText(progType: number, retval: number): string {
  const name = retvalName(progType, retval);
  return name === undefined ? `${retval | 0}` : `${name} (${retval | 0})`;
}

/** A remark on loads that found nothing; '' when there were none. */
export function probedText(count: number, paint: Painter): string {
  if (count === 0) return '';
  const loads = count === 1 ? '1 load' : `${count} loads`;
  return `${paint('dim', `${loads} found nothing and read 0, as Linux's loads through BTF pointers do`)}\n`;
}

export function durationText(ns: number): string {
  if (ns < 10_000) return `${Math.round(ns)} ns`;
  return ns < 10_000_000 ? `${Math.round(ns / 1000)} µs` : `${Math.round(ns / 1_000_000)} ms`;
}

/** What differs between the packet before and after: nothing, or a dump with the changes marked. */
export function packetOutText(before: Uint8Array, after: Uint8Array | undefined, paint: Painter): string {
  if (after === undefined || equalBytes(before, after)) return '';
  const moved = after.length === before.length ? '' : `, ${before.length} before`;
  const head = `${paint('bold', 'packet out')}  ${after.length} bytes${moved}\n`;
  return head + hexdump(after, '  ', before, text => paint('yellow', text));
}

export function contextOutText(before: Uint8Array | undefined, after: Uint8Array | undefined, paint: Painter): string {
  if (after === undefined || (before !== undefined && equalBytes(before, after))) return '';
  return `${paint('bold', 'context out')}  ${after.length} bytes\n${hexdump(after, '  ', before, text => paint('yellow', text))}`;
}

/** Events shown in full; a run may make thousands. */
const MAX_EVENTS = 8;

/** A line for all of a record, or one for each member. */
const LONG_LINE = 110;

function typedEventText({ typeName, value, restBytes }: TypedEvent, paint: Painter): string {
  const line = compactValue(value);
  const rest = restBytes === 0 ? '' : ` and ${restBytes} bytes more`;
  if (line.length <= LONG_LINE || typeof value !== 'object' || value === null || Array.isArray(value)) {
    return `    ${typeName} ${line}${rest}\n`;
  }
  const members = Object.entries(value as Readonly<Record<string, BtfValue>>);
  const lines = members.map(([name, member]) => `      ${paint('cyan', name)} = ${compactValue(member)}\n`);
  return `    ${typeName}${rest}\n${lines.join('')}`;
}

export function eventsText(events: readonly MachineEvent[], types: EventTypes, paint: Painter): string {
  if (events.length === 0) return '';
  const lines = events.slice(0, MAX_EVENTS).map(event => {
    const { kind, map, cpu, data } = event;
    const place = kind === 'perf' ? `${map}[cpu ${cpu}]` : map;
    const typed = types.read(event, true);
    const body = typed === undefined ? hexdump(data, '    ') : typedEventText(typed, paint);
    return `  ${paint('cyan', place)}  ${data.length} bytes\n${body}`;
  });
  const more = events.length > MAX_EVENTS ? `  … ${events.length - MAX_EVENTS} more\n` : '';
  return `${paint('bold', 'events')}  ${events.length}\n${lines.join('')}${more}`;
}

export function traceText(lines: readonly string[], paint: Painter): string {
  return lines.length === 0 ? '' : `${paint('bold', 'trace')}\n${lines.map(line => `${line}\n`).join('')}`;
}

export function eventRecord(event: MachineEvent, types: EventTypes): Record<string, unknown> {
  const { kind, map, cpu, data } = event;
  const typed = types.read(event, false);
  return { kind, map, cpu, data: toHex(data), type: typed?.typeName, formatted: typed?.value };
}

/** One run as JSON data, without its fault. */
export function runRecord(result: TestRunResult, progType: number): Record<string, unknown> {
  const ended = result.fault === undefined;
  return {
    retval: ended ? result.retval : null,
    retval_name: ended ? retvalName(progType, result.retval) : undefined,
    r0: ended ? `0x${result.r0.toString(16)}` : undefined,
    data_out: result.dataOut ?? null,
    ctx_out: result.ctxOut ?? null,
    insn_count: result.insnCount ?? null,
    probed_reads: result.probedReads,
    duration_ns: Math.round(result.durationNs),
  };
}
