import { bpf_map_type as T } from '../../uapi/index.ts';
import type { MapDef } from '../types.ts';
import type { MapOp } from './code.ts';

/** The functions that answer a map's operations: what programs call helpers for, and `BpfMap`'s methods. */
export interface MapOpSet {
  readonly lookup?: MapOp;
  readonly update?: MapOp;
  readonly delete?: MapOp;
  readonly lookupPercpu?: MapOp;
  readonly push?: MapOp;
  readonly pop?: MapOp;
  readonly peek?: MapOp;
}

/** Functions that know the size of the key are faster; there is one for these. */
type Sized = '4' | '8' | '16' | '';
const sizedFor = ({ keySizeBytes }: MapDef): Sized =>
  keySizeBytes === 4 || keySizeBytes === 8 || keySizeBytes === 16 ? `${keySizeBytes}` : '';

const queue = (kind: 'queue' | 'stack') => (): MapOpSet => ({
  push: 'queue_push',
  pop: `${kind}_pop`,
  peek: `${kind}_peek`,
});

const BY_TYPE: Readonly<Record<number, (def: MapDef) => MapOpSet>> = {
  [T.BPF_MAP_TYPE_ARRAY]: () => ({ lookup: 'array_lookup', update: 'array_update', delete: 'array_delete' }),
  [T.BPF_MAP_TYPE_PERCPU_ARRAY]: () => ({
    lookup: 'percpu_array_lookup',
    update: 'percpu_array_update',
    delete: 'array_delete',
    lookupPercpu: 'percpu_array_lookup_percpu',
  }),
  [T.BPF_MAP_TYPE_ARRAY_OF_MAPS]: () => ({ lookup: 'array_of_maps_lookup' }),
  [T.BPF_MAP_TYPE_HASH]: def => ({
    lookup: `hash_lookup${sizedFor(def)}`,
    update: `hash_update${sizedFor(def)}`,
    delete: 'hash_delete',
  }),
  [T.BPF_MAP_TYPE_PERCPU_HASH]: def => ({
    lookup: `percpu_hash_lookup${sizedFor(def)}`,
    update: 'percpu_hash_update',
    delete: 'hash_delete',
    lookupPercpu: 'percpu_hash_lookup_percpu',
  }),
  [T.BPF_MAP_TYPE_HASH_OF_MAPS]: () => ({ lookup: 'hash_of_maps_lookup', delete: 'hash_delete' }),
  [T.BPF_MAP_TYPE_LRU_HASH]: def => ({
    lookup: `lru_lookup${sizedFor(def)}`,
    update: `lru_update${sizedFor(def)}`,
    delete: 'lru_delete',
  }),
  [T.BPF_MAP_TYPE_LRU_PERCPU_HASH]: () => ({
    lookup: 'lru_percpu_lookup',
    update: 'lru_percpu_update',
    delete: 'lru_delete',
    lookupPercpu: 'lru_percpu_lookup_percpu',
  }),
  [T.BPF_MAP_TYPE_LPM_TRIE]: ({ keySizeBytes }) => ({
    lookup: keySizeBytes === 8 ? 'lpm_lookup8' : keySizeBytes === 20 ? 'lpm_lookup20' : 'lpm_lookup',
    update: 'lpm_update',
    delete: 'lpm_delete',
  }),
  [T.BPF_MAP_TYPE_QUEUE]: queue('queue'),
  [T.BPF_MAP_TYPE_STACK]: queue('stack'),
};

const NONE: MapOpSet = {};

/** Operations of a map's type; those left out the type has not, or has in JavaScript. */
export function mapOpSet(def: MapDef): MapOpSet {
  return BY_TYPE[def.type]?.(def) ?? NONE;
}
