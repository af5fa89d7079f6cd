import { decodeText, FarcallError } from '../../util/index.ts';
import { usageError } from '../failure.ts';
import type { BtfValue } from '../format/btf-value.ts';
import { equalsSign, parseGiven, parseJson } from '../format/given-value.ts';
import { readInput } from '../input/files.ts';
import type { Io } from '../io.ts';

/** An element to put into a map. */
export interface GivenEntry {
  /** undefined for maps without keys, and for data sections. */
  readonly key: BtfValue | undefined;
  readonly value: BtfValue | undefined;
  /** Values of single CPUs, in place of `value`. */
  readonly values?: readonly { readonly cpu: number; readonly value: BtfValue }[];
  /** The program or map an element of ids leads to. */
  readonly target?: string;
}

/** Elements for one map. */
export interface MapSetting {
  readonly map: string;
  readonly entries: readonly GivenEntry[];
  /** The dump they come from; undefined for one typed on the command line. */
  readonly file: string | undefined;
}

type Json = Readonly<Record<string, unknown>>;
const isObject = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** A dump is read as one string. */
const MAX_DUMP_BYTES = 256 * 1024 * 1024;

function badDump(file: string, expected: string, found?: string): FarcallError {
  return new FarcallError({ code: 'map.dump', message: 'not a dump of maps', expected, found, where: { file } });
}

function perCpuValue(item: unknown, file: string): { cpu: number; value: BtfValue } {
  if (isObject(item) && typeof item['cpu'] === 'number') return { cpu: item['cpu'], value: item['value'] as BtfValue };
  throw badDump(file, 'values with "cpu" and "value"');
}

/** Bytes go before what they mean; `formatted` alone is for dumps that people write. */
function dumpEntry(item: unknown, file: string): GivenEntry {
  if (!isObject(item)) throw badDump(file, 'entries with "key" and "value"');
  const raw = 'value' in item || 'values' in item || !isObject(item['formatted']) ? item : item['formatted'];
  const { values } = raw;
  return {
    key: raw['key'] as BtfValue | undefined,
    value: raw['value'] as BtfValue | undefined,
    values: Array.isArray(values) ? values.map(value => perCpuValue(value, file)) : undefined,
    target: typeof item['target'] === 'string' ? item['target'] : undefined,
  };
}

/** A dump's records: one JSON text, or one a line. */
function recordsOf(text: string, file: string): unknown[] {
  try {
    const whole = parseJson(text);
    return Array.isArray(whole) ? whole : [whole];
  } catch (error) {
    const lines = text.split('\n').filter(line => line.trim() !== '');
    if (lines.length < 2) throw badDump(file, 'JSON', error instanceof FarcallError ? error.problem : undefined);
    return lines.map(line => {
      try {
        return parseJson(line);
      } catch {
        throw badDump(file, 'one JSON object a line', line.slice(0, 40));
      }
    });
  }
}

/** Records of maps, by themselves or in the report of a run. */
function mapRecords(records: readonly unknown[]): Json[] {
  return records.flatMap(record => {
    if (!isObject(record)) return [];
    if (Array.isArray(record['maps'])) return record['maps'].filter(isObject);
    return Array.isArray(record['entries']) ? [record] : [];
  });
}

async function readDump(file: string, map: string | undefined, io: Io): Promise<MapSetting[]> {
  const bytes = await readInput(file, io);
  if (bytes.length > MAX_DUMP_BYTES) throw badDump(file, `at most ${MAX_DUMP_BYTES} bytes`, `${bytes.length} bytes`);
  const records = recordsOf(decodeText(bytes), file);
  const found = mapRecords(records);
  const setting = (name: string, entries: readonly unknown[]): MapSetting => ({
    map: name,
    entries: entries.map(entry => dumpEntry(entry, file)),
    file,
  });
  // bpftool dumps one map, and does not say which.
  if (map !== undefined && found.length === 0) return [setting(map, records)];
  const wanted = found.filter(({ name }) => map === undefined || found.length === 1 || name === map);
  if (wanted.length === 0) throw badDump(file, map === undefined ? 'maps with "name" and "entries"' : `a map ${map}`);
  return wanted.map(record => {
    const name = map ?? record['name'];
    if (typeof name !== 'string' || !Array.isArray(record['entries'])) {
      throw badDump(file, 'maps with "name" and "entries"');
    }
    return setting(name, record['entries']);
  });
}

async function readSetting(arg: string, io: Io): Promise<MapSetting[]> {
  if (arg.startsWith('@')) return await readDump(arg.slice(1), undefined, io);
  const colon = arg.indexOf(':');
  const rest = arg.slice(colon + 1);
  const equals = equalsSign(rest);
  const map = arg.slice(0, colon);
  if (colon > 0 && rest.startsWith('@')) return await readDump(rest.slice(1), map, io);
  if (colon <= 0 || equals < 0) {
    throw usageError('--map-set is not usable', 'MAP:KEY=VALUE, MAP:@FILE or @FILE', `'${arg}'`);
  }
  const key = rest.slice(0, equals);
  const entry = { key: key === '' ? undefined : parseGiven(key), value: parseGiven(rest.slice(equals + 1)) };
  return [{ map, entries: [entry], file: undefined }];
}

/** What `--map-set` arguments say, in order. Throws `arg.usage`, `arg.json`, `arg.file`, `map.dump`. */
export async function readMapSettings(args: readonly string[], io: Io): Promise<MapSetting[]> {
  const settings: MapSetting[] = [];
  for (const arg of args) settings.push(...(await readSetting(arg, io)));
  return settings;
}
