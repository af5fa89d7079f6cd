import { COMMAND_TABLE } from './commands.ts';
import { type Io, processIo } from './io.ts';
import { packageVersion } from './package-info.ts';
import { findRow, Parser } from './parser.ts';

/** `help obj show` and `obj help`, as bpftool has them, in the words of options. */
function withoutHelpWord(argv: readonly string[]): readonly string[] {
  if (argv[0] === 'help') return [...argv.slice(1), '--help'];
  const isNoun = COMMAND_TABLE.nouns.some(
    ({ path }) => path.every((word, i) => argv[i] === word) && argv[path.length] === 'help',
  );
  return isNoun ? [...argv.filter(word => word !== 'help'), '--help'] : argv;
}

/**
 * Runs one command line and returns its exit code: 0 done, 1 the program faulted or was refused, 2 bad usage or bad
 * input. Never throws.
 *
 * @param argv without interpreter and script
 */
export async function main(argv: readonly string[], io: Io): Promise<number> {
  const words = withoutHelpWord(argv);
  const parser = new Parser(io, COMMAND_TABLE, packageVersion());
  const found = findRow(COMMAND_TABLE.rows, words);
  if (found !== undefined) parser.define(found.path, await found.row.load());
  return parser.run(words);
}

/** The program: `main` on this process's arguments and streams. */
export async function runProcess(): Promise<void> {
  // Not process.exit(): what is still on its way into a pipe must arrive.
  process.exitCode = await main(process.argv.slice(2), processIo());
}
