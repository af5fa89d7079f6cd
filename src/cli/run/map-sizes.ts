import type { MapDef } from '../../maps/index.ts';
import type { ObjectMap, ObjectSpec } from '../../object/index.ts';
import { bpf_map_type as TYPE } from '../../uapi/index.ts';
import { FarcallError } from '../../util/index.ts';
import { usageError } from '../failure.ts';
import { parseInteger } from '../options.ts';

/** Entries a map is given when the object leaves that to its loader; of ring buffers bytes. */
const DEFAULT_ENTRIES = 1024;
const DEFAULT_RING_BYTES = 256 * 1024;
/** `PERF_MAX_STACK_DEPTH` addresses. */
const STACK_BYTES = 127 * 8;

/** Types for which 0 entries is what Linux wants, or which the machine fits to its CPUs. */
const WITHOUT_ENTRIES: ReadonlySet<number> = new Set([
  TYPE.BPF_MAP_TYPE_PERF_EVENT_ARRAY,
  TYPE.BPF_MAP_TYPE_CGROUP_STORAGE,
  TYPE.BPF_MAP_TYPE_PERCPU_CGROUP_STORAGE,
  TYPE.BPF_MAP_TYPE_SK_STORAGE,
  TYPE.BPF_MAP_TYPE_INODE_STORAGE,
  TYPE.BPF_MAP_TYPE_TASK_STORAGE,
  TYPE.BPF_MAP_TYPE_CGRP_STORAGE,
  TYPE.BPF_MAP_TYPE_STRUCT_OPS,
  TYPE.BPF_MAP_TYPE_ARENA,
]);

const RINGS: ReadonlySet<number> = new Set([TYPE.BPF_MAP_TYPE_RINGBUF, TYPE.BPF_MAP_TYPE_USER_RINGBUF]);

/** `NAME=ENTRIES` arguments by name. Throws `arg.usage`. */
function readSizes(args: readonly string[]): Map<string, number> {
  return new Map(
    args.map(arg => {
      const at = arg.lastIndexOf('=');
      const entries = parseInteger(arg.slice(at + 1));
      if (at > 0 && entries !== undefined && entries > 0n && entries <= 0xffffffffn)
        return [arg.slice(0, at), Number(entries)];
      throw usageError('--map-entries is not usable', 'NAME=ENTRIES', `'${arg}'`);
    }),
  );
}

function sized(def: MapDef, entries: number | undefined, notes: string[]): MapDef {
  if (entries !== undefined) return { ...def, maxEntries: entries };
  let result = def;
  if (def.maxEntries === 0 && !WITHOUT_ENTRIES.has(def.type)) {
    const ring = RINGS.has(def.type);
    result = { ...def, maxEntries: ring ? DEFAULT_RING_BYTES : DEFAULT_ENTRIES };
    notes.push(
      `map ${def.name}: the object leaves max_entries open; taken as ${result.maxEntries} (--map-entries ${def.name}=N)`,
    );
  }
  if (def.type === TYPE.BPF_MAP_TYPE_STACK_TRACE && def.valueSizeBytes === 0) {
    result = { ...result, valueSizeBytes: STACK_BYTES };
    notes.push(`map ${def.name}: the object leaves the depth of stacks open; taken as ${STACK_BYTES / 8}`);
  }
  return result;
}

/**
 * The object with its maps sized: as `--map-entries` arguments say, and with usual sizes where the object leaves that to
 * the program that loads it (`bpf_map__set_max_entries`). Throws `map.no-map` for a name that is not there.
 */
export function withMapSizes(spec: ObjectSpec, args: readonly string[], notes: string[]): ObjectSpec {
  const sizes = readSizes(args);
  const maps = spec.maps.map((map): ObjectMap => {
    const def = sized(map.def, sizes.get(map.def.name), notes);
    sizes.delete(map.def.name);
    return def === map.def ? map : { ...map, def };
  });
  const [unknown] = sizes.keys();
  if (unknown === undefined) return { ...spec, maps };
  const expected = `one of ${spec.maps.map(map => map.def.name).join(', ') || 'none'}`;
  throw new FarcallError({ code: 'map.no-map', message: 'no such map', expected, found: `'${unknown}'` });
}
