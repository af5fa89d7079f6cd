import { RUN_STATE } from '../../jit/index.ts';
import {
  arrayLookupProgram,
  type BpfMap,
  cpuProgram,
  type MapOp,
  type MapOpProgram,
  type MapOpSet,
  mapOpProgram,
  mapOpSet,
} from '../../maps/index.ts';
import type { LinkHelper } from './link-helpers.ts';

/** Helpers of maps: which operation of a map known they are, and of one that is not. */
const MAP_HELPERS: Readonly<Record<number, readonly [known: keyof MapOpSet, unknown: MapOp | undefined]>> = {
  1: ['lookup', 'map_lookup'],
  2: ['update', 'map_update'],
  3: ['delete', 'map_delete'],
  87: ['push', undefined],
  88: ['pop', undefined],
  89: ['peek', undefined],
  195: ['lookupPercpu', 'map_lookup_percpu'],
};

/** Helpers that work on maps of one type alone, as the verifier saw to. */
const OTHER_HELPERS: Readonly<Record<number, MapOp>> = {
  130: 'ringbuf_output',
  131: 'ringbuf_reserve',
  132: 'ringbuf_submit',
  133: 'ringbuf_discard',
  134: 'ringbuf_query',
};

/** Locks in values, on machines of one thread and of several. */
const LOCK_HELPERS: Readonly<Record<number, readonly [alone: MapOp, shared: MapOp]>> = {
  93: ['spin_lock', 'spin_lock_shared'],
  94: ['spin_unlock', 'spin_unlock_shared'],
};

const GET_SMP_PROCESSOR_ID = 8;

const arrayCode = new WeakMap<BpfMap, Map<number, MapOpProgram>>();
const cpuCode = new Map<number, MapOpProgram>();

/** What `make` made for the key the first time: programs are put in once by their identity. */
function once<K>(made: Map<K, MapOpProgram>, key: K, make: () => MapOpProgram | undefined): MapOpProgram | undefined {
  let found = made.get(key);
  if (found === undefined) {
    found = make();
    if (found !== undefined) made.set(key, found);
  }
  return found;
}

/** Operations of maps in place of helpers: those of the map, where the program says which; for arrays, look-ups of that map alone. */
export const linkMapOps: LinkHelper = ({ id, map, stateAddr }, { env }) => {
  const { mem } = env;
  const cpuAddr = stateAddr + RUN_STATE.cpu;
  if (id === GET_SMP_PROCESSOR_ID) return once(cpuCode, cpuAddr, () => cpuProgram(cpuAddr));
  const ofMap = MAP_HELPERS[id];
  if (ofMap === undefined) {
    const op = OTHER_HELPERS[id] ?? LOCK_HELPERS[id]?.[mem.shared ? 1 : 0];
    return op === undefined ? undefined : mapOpProgram(op, mem.order, cpuAddr);
  }
  const [known, unknown] = ofMap;
  if (map !== undefined && known === 'lookup') {
    let made = arrayCode.get(map);
    if (made === undefined) {
      made = new Map();
      arrayCode.set(map, made);
    }
    const lookup = once(made, cpuAddr, () => arrayLookupProgram(map, mem, cpuAddr));
    if (lookup !== undefined) return lookup;
  }
  const op = map === undefined ? unknown : mapOpSet(map.def)[known];
  return op === undefined ? undefined : mapOpProgram(op, mem.order, cpuAddr);
};
