import { FarcallError } from '../../../src/util/index.ts';
import type { Verdict, VerifyInput, VerifyOptions } from '../../../src/verifier/index.ts';
import { type Answer, type Figures, figuresOf, kernelVerdict, lastLine, type VerdictWord } from './answers.ts';
import { missingMessage } from './expected.ts';
import { compareLogs, type LogDifference } from './logs.ts';
import type { Subject, Subjects } from './subjects.ts';

export type Verify = (input: VerifyInput, options: VerifyOptions) => Verdict;

/** Bytes the lab's guest gives the log. */
const LAB_LOG_BYTES = (64 << 20) - 1;
const NO_CAPS = { bpf: false, perfmon: false, netAdmin: false, sysAdmin: false };

/** What both sides say of one program. */
export interface Comparison {
  readonly answer: Answer;
  readonly kernel: VerdictWord;
  /** `thrown`: nothing that may escape did. */
  readonly ours: VerdictWord | 'thrown';
  readonly ourErrno: number;
  readonly kernelMessage: string;
  readonly ourMessage: string;
  readonly kernelFigures: Figures | undefined;
  readonly ourFigures: Figures | undefined;
  readonly ourLog: string;
  readonly logDifference: LogDifference | undefined;
  /** Whether the logs hold the messages the program's tags expect; undefined where they expect none. */
  readonly kernelExpected: boolean | undefined;
  readonly ourExpected: boolean | undefined;
  readonly missing: string | undefined;
  readonly ms: number;
}

/** The first line of the stack that is not the error's own. */
function thrownText(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const stack = (error.stack ?? '').split('\n').map(line => line.trim());
  const frame = stack.find(line => line.startsWith('at ') && !/VerifierEnv\.bug|InternalError/.test(line)) ?? '';
  const place = /(src\/[^)]*)\)?$/.exec(frame)?.[1] ?? frame;
  return `${error.name}: ${error.message.split('\n')[0]} [${/^at (\S+) /.exec(frame)?.[1] ?? ''} ${place}]`;
}

interface Ours {
  readonly word: Comparison['ours'];
  readonly errno: number;
  readonly message: string;
  readonly log: string;
  readonly figures: Figures | undefined;
}

function judge(subject: Subject | undefined, thrown: unknown, verify: Verify, options: VerifyOptions): Ours {
  const nothing = { log: '', figures: undefined };
  if (subject === undefined) return { word: 'thrown', errno: 0, message: thrownText(thrown), ...nothing };
  if (subject.input === undefined) {
    return { word: 'error', errno: subject.problem?.errno ?? 0, message: subject.problem?.message ?? '', ...nothing };
  }
  try {
    const verdict = verify(subject.input, subject.unprivileged ? { ...options, caps: NO_CAPS } : options);
    const log = verdict.ok ? verdict.log : subject.loaderLog(verdict.log);
    const { processedInsns, totalStates, peakStates } = verdict.stats;
    const figures = { processed: processedInsns, totalStates, peakStates };
    const message = verdict.ok ? '' : lastLine(log);
    return { word: verdict.ok ? 'accept' : 'reject', errno: verdict.errno, message, log, figures };
  } catch (error) {
    const word = error instanceof FarcallError ? 'error' : 'thrown';
    return { word, errno: 0, message: thrownText(error), ...nothing };
  }
}

export function compareOne(
  answer: Answer,
  subjects: Subjects,
  verify: Verify,
  options: Partial<VerifyOptions>,
): Comparison {
  const from = performance.now();
  let subject: Subject | undefined;
  let thrown: unknown;
  try {
    subject = subjects.subject(answer.file, answer.prog);
  } catch (error) {
    thrown = error;
  }
  const full = { kernel: subjects.kernel, logLevel: 2, logSizeBytes: LAB_LOG_BYTES, ...options };
  const ours = judge(subject, thrown, verify, full);
  const kernel = kernelVerdict(answer);
  const messages = subject?.expected?.messages ?? [];
  const expects = messages.length > 0;
  const missing = expects ? missingMessage(ours.log, messages) : undefined;
  return {
    answer,
    kernel,
    ours: ours.word,
    ourErrno: ours.errno,
    kernelMessage:
      kernel === 'error' ? (answer.libbpf ?? '').split('\n')[0].replace(/^libbpf: /, '') : lastLine(answer.log),
    ourMessage: ours.message,
    kernelFigures: figuresOf(answer.log),
    ourFigures: ours.figures,
    ourLog: ours.log,
    logDifference: kernel === 'error' && ours.word === 'error' ? undefined : compareLogs(answer.log, ours.log),
    kernelExpected: expects ? missingMessage(answer.log, messages) === undefined : undefined,
    ourExpected: expects ? missing === undefined : undefined,
    missing,
    ms: performance.now() - from,
  };
}
