import type { ArgSpec, OptionSpec } from '../command.ts';
import { type CompletionEntry, quoted, spellings } from './entries.ts';

/** Text inside `_arguments` specs and descriptions: brackets and colons mean something there. */
const escaped = (text: string): string => text.replaceAll(/[\\[\]:]/g, '\\$&');

function action(spec: ArgSpec | OptionSpec): string {
  if (spec.choices !== undefined) return `(${spec.choices.join(' ')})`;
  if (spec.kind === 'file') return '_files';
  return spec.kind === 'dir' ? '_files -/' : ' ';
}

function optionSpecs(option: OptionSpec): string[] {
  const value = option.value === undefined ? '' : `:${escaped(option.value)}:${action(option)}`;
  const names = spellings(option);
  const others = option.repeat === true ? '*' : `(${names.join(' ')})`;
  return names.map(name => quoted(`${others}${name}[${escaped(option.summary)}]${value}`));
}

function argSpec(arg: ArgSpec, index: number): string {
  const place = arg.variadic === true ? '*' : `${index + 1}`;
  return quoted(`${place}:${escaped(arg.name)}:${action(arg)}`);
}

const functionName = (path: readonly string[]): string => ['_farcall', ...path].join('__').replaceAll('-', '_');

function entryFunction(entry: CompletionEntry, entries: readonly CompletionEntry[]): string {
  const specs = [...entry.options.flatMap(optionSpecs), ...entry.args.map(argSpec)];
  const name = functionName(entry.path);
  if (entry.words.length === 0) return `${name}() {\n  _arguments -s ${specs.join(' \\\n    ')}\n}`;
  const words = entry.words.map(word => quoted(`${escaped(word.name)}:${escaped(word.summary)}`));
  const below = entries.filter(
    other => other.path.length === entry.path.length + 1 && entry.path.every((word, i) => other.path[i] === word),
  );
  const cases = below.map(other => `      ${other.path[entry.path.length]}) ${functionName(other.path)} ;;`);
  return `${name}() {
  local line state
  _arguments -C ${specs.join(' \\\n    ')} '1: :->word' '*::arg:->rest'
  case $state in
    word) local -a words; words=(${words.join(' ')}); _describe command words ;;
    rest) case $line[1] in
${cases.join('\n')}
    esac ;;
  esac
}`;
}

/** A script for zsh's completion system, to be put into a file `_farcall` on `$fpath`, or sourced. */
export function zshCompletion(entries: readonly CompletionEntry[]): string {
  return `#compdef farcall
${entries.map(entry => entryFunction(entry, entries)).join('\n')}
if [ "$funcstack[1]" = "_farcall" ]; then _farcall "$@"; else compdef _farcall farcall; fi
`;
}
