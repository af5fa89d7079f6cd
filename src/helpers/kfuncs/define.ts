import { compileChecks, defineHelper } from '../check.ts';
import { int, nothing } from '../proto.ts';
import { type ArgProto, type HelperDef, type HelperProto, ProgramFault } from '../types.ts';

type Run = HelperDef['run'];

function kfunc(name: string, since: string, proto: HelperProto, run: Run): HelperDef {
  return defineHelper({ id: 0, name, since, proto, run, check: compileChecks(name, proto) });
}

/**
 * A kernel function that returns a number or pointer. Kernel functions have no `bpf_func_proto`: the kernel's BTF is
 * their contract. `args` is as much of it as a call needs at run time.
 */
export function returning(name: string, since: string, args: readonly ArgProto[], run: Run): HelperDef {
  return kfunc(name, since, int(args), run);
}

/** A kernel function that returns nothing. */
export function silent(name: string, since: string, args: readonly ArgProto[], run: Run = () => 0): HelperDef {
  return kfunc(name, since, nothing(args), run);
}

/** A kernel function farcall knows by name only: calling it ends the run. */
export function unimplemented(name: string, since: string): HelperDef {
  const run = (): never => {
    throw new ProgramFault('bad-call', `kernel function ${name} is not implemented`);
  };
  return { id: 0, name, since, proto: int(), implemented: false, run };
}
