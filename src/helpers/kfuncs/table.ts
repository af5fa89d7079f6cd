import type { HelperDef } from '../types.ts';
import { ARENA_KFUNCS } from './arena.ts';
import { BASIC_KFUNCS } from './basics.ts';
import { CONNTRACK_KFUNCS } from './conntrack.ts';
import { CPUMASK_KFUNCS } from './cpumask.ts';
import { unimplemented } from './define.ts';
import { DYNPTR_KFUNCS } from './dynptr.ts';
import { FILE_KFUNCS } from './files.ts';
import { ITER_KFUNCS } from './iter.ts';
import { OBJECT_KFUNCS } from './objects.ts';
import { OBJECT_ITER_KFUNCS } from './objects-iter.ts';
import { WORKQUEUE_KFUNCS } from './workqueue.ts';

const FAMILIES: readonly (readonly HelperDef[])[] = [
  DYNPTR_KFUNCS,
  ITER_KFUNCS,
  BASIC_KFUNCS,
  CPUMASK_KFUNCS,
  ARENA_KFUNCS,
  OBJECT_KFUNCS,
  OBJECT_ITER_KFUNCS,
  WORKQUEUE_KFUNCS,
  CONNTRACK_KFUNCS,
  FILE_KFUNCS,
];

/** Kernel functions by name. They have no numbers: a call names one by its BTF id in the kernel the program is for. */
export const KFUNCS: ReadonlyMap<string, HelperDef> = new Map(FAMILIES.flat().map(def => [def.name, def]));

/** The kernel function called `name`. */
export function kfuncDef(name: string): HelperDef | undefined {
  return KFUNCS.get(name);
}

/** What stands for a kernel function farcall has never heard of: a call ends the run with a fault that names it. */
export function unknownKfunc(name: string): HelperDef {
  return unimplemented(name, '');
}
