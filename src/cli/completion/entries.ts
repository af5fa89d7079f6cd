import { type ArgSpec, COMMON_OPTIONS, type OptionSpec } from '../command.ts';
import type { CommandTable } from '../parser.ts';

/** What a shell must know of one place in the command tree: a word list, or a command with arguments and options. */
export interface CompletionEntry {
  readonly path: readonly string[];
  readonly words: readonly Word[];
  readonly args: readonly ArgSpec[];
  readonly options: readonly OptionSpec[];
}

const HELP: OptionSpec = { name: 'help', short: 'h', summary: 'show help' };

interface Word {
  readonly name: string;
  readonly summary: string;
}

/** Word lists by the words before them, in order of first use. */
class Tree {
  readonly nodes = new Map<string, { readonly path: readonly string[]; readonly words: Word[] }>();

  /** Adds a command's words, below nodes for which `wanted` holds. */
  add(
    path: readonly string[],
    summaryOf: (path: readonly string[]) => string,
    wanted: (node: string) => boolean,
  ): void {
    for (let length = 0; length < path.length; length++) {
      const before = path.slice(0, length);
      const key = before.join(' ');
      if (!wanted(key)) continue;
      const node = this.nodes.get(key) ?? { path: before, words: [] };
      this.nodes.set(key, node);
      const name = path[length];
      if (node.words.every(word => word.name !== name)) {
        node.words.push({ name, summary: summaryOf(path.slice(0, length + 1)) });
      }
    }
  }
}

/** The command tree with the root first. Aliases complete when their first word is typed, but are not offered. */
export async function completionEntries({ rows, nouns }: CommandTable): Promise<CompletionEntry[]> {
  const summaryOf = (path: readonly string[]): string =>
    [...rows, ...nouns].find(row => row.path.join(' ') === path.join(' '))?.summary ?? '';
  const tree = new Tree();
  const leaves: CompletionEntry[] = [];
  for (const row of rows) tree.add(row.path, summaryOf, () => true);
  const offered = new Set(tree.nodes.keys());
  for (const row of rows) {
    const { args, options } = await row.load();
    for (const path of [row.path, ...(row.aliases ?? [])]) {
      leaves.push({ path, words: [], args, options: [...options, ...COMMON_OPTIONS, HELP] });
    }
    for (const path of row.aliases ?? [])
      tree.add(
        path,
        () => row.summary,
        key => !offered.has(key),
      );
  }
  const nodes = [...tree.nodes.values()].map(({ path, words }) => {
    const options = path.length === 0 ? [...COMMON_OPTIONS, HELP] : [HELP];
    return { path, words, args: [], options };
  });
  return [...nodes, ...leaves];
}

/** All spellings of an option. */
export function spellings(option: OptionSpec): string[] {
  return [...(option.short === undefined ? [] : [`-${option.short}`]), `--${option.name}`];
}

/** Text as one word of a POSIX shell. */
export function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
