import { FarcallError } from '../util/index.ts';
import { PPC64_TARGETS } from './ppc64/target.ts';
import type { JitTarget } from './types.ts';

/** Every CPU and ABI that can be compiled for. */
export const TARGETS: readonly JitTarget[] = [...PPC64_TARGETS];

/** A target by name. Throws `arg.target`, which lists the names. */
export function findTarget(name: string): JitTarget {
  const target = TARGETS.find(candidate => candidate.name === name);
  if (target === undefined) {
    throw new FarcallError({
      code: 'arg.target',
      message: `there is no target ${name}`,
      expected: TARGETS.map(candidate => candidate.name).join(', '),
      found: name,
    });
  }
  return target;
}
