import { FarcallError, InternalError, type Where } from '../util/index.ts';

/** How a command ends. */
export const EXIT = {
  done: 0,
  /** The program faulted or was refused. */
  refused: 1,
  /** Bad usage or bad input. */
  badInput: 2,
  /** A bug of farcall. */
  bug: 70,
} as const;

/** What went wrong, as data: it crosses threads and is printed as JSON. */
export interface Failure {
  readonly code: string;
  /** Complete on its own: place, problem, expectation and finding. */
  readonly message: string;
  readonly expected?: string;
  readonly found?: string;
  readonly where?: Where;
  readonly exit: number;
}

/** Errors of the file system in plain words, by Node's code. */
const FILE_PROBLEMS: Readonly<Record<string, string>> = {
  ENOENT: 'no such file or directory',
  EACCES: 'permission denied',
  EPERM: 'operation not permitted',
  EISDIR: 'is a directory',
  ENOTDIR: 'a part of the path is not a directory',
  EEXIST: 'exists already',
  ENOSPC: 'no space left',
  EROFS: 'the file system is read-only',
  EMFILE: 'too many open files',
  ELOOP: 'too many symbolic links',
  ENAMETOOLONG: 'the name is too long',
};

/** A file-system error as a FarcallError with code `arg.file`; other errors as they are. */
export function fileError(error: unknown, file: string): unknown {
  const { code } = error as NodeJS.ErrnoException;
  if (!(error instanceof Error) || code === undefined || !('syscall' in error)) return error;
  return new FarcallError({
    code: 'arg.file',
    message: FILE_PROBLEMS[code] ?? `cannot be used: ${code}`,
    where: { file },
    cause: error,
  });
}

/** A mistake on the command line. */
export function usageError(message: string, expected?: string, found?: string): FarcallError {
  return new FarcallError({ code: 'arg.usage', message, expected, found });
}

/** Any thrown value as a Failure. What is not a FarcallError is our bug and keeps its stack. */
export function failureOf(error: unknown): Failure {
  if (error instanceof FarcallError) {
    const { code, message, expected, found, where } = error;
    const exit = code === 'run.rejected' ? EXIT.refused : EXIT.badInput;
    return { code, message, expected, found, where, exit };
  }
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
  const message = error instanceof InternalError ? text : `farcall bug: ${text}`;
  return { code: 'bug', message, exit: EXIT.bug };
}
