import { ERRNO } from '../../uapi/index.ts';
import { readU64, writeU64 } from '../memory.ts';
import { ANY, fixed } from '../proto.ts';
import { currentTaskAddr } from '../task.ts';
import type { HelperDef, HelperEnv } from '../types.ts';
import { returning, silent } from './define.ts';

const { EINVAL, ENOENT } = ERRNO;

/** `struct bpf_iter_task`, `_css`, `_css_task` and `_task_vma`: the one thing still to be handed out. */
const TASK = fixed(24, 'MEM_WRITE');
const CSS = fixed(24, 'MEM_WRITE');
const CSS_TASK = fixed(8, 'MEM_WRITE');
const TASK_VMA = fixed(8, 'MEM_WRITE');

const TASK_ITER = { allProcs: 0, allThreads: 1, procThreads: 2 } as const;
/** DESCENDANTS_PRE, DESCENDANTS_POST, ANCESTORS_UP. */
const CSS_ORDERS: readonly number[] = [2, 3, 4];
/** Nothing, PROCS, PROCS and THREADED. */
const CSS_TASK_FLAGS: readonly number[] = [0, 1, 3];

function begin(env: HelperEnv, at: number, only: number): number {
  writeU64(env, at, BigInt(only));
  return 0;
}

/** Hands out what `begin` was given, once. */
function next(env: HelperEnv, at: number): number {
  const only = Number(BigInt.asUintN(32, readU64(env, at)));
  writeU64(env, at, 0n);
  return only;
}

function fail(env: HelperEnv, at: number, error: number): number {
  writeU64(env, at, 0n);
  return -error;
}

function taskNew(env: HelperEnv, at: number, task: number, flags: number): number {
  if (flags > TASK_ITER.procThreads || (flags === TASK_ITER.procThreads && task === 0)) return fail(env, at, EINVAL);
  return begin(env, at, flags === TASK_ITER.procThreads ? task : currentTaskAddr(env));
}

/**
 * Open-coded iterators over what a kernel has (`kernel/bpf/task_iter.c`, `kernel/bpf/cgroup_iter.c`). There is one task without
 * memory mappings, and each cgroup is alone.
 */
export const OBJECT_ITER_KFUNCS: readonly HelperDef[] = [
  returning('bpf_iter_task_new', '6.7', [TASK, ANY, ANY], taskNew),
  returning('bpf_iter_task_next', '6.7', [TASK], next),
  silent('bpf_iter_task_destroy', '6.7', [TASK]),
  returning('bpf_iter_task_vma_new', '6.7', [TASK_VMA, ANY, ANY], (env, at) => fail(env, at, ENOENT)),
  returning('bpf_iter_task_vma_next', '6.7', [TASK_VMA], () => 0),
  silent('bpf_iter_task_vma_destroy', '6.7', [TASK_VMA]),
  returning('bpf_iter_css_new', '6.7', [CSS, ANY, ANY], (env, at, start, flags) =>
    CSS_ORDERS.includes(flags) ? begin(env, at, start) : fail(env, at, EINVAL),
  ),
  returning('bpf_iter_css_next', '6.7', [CSS], next),
  silent('bpf_iter_css_destroy', '6.7', [CSS]),
  returning('bpf_iter_css_task_new', '6.7', [CSS_TASK, ANY, ANY], (env, at, _css, flags) =>
    CSS_TASK_FLAGS.includes(flags) ? begin(env, at, currentTaskAddr(env)) : fail(env, at, EINVAL),
  ),
  returning('bpf_iter_css_task_next', '6.7', [CSS_TASK], next),
  silent('bpf_iter_css_task_destroy', '6.7', [CSS_TASK]),
];
