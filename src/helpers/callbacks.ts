import { BPF_FLAGS, ERRNO } from '../uapi/index.ts';
import { defineHelper } from './check.ts';
import { ANY, btf, FUNC, int, MAP, STACK_OR_NULL } from './proto.ts';
import type { HelperDef } from './types.ts';

/** Helpers that call the program's own functions. */
export const CALLBACK_HELPERS: readonly HelperDef[] = [
  defineHelper({
    id: 164,
    name: 'bpf_for_each_map_elem',
    since: '5.13',
    proto: int([MAP, FUNC, STACK_OR_NULL, ANY]),
    run: (env, map, func, ctx) => {
      if (env.arg64(4) !== 0n) return -ERRNO.EINVAL;
      const ctx64 = env.arg64(3);
      const visit = (key: number, value: number): number => env.callFunc(func, map, key, value, ctx === 0 ? 0 : ctx64);
      return env.mapAt(map)!.forEach(visit);
    },
  }),
  defineHelper({
    id: 181,
    name: 'bpf_loop',
    since: '5.17',
    proto: int([ANY, FUNC, STACK_OR_NULL, ANY]),
    run: (env, count, func) => {
      if (env.arg64(4) !== 0n) return -ERRNO.EINVAL;
      if (count > BPF_FLAGS.BPF_MAX_LOOPS) return -ERRNO.E2BIG;
      const ctx = env.arg64(3);
      for (let i = 0; i < count; i++) if (env.callFunc(func, i, ctx) !== 0) return i + 1;
      return count;
    },
  }),
  // No task has memory mappings here: the address lies in none (`kernel/bpf/task_iter.c: bpf_find_vma`).
  defineHelper({
    id: 180,
    name: 'bpf_find_vma',
    since: '5.17',
    proto: int([btf('task_struct'), ANY, FUNC, STACK_OR_NULL, ANY]),
    run: (_env, task, _addr, _func, _ctx, flags) => {
      if (flags !== 0) return -ERRNO.EINVAL;
      return task === 0 ? -ERRNO.ENOENT : -ERRNO.EBUSY;
    },
  }),
];
