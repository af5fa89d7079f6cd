import { type ArenaMap, isArenaMap } from '../../maps/index.ts';
import { ANY, MAP } from '../proto.ts';
import { type HelperDef, type HelperEnv, ProgramFault } from '../types.ts';
import { returning, silent } from './define.ts';

function arenaAt(env: HelperEnv, mapAddr: number): ArenaMap {
  const map = env.mapAt(mapAddr)!;
  if (!isArenaMap(map)) throw new ProgramFault('bad-argument', `${map.def.name} is no arena`);
  return map;
}

/** Pages of arenas (`kernel/bpf/arena.c`). */
export const ARENA_KFUNCS: readonly HelperDef[] = [
  returning('bpf_arena_alloc_pages', '6.9', [MAP, ANY, ANY, ANY, ANY], (env, map, addr, count) => {
    const arena = arenaAt(env, map);
    return env.arg64(5) !== 0n ? 0 : arena.allocPages(addr, count);
  }),
  silent('bpf_arena_free_pages', '6.9', [MAP, ANY, ANY], (env, map, addr, count) => {
    arenaAt(env, map).freePages(addr, count);
    return 0;
  }),
];
