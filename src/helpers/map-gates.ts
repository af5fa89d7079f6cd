import { MAP_GATES } from '../maps/index.ts';
import { defineHelper } from './check.ts';
import { ANY, int, MAP } from './proto.ts';
import type { HelperDef } from './types.ts';

/** What operations of maps call of JavaScript, as helpers that no program has. */
const GATES: readonly HelperDef[] = [
  defineHelper({
    id: MAP_GATES.grow,
    name: 'map_grow',
    since: '',
    proto: int([MAP, ANY]),
    run: (env, map, pool) => (env.mapAt(map)?.grow(pool) === true ? 1 : 0),
  }),
  defineHelper({
    id: MAP_GATES.fieldDies,
    name: 'map_field_dies',
    since: '',
    proto: int([MAP, ANY, ANY]),
    run: (env, map, index, addr) => {
      env.mapAt(map)?.fieldDies(index, addr);
      return 0;
    },
  }),
];

/** The gate of that number; see `MAP_GATES`. */
export function mapGateDef(id: number): HelperDef | undefined {
  return GATES.find(def => def.id === id);
}
