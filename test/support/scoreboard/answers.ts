import { closeSync, openSync, readSync } from 'node:fs';
import { basename } from 'node:path';

/** What a kernel lab says of one program, as far as a verdict goes. */
export interface Answer {
  readonly file: string;
  readonly prog: string;
  readonly sec?: string;
  readonly type?: number;
  readonly attach?: number;
  readonly errno: number;
  readonly verified_insns?: number;
  readonly log: string;
  readonly libbpf?: string;
}

/** A verdict in the words both sides share. */
export type VerdictWord = 'accept' | 'reject' | 'error';

/** Figures of the line `processed …`. */
export interface Figures {
  readonly processed: number;
  readonly totalStates: number;
  readonly peakStates: number;
}

/** A log of so many characters that does not end in its figures is one the lab kept the beginning of. */
export const KEPT_LOG_CHARS = 100_000;

/** Picks programs: a file with or without directories and `.o`, and one of its programs. */
export interface Selection {
  readonly file: string;
  readonly prog: string | undefined;
}

export function parseSelection(text: string): Selection {
  const [file, prog] = text.split(':');
  return { file: basename(file).replace(/\.(o|prog)$/, ''), prog: prog === '' ? undefined : prog };
}

const isSelected = (file: string, prog: string, only: readonly Selection[]): boolean =>
  only.length === 0 ||
  only.some(row => row.file === file.replace(/\.(o|prog)$/, '') && (row.prog === undefined || row.prog === prog));

const HEAD = /^\{"file":"([^"]*)","prog":"([^"]*)"/;

/** Lines of a file of any size. */
function* lines(path: string): Generator<string> {
  const fd = openSync(path, 'r');
  const chunk = Buffer.alloc(1 << 20);
  let parts: Buffer[] = [];
  try {
    for (;;) {
      const got = readSync(fd, chunk);
      if (got === 0) break;
      let from = 0;
      for (let at = chunk.indexOf(10); at >= 0 && at < got; at = chunk.indexOf(10, from)) {
        parts.push(Buffer.from(chunk.subarray(from, at)));
        yield Buffer.concat(parts).toString('latin1');
        parts = [];
        from = at + 1;
      }
      parts.push(Buffer.from(chunk.subarray(from, got)));
    }
    if (parts.length > 0) yield Buffer.concat(parts).toString('latin1');
  } finally {
    closeSync(fd);
  }
}

/** Release of the kernel that answered: `6.12.107+deb13-amd64`. */
export function releaseOf(path: string): string | undefined {
  for (const line of lines(path)) return (JSON.parse(line) as { kernel?: string }).kernel;
  return undefined;
}

/** The answers about programs, those selected only; others are passed over unread. */
export function* readAnswers(path: string, only: readonly Selection[]): Generator<Answer> {
  for (const line of lines(path)) {
    const head = HEAD.exec(line);
    if (head !== null && isSelected(head[1], head[2], only)) yield JSON.parse(line) as Answer;
  }
}

/** `reject` only where the verifier looked at the program; refused later on (prog arrays), it was accepted by then. */
export function kernelVerdict(answer: Answer): VerdictWord {
  if (answer.errno === 0) return 'accept';
  if (answer.log === '') return 'error';
  return /failed to initialize slot/.test(answer.libbpf ?? '') ? 'accept' : 'reject';
}

const FIGURES = /^processed (\d+) insns \(limit \d+\) max_states_per_insn \d+ total_states (\d+) peak_states (\d+)/m;

export function figuresOf(log: string): Figures | undefined {
  const found = FIGURES.exec(log.slice(-400));
  if (found === null) return undefined;
  return { processed: Number(found[1]), totalStates: Number(found[2]), peakStates: Number(found[3]) };
}

const STATS = /^(verification time \d+ usec|processed \d+ insns )/m;

/** The last line before the figures: why the program was refused. */
export function lastLine(log: string): string {
  const tail = log.slice(-4000);
  const at = tail.search(STATS);
  return (at < 0 ? tail : tail.slice(0, at)).trimEnd().split('\n').at(-1) ?? '';
}
