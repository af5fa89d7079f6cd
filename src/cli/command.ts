import type { Io } from './io.ts';
import type { Options } from './options.ts';
import type { Output } from './output.ts';

/** What a shell may complete a value with. */
export type ValueKind = 'text' | 'integer' | 'choice' | 'file' | 'dir';

export interface ArgSpec {
  /** As help shows it: `FILE`. */
  readonly name: string;
  readonly summary: string;
  readonly kind: ValueKind;
  readonly required?: boolean;
  /** The last argument only: takes all that follow. */
  readonly variadic?: boolean;
  readonly choices?: readonly string[];
}

export interface OptionSpec {
  /** Without dashes: `data-in`. */
  readonly name: string;
  /** One letter. */
  readonly short?: string;
  /** Placeholder of the value as help shows it; an option without one is a flag. */
  readonly value?: string;
  readonly kind?: ValueKind;
  readonly summary: string;
  readonly choices?: readonly string[];
  /** May be given more than once. */
  readonly repeat?: boolean;
  readonly default?: string;
  /** Bounds of integers, inclusive; 0 to 2^53 - 1 unless given. */
  readonly min?: bigint;
  readonly max?: bigint;
}

export interface Example {
  readonly line: string;
  readonly what: string;
}

/** One call of a command. */
export interface Call {
  /** Positional arguments; variadic ones follow the others. */
  readonly args: readonly string[];
  readonly options: Options;
  readonly out: Output;
  readonly io: Io;
}

/** A command: what help, completion and the parser know of it, and what it does. */
export interface Command {
  readonly summary: string;
  /** More lines for `--help`. */
  readonly description?: string;
  readonly args: readonly ArgSpec[];
  readonly options: readonly OptionSpec[];
  readonly examples: readonly Example[];
  /** Does the work. What it throws is reported; the exit code is `out.exit`. */
  run(call: Call): Promise<void> | void;
}

/** A row of the command table. */
export interface CommandRow {
  /** The words that name it: `['obj', 'show']`. */
  readonly path: readonly string[];
  /** Other words for the same, not listed by help. */
  readonly aliases?: readonly (readonly string[])[];
  readonly summary: string;
  /** The command is read when it is needed: help of one command does not load all rooms. */
  load(): Promise<Command>;
}

/** Options every command has. */
export const COMMON_OPTIONS: readonly OptionSpec[] = [
  { name: 'json', short: 'j', summary: 'one JSON object a line instead of text' },
];
