import { EXIT, type Failure, failureOf } from './failure.ts';
import type { Io } from './io.ts';
import { toJson } from './json.ts';

const SGR = {
  bold: '1',
  dim: '2',
  red: '31',
  green: '32',
  yellow: '33',
  cyan: '36',
} as const;

export type Paint = keyof typeof SGR;
/** Puts text between escape sequences, or leaves it alone. */
export type Painter = (style: Paint, text: string) => string;

const plainPainter: Painter = (_, text) => text;
const ansiPainter: Painter = (style, text) => (text === '' ? '' : `\x1b[${SGR[style]}m${text}\x1b[0m`);

export function painter(color: boolean): Painter {
  return color ? ansiPainter : plainPainter;
}

/** Colours only on a terminal, unless NO_COLOR is set; FORCE_COLOR overrides the terminal test. */
function wantsColor(io: Io): boolean {
  if ((io.env['NO_COLOR'] ?? '') !== '' || io.env['TERM'] === 'dumb') return false;
  const forced = io.env['FORCE_COLOR'] ?? '';
  return io.stdout.isTTY || (forced !== '' && forced !== '0');
}

/**
 * Text from files must not command the terminal: control characters other than newlines, tabs and colours become
 * visible escapes.
 */
function tame(text: string): string {
  return text.replaceAll(/\x1b(?!\[\d{1,2}m)|[\x00-\x08\x0b-\x1a\x1c-\x1f\x7f-\x9f]/g, char => {
    return `\\x${char.charCodeAt(0).toString(16).padStart(2, '0')}`;
  });
}

/**
 * The one way commands speak: text for people or one JSON object a line on standard output, remarks, problems and progress
 * on standard error. In JSON mode problems are objects on standard output.
 */
export class Output {
  readonly json: boolean;
  readonly color: boolean;
  /** Paints for standard output. */
  readonly paint: Painter;
  readonly #io: Io;
  #exit: number = EXIT.done;
  #cleanup: (() => void) | undefined;

  constructor(io: Io, json: boolean) {
    this.#io = io;
    this.json = json;
    this.color = !json && wantsColor(io);
    this.paint = painter(this.color);
  }

  /** The exit code so far: that of the worst problem reported. */
  get exit(): number {
    return this.#exit;
  }
  fail(exit: number): void {
    this.#exit = Math.max(this.#exit, exit);
  }

  /** Text for people, with its own newlines; nothing in JSON mode. */
  text(text: string): void {
    if (!this.json) this.#out(tame(text));
  }
  /** One object a line; nothing in text mode. */
  record(value: unknown): void {
    if (this.json) this.#out(`${toJson(value)}\n`);
  }
  /** What is neither text nor JSON, or is JSON already: goes out as it is in both modes. */
  raw(chunk: string | Uint8Array): void {
    this.#out(chunk);
  }
  /** A remark on standard error, for people only: in JSON mode it belongs into the record. */
  note(text: string): void {
    if (!this.json)
      this.#err(`${this.#io.stderr.isTTY && this.color ? ansiPainter('yellow', 'note:') : 'note:'} ${text}\n`);
  }

  /** Reports a problem and remembers its exit code. */
  failure(failure: Failure): void {
    this.fail(failure.exit);
    const { exit: _, ...error } = failure;
    if (this.json) this.record({ error });
    else
      this.#err(
        `${this.color && this.#io.stderr.isTTY ? ansiPainter('red', 'farcall:') : 'farcall:'} ${error.message}\n`,
      );
  }
  error(error: unknown): void {
    this.failure(failureOf(error));
  }

  /** Whether a progress line may be shown. */
  get showsProgress(): boolean {
    return this.#io.stderr.isTTY && !this.json;
  }
  now(): number {
    return this.#io.now();
  }
  /** Shows a progress line, or removes it with ''. The next thing written replaces it. */
  status(text: string): void {
    this.#clearStatus();
    if (text === '') return;
    this.#io.stderr.write(text);
    this.#cleanup = () => this.#io.stderr.write('\r\x1b[K');
  }
  #clearStatus(): void {
    this.#cleanup?.();
    this.#cleanup = undefined;
  }

  #out(chunk: string | Uint8Array): void {
    this.#clearStatus();
    if (chunk.length > 0) this.#io.stdout.write(chunk);
  }
  #err(text: string): void {
    this.#clearStatus();
    this.#io.stderr.write(tame(text));
  }
}
