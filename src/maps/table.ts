import { BPF_FLAGS, bpf_map_type, ERRNO, errnoName, mapTypeName } from '../uapi/index.ts';
import { FarcallError } from '../util/index.ts';
import { checkCommon } from './alloc-check.ts';
import { ArrayMap, checkArray, PercpuArrayMap } from './arraymap.ts';
import { checkHash, HashMap, PercpuHashMap } from './hashtab.ts';
import { type MapBase, setUp } from './map-base.ts';
import type { BpfMap, MapDef, MapHost, MapTypeRow } from './types.ts';

type MapClass = new (host: MapHost, def: MapDef, id: number) => MapBase;

const T = bpf_map_type;

// type, first release, file of kernel/bpf unless it has a directory, rules, storage
const row = (
  type: number,
  since: string,
  file: string,
  check: (def: MapDef) => number,
  Class: MapClass,
): MapTypeRow => ({
  type,
  name: mapTypeName(type),
  since,
  source: file.includes('/') ? file : `kernel/bpf/${file}`,
  check: def => checkCommon(def, MAP_EXTRA_TYPES.has(type)) || check(def),
  create: (host, def, id) => setUp(new Class(host, def, id)),
});

/** Types whose `map_extra` means something. */
const MAP_EXTRA_TYPES: ReadonlySet<number> = new Set([T.BPF_MAP_TYPE_BLOOM_FILTER, T.BPF_MAP_TYPE_ARENA]);

/** Every map type, by its number. */
export const MAP_TYPES: readonly MapTypeRow[] = [
  row(T.BPF_MAP_TYPE_HASH, '3.19', 'hashtab.c', checkHash, HashMap),
  row(T.BPF_MAP_TYPE_ARRAY, '3.19', 'arraymap.c', checkArray, ArrayMap),
  row(T.BPF_MAP_TYPE_PERCPU_HASH, '4.6', 'hashtab.c', checkHash, PercpuHashMap),
  row(T.BPF_MAP_TYPE_PERCPU_ARRAY, '4.6', 'arraymap.c', checkArray, PercpuArrayMap),
];

const BY_TYPE: ReadonlyMap<number, MapTypeRow> = new Map(MAP_TYPES.map(entry => [entry.type, entry]));

/** The row of a `BPF_MAP_TYPE_*`; undefined for types farcall does not have. */
export function mapTypeRow(type: number): MapTypeRow | undefined {
  return BY_TYPE.get(type);
}

/** Everything `BPF_MAP_CREATE` checks before it allocates: 0 or -errno. */
export function checkMapDef(def: MapDef): number {
  return mapTypeRow(def.type)?.check(def) ?? -ERRNO.EINVAL;
}

/**
 * Makes a map as `BPF_MAP_CREATE` does (`kernel/bpf/syscall.c: map_create`). Throws `map.create` with the errno's name
 * in `found` for what Linux would refuse, and with ENOMEM when the machine's memory does not suffice.
 *
 * Differs from Linux: capabilities, BTF ids and the spelling of names are not looked at.
 *
 * @param id unique in the machine, 1 or more
 */
export function createMap(host: MapHost, def: MapDef, id: number): BpfMap {
  // The kernel drops this flag before anything sees it.
  const flags = def.flags & ~BPF_FLAGS.BPF_F_TOKEN_FD;
  const wanted = flags === def.flags ? def : { ...def, flags };
  const entry = mapTypeRow(def.type);
  const errno = entry === undefined ? -ERRNO.EINVAL : entry.check(wanted);
  if (entry === undefined || errno !== 0) throw refused(def, errno);
  try {
    return entry.create(host, wanted, id);
  } catch (error) {
    if (error instanceof FarcallError && error.code === 'run.out-of-memory') throw refused(def, -ERRNO.ENOMEM, error);
    throw error;
  }
}

function refused(def: MapDef, errno: number, cause?: unknown): FarcallError {
  const { keySizeBytes, valueSizeBytes, maxEntries, flags } = def;
  return new FarcallError({
    code: 'map.create',
    message: `a map of type ${mapTypeName(def.type)} cannot have key size ${keySizeBytes}, value size ${valueSizeBytes}, max_entries ${maxEntries}, flags 0x${(flags >>> 0).toString(16)}`,
    expected: 'a definition BPF_MAP_CREATE accepts',
    found: errnoName(errno),
    where: { name: def.name },
    cause,
  });
}
