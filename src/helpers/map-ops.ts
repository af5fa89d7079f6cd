import { ERRNO } from '../uapi/index.ts';
import { defineHelper } from './check.ts';
import { ANY, int, KEY, MAP, pointer, TO_VALUE_OR_NULL, VALUE, VALUE_OUT } from './proto.ts';
import type { HelperDef, HelperEnv } from './types.ts';

// Contracts have been checked before `run`, so the map argument is a map.
const mapOf = (env: HelperEnv, addr: number) => env.mapAt(addr)!;

/** Flags of update and push; a set high half is no flag Linux knows. */
function flagsOf(env: HelperEnv, reg: 3 | 4, low: number): number {
  return env.regs[2 * reg + 1] === 0 ? low : -1;
}

const EINVAL = -ERRNO.EINVAL;

/** `kernel/bpf/helpers.c`, `kernel/bpf/verifier.c`: operations on maps; each map type says what they do. */
export const MAP_HELPERS: readonly HelperDef[] = [
  defineHelper({
    id: 1,
    name: 'bpf_map_lookup_elem',
    since: '3.19',
    proto: pointer(TO_VALUE_OR_NULL, [MAP, KEY], 'pktAccess'),
    run: (env, map, key) => mapOf(env, map).lookup(key),
  }),
  defineHelper({
    id: 2,
    name: 'bpf_map_update_elem',
    since: '3.19',
    proto: int([MAP, KEY, VALUE, ANY], 'pktAccess'),
    run: (env, map, key, value, low) => {
      const flags = flagsOf(env, 4, low);
      return flags < 0 ? EINVAL : mapOf(env, map).update(key, value, flags);
    },
  }),
  defineHelper({
    id: 3,
    name: 'bpf_map_delete_elem',
    since: '3.19',
    proto: int([MAP, KEY], 'pktAccess'),
    run: (env, map, key) => mapOf(env, map).delete(key),
  }),
  defineHelper({
    id: 87,
    name: 'bpf_map_push_elem',
    since: '4.20',
    proto: int([MAP, VALUE, ANY], 'pktAccess'),
    run: (env, map, value, low) => {
      const flags = flagsOf(env, 3, low);
      return flags < 0 ? EINVAL : mapOf(env, map).push(value, flags);
    },
  }),
  defineHelper({
    id: 88,
    name: 'bpf_map_pop_elem',
    since: '4.20',
    proto: int([MAP, VALUE_OUT]),
    run: (env, map, value) => mapOf(env, map).pop(value),
  }),
  defineHelper({
    id: 89,
    name: 'bpf_map_peek_elem',
    since: '4.20',
    proto: int([MAP, VALUE_OUT]),
    run: (env, map, value) => mapOf(env, map).peek(value),
  }),
  defineHelper({
    id: 195,
    name: 'bpf_map_lookup_percpu_elem',
    since: '5.19',
    proto: pointer(TO_VALUE_OR_NULL, [MAP, KEY, ANY], 'pktAccess'),
    run: (env, map, key, cpu) => (cpu >= env.cpuCount ? 0 : mapOf(env, map).lookupPercpu(key, cpu)),
  }),
];
