import type { ObjectSpec } from '../../object/index.ts';
import {
  type Verdict,
  type VerifierStats,
  type VerifyInput,
  type VerifyOptions,
  verify,
} from '../../verifier/index.ts';
import { loaderLog } from './loader-log.ts';
import type { PreparedProgram } from './prepare-object.ts';
import type { LoadProblem } from './problem.ts';

/** What became of a program: `error` where it never reached the verifier. */
export interface ProgramVerdict {
  readonly verdict: 'accept' | 'reject' | 'error';
  /** Positive; 0 if accepted. */
  readonly errno: number;
  /** Why not, in one line; '' if accepted. */
  readonly message: string;
  /** Slot at which it was refused. */
  readonly insnIdx: number | undefined;
  /** undefined unless the verifier looked at it. */
  readonly stats: VerifierStats | undefined;
  /** As a loader shows it. */
  readonly log: string;
  /** The verifier's own answer. */
  readonly full: Verdict | undefined;
}

const failed = ({ errno, message }: LoadProblem): ProgramVerdict => ({
  verdict: 'error',
  errno,
  message,
  insnIdx: undefined,
  stats: undefined,
  log: '',
  full: undefined,
});

const NONE: LoadProblem = { errno: 0, message: '' };

/** Verifies a prepared program of `spec`; one that could not be prepared is an `error`. */
export function verifyPrepared(prepared: PreparedProgram, spec: ObjectSpec, options: VerifyOptions): ProgramVerdict {
  const { input, problem, program } = prepared;
  if (input === undefined) return failed(problem ?? NONE);
  return verdictOf(verify(input, options), log => loaderLog(log, program, spec));
}

/** Verifies raw instructions; see `prepareInsns`. */
export function verifyInsns(prepared: VerifyInput | LoadProblem, options: VerifyOptions): ProgramVerdict {
  return 'errno' in prepared ? failed(prepared) : verdictOf(verify(prepared, options), log => log);
}

function verdictOf(full: Verdict, shownBy: (log: string) => string): ProgramVerdict {
  const { errno, insnIdx, stats } = full;
  if (full.ok) return { verdict: 'accept', errno: 0, message: '', insnIdx: undefined, stats, log: full.log, full };
  const log = shownBy(full.log);
  const message = log === full.log ? full.message : reason(log);
  return { verdict: 'reject', errno, message, insnIdx, stats, log, full };
}

/** The last line before the figures. */
function reason(log: string): string {
  const at = log.search(/^(verification time \d+ usec|processed \d+ insns )/m);
  return (at < 0 ? log : log.slice(0, at)).trimEnd().split('\n').at(-1) ?? '';
}
