import { FarcallError } from '../util/index.ts';

/** A run's packet or context that `BPF_PROG_TEST_RUN` would refuse, with the errno it gives. */
export function badInput(
  what: 'data' | 'ctx',
  message: string,
  expected: string,
  found: string,
  errno = 'EINVAL',
): FarcallError {
  return new FarcallError({ code: `run.${what}`, message: `${message}: ${errno}`, expected, found });
}
