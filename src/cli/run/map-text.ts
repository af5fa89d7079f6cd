import { bpf_map_type as TYPE } from '../../uapi/index.ts';
import { ByteView, toHex } from '../../util/index.ts';
import type { BtfValue } from '../format/btf-value.ts';
import { spacedHex } from '../format/bytes.ts';
import { compactValue } from '../format/compact.ts';
import { JsonWriter, writeValue } from '../format/json-writer.ts';
import type { Painter } from '../output.ts';
import {
  canList,
  isPerCpu,
  isUntouched,
  type MapEntry,
  MapTypes,
  type MapView,
  mapEntries,
  mapTypeOf,
  stackFrames,
  targetName,
} from './map-view.ts';

/** What a map's contents are called when it has none to list. */
export function contentsNote(view: MapView): string {
  return canList(view.map) ? '' : `a ${mapTypeOf(view)} map has no keys to list`;
}

function typedEntry(writer: JsonWriter, view: MapView, types: MapTypes, entry: MapEntry): void {
  writer.startObject();
  const key = entry.key.length === 0 ? undefined : types.key(entry.key);
  if (key !== undefined) writeValue(writer.name('key'), key);
  if (isPerCpu(view.map)) {
    const values = entry.values.map((value, cpu): BtfValue => ({ cpu, value: types.value(value) ?? null }));
    writeValue(writer.name('values'), values);
  } else {
    writeValue(writer.name('value'), types.value(entry.values[0]) ?? null);
  }
  writer.endObject();
}

function plainEntry(view: MapView, { key, values }: MapEntry): string {
  const { keySizeBytes, valueSizeBytes } = view.map.def;
  const breakNames = keySizeBytes > 16 || valueSizeBytes > 16;
  const gap = breakNames ? '\n' : ' ';
  if (key.length === 0) return `value:${gap}${hexLines(values[0])}\n`;
  if (isPerCpu(view.map)) {
    const lines = values.map((value, cpu) => `value (CPU ${String(cpu).padStart(2, '0')}):${gap}${hexLines(value)}\n`);
    return `key:${gap}${hexLines(key)}\n${lines.join('')}`;
  }
  const singleLine = keySizeBytes + valueSizeBytes <= 24 && !breakNames;
  const frames = stackFrames(view, values[0]);
  if (frames !== undefined) return `key: ${hexLines(key)}\n${frames.map(frame => `    ${frame}\n`).join('')}`;
  const name = targetName(view, values[0]);
  const target = name === undefined ? '' : `  (${name})`;
  return `key:${gap}${hexLines(key)}${singleLine ? '  ' : '\n'}value:${gap}${hexLines(values[0])}${target}\n`;
}

/** Hex as bpftool breaks it: 16 bytes a line, a wider gap in the middle. */
function hexLines(bytes: Uint8Array): string {
  const lines: string[] = [];
  for (let at = 0; at < bytes.length; at += 16) {
    const halves = [bytes.subarray(at, at + 8), bytes.subarray(at + 8, at + 16)].filter(half => half.length > 0);
    lines.push(halves.map(spacedHex).join('  '));
  }
  return lines.join('\n');
}

/**
 * A map's contents in bpftool's form: formatted values where types are known, hex otherwise.
 * Source: `tools/bpf/bpftool/map.c: map_dump`, `json_writer.c`.
 */
export function bpftoolText(view: MapView): string {
  const types = new MapTypes(view);
  if (types.hasValue) {
    const writer = new JsonWriter();
    writer.startArray();
    for (const entry of mapEntries(view.map)) typedEntry(writer, view, types, entry);
    return `${writer.endArray().text}\n`;
  }
  const parts: string[] = [];
  for (const entry of mapEntries(view.map)) parts.push(plainEntry(view, entry));
  const count = parts.length;
  return `${parts.join('')}Found ${count} element${count === 1 ? '' : 's'}\n`;
}

/** Elements of one map that the summary shows. */
const MAX_SHOWN = 24;

/** Types whose keys are u32 indices or ids whatever the object says. */
const INDEXED: ReadonlySet<number> = new Set([
  TYPE.BPF_MAP_TYPE_ARRAY,
  TYPE.BPF_MAP_TYPE_PERCPU_ARRAY,
  TYPE.BPF_MAP_TYPE_PROG_ARRAY,
  TYPE.BPF_MAP_TYPE_ARRAY_OF_MAPS,
  TYPE.BPF_MAP_TYPE_STACK_TRACE,
  TYPE.BPF_MAP_TYPE_DEVMAP,
  TYPE.BPF_MAP_TYPE_CPUMAP,
  TYPE.BPF_MAP_TYPE_XSKMAP,
  TYPE.BPF_MAP_TYPE_SOCKMAP,
]);

const hexOf = (bytes: Uint8Array): string =>
  bytes.length <= 32 ? spacedHex(bytes) : `${spacedHex(bytes.subarray(0, 32))} … ${bytes.length} bytes`;

/** Where types are unknown: indices and ids as numbers, other keys as bytes. */
function numberOrHex(view: MapView, key: Uint8Array): string {
  return INDEXED.has(view.map.def.type) ? String(new ByteView(key, view.order).u32(0)) : hexOf(key);
}

function entryLine(view: MapView, types: MapTypes, { key, values }: MapEntry, paint: Painter): string[] {
  const shownValue = (value: Uint8Array): string => {
    const name = targetName(view, value) ?? stackFrames(view, value)?.join(' ');
    if (name !== undefined) return name;
    const typed = types.value(value);
    return typed === undefined ? hexOf(value) : compactValue(typed);
  };
  if (key.length === 0) return [shownValue(values[0])];
  const typedKey = types.key(key);
  const name = typedKey === undefined ? numberOrHex(view, key) : compactValue(typedKey);
  if (!isPerCpu(view.map)) return [`${paint('cyan', name)} → ${shownValue(values[0])}`];
  const cpus = values.flatMap((value, cpu) =>
    value.every(byte => byte === 0) ? [] : [`cpu ${cpu}: ${shownValue(value)}`],
  );
  return [`${paint('cyan', name)} → ${cpus.length === 0 ? '0 on all CPUs' : cpus.join('  ')}`];
}

/** Variables of a data section, one a line; undefined for maps that are none. */
function variableLines(view: MapView, types: MapTypes, paint: Painter): string[] | undefined {
  if (view.source?.origin !== 'data') return undefined;
  const [entry] = mapEntries(view.map);
  const section = entry === undefined ? undefined : types.value(entry.values[0]);
  if (typeof section !== 'object' || section === null) return undefined;
  const vars = Object.values(section as Readonly<Record<string, BtfValue>>)[0];
  if (!Array.isArray(vars)) return undefined;
  return (vars as readonly Readonly<Record<string, BtfValue>>[]).flatMap(item =>
    Object.entries(item).flatMap(([name, value]) => variableText(name, value, paint)),
  );
}

/** Longer lines are broken where a variable is a list. */
const LONG_LINE = 120;

function variableText(name: string, value: BtfValue, paint: Painter): string[] {
  const text = compactValue(value);
  if (text.length <= LONG_LINE || !Array.isArray(value)) return [`${paint('cyan', name)} = ${text}`];
  const items = (value as readonly BtfValue[]).slice(0, MAX_SHOWN);
  return items.map((item, i) => `${paint('cyan', `${name}[${i}]`)} = ${compactValue(item)}`);
}

/** A map for the report of a run: what is in it, shortened where it is long, without untouched array elements. */
export function summaryText(view: MapView, paint: Painter): string {
  const types = new MapTypes(view, true);
  const head = `  ${paint('bold', view.name)}  ${mapTypeOf(view)}`;
  const note = contentsNote(view);
  if (note !== '') return `${head}\n`;
  const variables = variableLines(view, types, paint);
  const lines: string[] = [];
  let count = 0;
  if (variables === undefined) {
    for (const entry of mapEntries(view.map)) {
      if (isUntouched(view.map, entry)) continue;
      if (count++ < MAX_SHOWN) lines.push(...entryLine(view, types, entry, paint));
    }
  } else {
    lines.push(...variables.slice(0, MAX_SHOWN));
    count = variables.length;
  }
  const what = variables === undefined ? `${count} element${count === 1 ? '' : 's'}` : '';
  const rest = count > MAX_SHOWN ? [`… ${count - MAX_SHOWN} more`] : [];
  return `${head}${what === '' ? '' : `, ${what}`}\n${[...lines, ...rest].map(line => `    ${line}\n`).join('')}`;
}

/** The maps after a run. Constant data and what says nothing without its object is left out. */
export function mapsText(views: readonly MapView[], paint: Painter): string {
  const shown = views.filter(({ source }) => source === undefined || !/^\.(rodata|kconfig)/.test(source.section));
  return shown.length === 0 ? '' : `${paint('bold', 'maps')}\n${shown.map(view => summaryText(view, paint)).join('')}`;
}

/** Elements as JSON data: bytes as hex, and formatted where types are known, as `bpftool -j map dump` has it. */
export function entryRecords(view: MapView, untouchedToo: boolean): Record<string, unknown>[] {
  const types = new MapTypes(view);
  const perCpu = isPerCpu(view.map);
  const records: Record<string, unknown>[] = [];
  for (const entry of mapEntries(view.map)) {
    if (!untouchedToo && isUntouched(view.map, entry)) continue;
    const raw = perCpu
      ? { values: entry.values.map((value, cpu) => ({ cpu, value: toHex(value) })) }
      : { value: toHex(entry.values[0]) };
    const typed = perCpu
      ? { values: entry.values.map((value, cpu) => ({ cpu, value: types.value(value) })) }
      : { value: types.value(entry.values[0]) };
    const keyed = entry.key.length > 0;
    const formatted = types.hasValue ? { key: keyed ? types.key(entry.key) : undefined, ...typed } : undefined;
    records.push({
      key: keyed ? toHex(entry.key) : undefined,
      ...raw,
      formatted,
      target: targetName(view, entry.values[0]),
      frames: stackFrames(view, entry.values[0]),
    });
  }
  return records;
}

/** A map as JSON data. */
export function mapRecord(view: MapView, untouchedToo: boolean): Record<string, unknown> {
  const { def, id } = view.map;
  return {
    name: view.name,
    id,
    type: mapTypeOf(view),
    key_size: def.keySizeBytes,
    value_size: def.valueSizeBytes,
    max_entries: def.maxEntries,
    entries: entryRecords(view, untouchedToo),
  };
}
