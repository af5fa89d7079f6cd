import { type ErrorCode, FarcallError } from '../util/index.ts';
import { excerpt, placeOf } from './excerpt.ts';

/** What is wrong at one place of a source, before line and column are worked out. */
export interface Problem {
  readonly code: ErrorCode & `asm.${string}`;
  readonly message: string;
  readonly expected?: string;
  readonly found?: string;
  /** Offset of the offending character in the source text. */
  readonly at: number;
}

/** The error of a problem: its line and column in `where`, and the offending line with a caret below in the message. */
export function problemError(problem: Problem, text: string, file?: string): FarcallError {
  const place = placeOf(text, problem.at);
  return new FarcallError({
    code: problem.code,
    message: `${problem.message}\n${excerpt(text, problem.at)}`,
    expected: problem.expected,
    found: problem.found,
    where: file === undefined ? place : { file, ...place },
  });
}
