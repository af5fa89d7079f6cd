import type { Btf } from '../../btf/index.ts';
import { checkMapDef, type MapDef } from '../../maps/index.ts';
import type { ObjectMap, ObjectSpec } from '../../object/index.ts';
import { ERRNO, bpf_map_type as M } from '../../uapi/index.ts';
import { type BtfRecord, MAP_TYPE_RELEASES, recordOfMap, type VerifierMap } from '../../verifier/index.ts';
import { keyAndValueFit } from './map-btf.ts';
import { errorText, type LoadProblem, problem } from './problem.ts';
import { isIn } from './prog-load.ts';
import type { StructOpsMap } from './struct-ops.ts';

/** What of the machine map definitions depend on. */
export interface MapMachine {
  readonly kernelBtf: Btf | undefined;
  /** Of the kernel, 6012 for 6.12; default: one that has everything. */
  readonly release?: number;
  /** Elements of a perf event array that does not say how many. */
  readonly cpuCount: number;
}

/** Types libbpf never names BTF for. Source: `bpf_object__create_map`. */
export const WITHOUT_BTF: ReadonlySet<number> = new Set([
  M.BPF_MAP_TYPE_PERF_EVENT_ARRAY,
  M.BPF_MAP_TYPE_CGROUP_ARRAY,
  M.BPF_MAP_TYPE_STACK_TRACE,
  M.BPF_MAP_TYPE_ARRAY_OF_MAPS,
  M.BPF_MAP_TYPE_HASH_OF_MAPS,
  M.BPF_MAP_TYPE_DEVMAP,
  M.BPF_MAP_TYPE_DEVMAP_HASH,
  M.BPF_MAP_TYPE_CPUMAP,
  M.BPF_MAP_TYPE_XSKMAP,
  M.BPF_MAP_TYPE_SOCKMAP,
  M.BPF_MAP_TYPE_SOCKHASH,
  M.BPF_MAP_TYPE_QUEUE,
  M.BPF_MAP_TYPE_STACK,
  M.BPF_MAP_TYPE_ARENA,
]);

/** Types whose maps must say what is in them (`map_alloc_check` of local storage). */
const LOCAL_STORAGE: ReadonlySet<number> = new Set([
  M.BPF_MAP_TYPE_SK_STORAGE,
  M.BPF_MAP_TYPE_INODE_STORAGE,
  M.BPF_MAP_TYPE_TASK_STORAGE,
  M.BPF_MAP_TYPE_CGRP_STORAGE,
]);

const MAPS_OF_MAPS: ReadonlySet<number> = new Set([M.BPF_MAP_TYPE_ARRAY_OF_MAPS, M.BPF_MAP_TYPE_HASH_OF_MAPS]);

/** `BPF_OBJ_NAME_LEN` less the NUL. */
const NAME_BYTES = 15;

/** What maps of an object become. */
export type MapResult = VerifierMap | LoadProblem;

interface Draft {
  readonly def: MapDef;
  readonly btf: Btf | undefined;
  readonly keyTypeId: number;
  readonly valueTypeId: number;
}

/**
 * The maps of an object as the kernel has them, by the object's numbering; undefined for those that are made on demand
 * only. A kernel that would not make one of them is a problem of the whole object.
 *
 * Source: `tools/lib/bpf/libbpf.c: bpf_object__create_maps, bpf_object__create_map`, `kernel/bpf/syscall.c: map_create`.
 */
export function mapDefinitions(
  spec: ObjectSpec,
  machine: MapMachine,
  structOps: ReadonlyMap<string, StructOpsMap>,
): readonly (VerifierMap | undefined)[] | LoadProblem {
  const maps: (VerifierMap | undefined)[] = [];
  for (const map of spec.maps) {
    if (!map.autocreate) {
      maps.push(undefined);
      continue;
    }
    const made = map.origin === 'struct_ops' ? structOpsMap(map, spec.btf, structOps) : makeMap(map, spec, machine);
    if ('errno' in made) return made;
    maps.push(made);
  }
  return maps;
}

function structOpsMap(map: ObjectMap, btf: Btf | undefined, fitted: ReadonlyMap<string, StructOpsMap>): VerifierMap {
  const valueSize = fitted.get(map.def.name)?.valueSizeBytes ?? map.def.valueSizeBytes;
  return verifierMap({ ...map.def, valueSizeBytes: valueSize }, btf, 0, 0, undefined, undefined);
}

function makeMap(map: ObjectMap, spec: ObjectSpec, machine: MapMachine): MapResult {
  const { def } = map;
  let inner: VerifierMap | undefined;
  if (def.inner !== undefined) {
    const { innerKeyTypeId = 0, innerValueTypeId = 0 } = map;
    const draft = { def: def.inner, btf: spec.btf, keyTypeId: innerKeyTypeId, valueTypeId: innerValueTypeId };
    const made = createMap(draft, undefined, machine);
    if (typeof made === 'number') return problem(made, createFailed(def.name, made));
    // What stands for the maps inside has no name (`bpf_map_meta_alloc`).
    inner = { ...made, name: '' };
  }
  const { keyTypeId, valueTypeId } = map;
  const made = createMap({ def, btf: spec.btf, keyTypeId, valueTypeId }, inner, machine);
  if (typeof made === 'number') return problem(made, createFailed(def.name, made));
  const frozen = /^\.(rodata|kconfig)/.test(map.section) && map.origin === 'data';
  if (!frozen) return made;
  return { ...made, frozen, data: map.data ?? new Uint8Array(def.valueSizeBytes) };
}

const createFailed = (name: string, errno: number): string =>
  `map '${name}': failed to create: ${errorText(-errno)}(${errno})`;

/** A map, or -errno. What speaks against its BTF makes it one without. */
function createMap(draft: Draft, inner: VerifierMap | undefined, machine: MapMachine): VerifierMap | number {
  const { type } = draft.def;
  const perCpu = type === M.BPF_MAP_TYPE_PERF_EVENT_ARRAY && draft.def.maxEntries === 0;
  const def = perCpu ? { ...draft.def, maxEntries: machine.cpuCount } : draft.def;
  // Without a template libbpf names descriptor 0, which is no map.
  if (MAPS_OF_MAPS.has(type) && def.inner === undefined) return -ERRNO.EINVAL;
  if (!isIn(MAP_TYPE_RELEASES[type], machine.release)) return -ERRNO.EINVAL;
  const errno = checkMapDef(def);
  if (errno !== 0) return errno;
  const named = draft.btf !== undefined && !WITHOUT_BTF.has(type) && (draft.keyTypeId !== 0 || draft.valueTypeId !== 0);
  const record = named ? checkBtf(draft, def, machine.kernelBtf) : undefined;
  if (!named || typeof record === 'number') {
    return LOCAL_STORAGE.has(type) ? -ERRNO.EINVAL : verifierMap(def, undefined, 0, 0, undefined, inner);
  }
  return verifierMap(def, draft.btf, draft.keyTypeId, draft.valueTypeId, record, inner);
}

/** Source: `kernel/bpf/syscall.c: map_create, map_check_btf`. */
function checkBtf(draft: Draft, def: MapDef, kernelBtf: Btf | undefined): BtfRecord | undefined | number {
  const { keyTypeId, valueTypeId } = draft;
  const btf = draft.btf as Btf;
  if (valueTypeId === 0) return -ERRNO.EINVAL;
  if (LOCAL_STORAGE.has(def.type) && keyTypeId === 0) return -ERRNO.EINVAL;
  if (keyTypeId !== 0 && btf.trySizeOf(keyTypeId) !== def.keySizeBytes) return -ERRNO.EINVAL;
  const source = { btf, valueTypeId, valueSize: def.valueSizeBytes, mapType: def.type, mapFlags: def.flags, kernelBtf };
  const record = recordOfMap(source);
  if (typeof record === 'number') return record;
  const errno = keyAndValueFit(btf, keyTypeId, valueTypeId, def);
  return errno === 0 ? record : errno;
}

function verifierMap(
  def: MapDef,
  btf: Btf | undefined,
  keyTypeId: number,
  valueTypeId: number,
  record: BtfRecord | undefined,
  inner: VerifierMap | undefined,
): VerifierMap {
  return {
    name: def.name.slice(0, NAME_BYTES),
    type: def.type,
    keySize: def.keySizeBytes,
    valueSize: def.valueSizeBytes,
    maxEntries: def.maxEntries,
    flags: def.flags,
    mapExtra: def.mapExtra ?? 0n,
    btf,
    keyTypeId,
    valueTypeId,
    record,
    inner,
    frozen: false,
    data: undefined,
  };
}
