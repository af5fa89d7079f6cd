import { ERRNO, errnoName } from '../../uapi/index.ts';

/** Why a program never reaches the verifier, as libbpf reports it. */
export interface LoadProblem {
  /** Positive. */
  readonly errno: number;
  /** libbpf's words, without `libbpf: `. */
  readonly message: string;
}

/** `strerror()` of what loading can end in, as glibc words it. */
const ERROR_TEXTS: ReadonlyMap<number, string> = new Map<number, string>([
  [ERRNO.EPERM, 'Operation not permitted'],
  [ERRNO.ENOENT, 'No such file or directory'],
  [ERRNO.ESRCH, 'No such process'],
  [ERRNO.E2BIG, 'Argument list too long'],
  [ERRNO.ENOMEM, 'Cannot allocate memory'],
  [ERRNO.EACCES, 'Permission denied'],
  [ERRNO.EFAULT, 'Bad address'],
  [ERRNO.EINVAL, 'Invalid argument'],
  [ERRNO.ENOSPC, 'No space left on device'],
  [ERRNO.ELOOP, 'Too many levels of symbolic links'],
  [ERRNO.EOPNOTSUPP, 'Operation not supported'],
]);

/** `Invalid argument` for 22; `ERROR: strerror_r(524)=22` is what libbpf makes of numbers glibc does not know. */
export function errorText(errno: number): string {
  return ERROR_TEXTS.get(errno) ?? (errno === ERRNO.ENOTSUPP ? `ERROR: strerror_r(${errno})=22` : errnoName(errno));
}

/** A problem from libbpf's words and an errno of either sign. */
export function problem(errno: number, message: string): LoadProblem {
  return { errno: Math.abs(errno), message };
}
