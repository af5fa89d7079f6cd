import { Argument, Command as Commander, CommanderError, Option } from 'commander';
import {
  type ArgSpec,
  COMMON_OPTIONS,
  type Command,
  type CommandRow,
  type Example,
  type OptionSpec,
} from './command.ts';
import { EXIT, usageError } from './failure.ts';
import type { Io } from './io.ts';
import { integerOption, Options } from './options.ts';
import { Output } from './output.ts';

/** What the words in front mean, for `farcall --help` and `farcall obj --help`. */
export interface NounRow {
  readonly path: readonly string[];
  readonly summary: string;
  readonly examples: readonly Example[];
}

/** All commands, and what help says beside them. */
export interface CommandTable {
  readonly rows: readonly CommandRow[];
  readonly nouns: readonly NounRow[];
  /** For the front page. */
  readonly examples: readonly Example[];
}

const allPaths = (row: CommandRow): readonly (readonly string[])[] => [row.path, ...(row.aliases ?? [])];

/** The row a command line begins with, options aside, and by which of its names. */
export function findRow(
  rows: readonly CommandRow[],
  argv: readonly string[],
): { row: CommandRow; path: readonly string[] } | undefined {
  const words = argv.filter(arg => !arg.startsWith('-'));
  for (const row of rows) {
    const path = allPaths(row).find(names => names.every((name, i) => words[i] === name));
    if (path !== undefined) return { row, path };
  }
  return undefined;
}

function argument(spec: ArgSpec): Argument {
  const name = spec.variadic === true ? `${spec.name}...` : spec.name;
  const argument = new Argument(spec.required === true ? `<${name}>` : `[${name}]`, spec.summary);
  return spec.choices === undefined ? argument : argument.choices(spec.choices);
}

const camelCase = (name: string): string =>
  name.replaceAll(/-([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());

function option(spec: OptionSpec): Option {
  const dashes = `${spec.short === undefined ? '' : `-${spec.short}, `}--${spec.name}`;
  const result = new Option(spec.value === undefined ? dashes : `${dashes} <${spec.value}>`, spec.summary);
  const { choices } = spec;
  if (choices !== undefined) result.choices(choices);
  if (spec.default !== undefined) result.default(spec.default);
  if (spec.value === undefined || (choices !== undefined && spec.repeat !== true)) return result;
  const one = (text: string): unknown => {
    if (choices !== undefined && !choices.includes(text)) {
      throw usageError(`--${spec.name} is not usable`, choices.join(', '), `'${text}'`);
    }
    return spec.kind === 'integer' ? integerOption(spec, text) : text;
  };
  return result.argParser((text: string, previous: unknown) =>
    spec.repeat === true ? [...((previous as unknown[] | undefined) ?? []), one(text)] : one(text),
  );
}

/** Help as this program prints it: what the command does, its arguments and options, then examples. */
function describe(commander: Commander, command: Command): void {
  commander.description([command.summary, command.description].filter(Boolean).join('\n\n'));
  commander.addHelpText('after', examplesText(command.examples));
}

function examplesText(examples: readonly Example[]): string {
  return `\nExamples:\n${examples.map(({ line, what }) => `  ${what}:\n    $ ${line}`).join('\n')}`;
}

/** The front page lists every command in full, not only first words. */
function frontPage(rows: readonly CommandRow[], examples: readonly Example[]): string {
  const width = Math.max(...rows.map(row => row.path.join(' ').length));
  const lines = rows.map(row => `  ${row.path.join(' ').padEnd(width)}  ${row.summary}`);
  const more =
    '\n\nEvery command explains itself: farcall obj show --help. Exit codes: 0 done, 1 the program faulted or was\nrefused, 2 bad usage or bad input.\n';
  return `\nCommands:\n${lines.join('\n')}${more}${examplesText(examples)}`;
}

/** Builds the parser: the wanted command in full, of the others name and summary for the lists in help. */
export class Parser {
  readonly #io: Io;
  readonly #root: Commander;
  #output: Output | undefined;

  constructor(io: Io, { rows, nouns, examples }: CommandTable, version: string) {
    this.#io = io;
    this.#root = new Commander('farcall')
      .description('The Linux BPF machine in userspace: open, disassemble and run BPF objects without a kernel.')
      .version(version, '-V, --version', 'print the version');
    this.#setUp(this.#root);
    this.#root.configureHelp({ ...this.#root.configureHelp(), visibleCommands: () => [] });
    this.#root.addHelpText('after', frontPage(rows, examples));
    for (const spec of COMMON_OPTIONS) this.#root.addOption(option(spec));
    for (const { path, summary, examples } of nouns) {
      this.#at(path).summary(summary).description(summary).addHelpText('after', examplesText(examples));
    }
    for (const row of rows) {
      for (const path of allPaths(row))
        this.#at(path, path !== row.path)
          .summary(row.summary)
          .description(row.summary);
    }
  }

  #setUp(commander: Commander): void {
    commander
      .exitOverride()
      .showSuggestionAfterError(true)
      .helpOption('-h, --help', 'show this help')
      .helpCommand(false)
      .configureOutput({
        writeOut: text => this.#io.stdout.write(text),
        writeErr: text => this.#io.stderr.write(text),
        // Usage errors are reported by whoever called parse(), in text or JSON.
        outputError: () => {},
        getOutHelpWidth: () => 100,
        getErrHelpWidth: () => 100,
        getOutHasColors: () => false,
        getErrHasColors: () => false,
      });
  }

  /** The command of that name, made with those above it when it is not there yet. */
  #at(path: readonly string[], hidden = false): Commander {
    let here = this.#root;
    for (const name of path) {
      let next = here.commands.find(command => command.name() === name);
      if (next === undefined) {
        next = here.createCommand(name);
        here.addCommand(next, { hidden });
        this.#setUp(next);
      }
      here = next;
    }
    return here;
  }

  /** Gives a command its arguments, options, help and action. */
  define(path: readonly string[], command: Command): void {
    const specs = [...command.options, ...COMMON_OPTIONS];
    const commander = this.#at(path);
    describe(commander, command);
    for (const spec of command.args) commander.addArgument(argument(spec));
    for (const spec of command.options) commander.addOption(option(spec));
    for (const spec of COMMON_OPTIONS) commander.addOption(option(spec));
    commander.action(async () => {
      const values = commander.optsWithGlobals();
      const given = new Map(specs.map(spec => [spec.name, values[camelCase(spec.name)]]));
      const out = new Output(this.#io, values['json'] === true);
      this.#output = out;
      await command.run({ args: commander.args, options: new Options(specs, given), out, io: this.#io });
    });
  }

  /** Parses and runs. Errors are reported here; returns the exit code. */
  async run(argv: readonly string[]): Promise<number> {
    try {
      await this.#root.parseAsync([...argv], { from: 'user' });
      return this.#output?.exit ?? EXIT.done;
    } catch (error) {
      const out =
        this.#output ??
        new Output(
          this.#io,
          argv.some(arg => arg === '--json' || /^-[a-zA-Z]*j/.test(arg)),
        );
      out.status('');
      if (!(error instanceof CommanderError)) out.error(error);
      else if (error.code === 'commander.help') return EXIT.badInput;
      else if (error.exitCode === 0) return EXIT.done;
      else out.error(usageError(`${error.message.replace(/^error: /, '')}${this.#hint(argv)}`));
      return out.exit;
    }
  }

  #hint(argv: readonly string[]): string {
    let here = this.#root;
    const words = ['farcall'];
    for (const word of argv.filter(arg => !arg.startsWith('-'))) {
      const next = here.commands.find(command => command.name() === word);
      if (next === undefined) break;
      here = next;
      words.push(word);
    }
    return `\nTry '${words.join(' ')} --help'.`;
  }
}
