import type { ArgSpec, OptionSpec } from '../command.ts';
import type { CompletionEntry } from './entries.ts';

const quoted = (text: string): string => `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;

function valueFlags(spec: ArgSpec | OptionSpec): string {
  if (spec.choices !== undefined) return `-x -a ${quoted(spec.choices.join(' '))}`;
  if (spec.kind === 'file') return '-r -F';
  return spec.kind === 'dir' ? "-x -a '(__fish_complete_directories)'" : '-x';
}

function entryLines(entry: CompletionEntry): string[] {
  const at = `complete -c farcall -n ${quoted(`__farcall_at ${entry.path.join(' ')}`.trim())}`;
  const words = entry.words.map(
    word => `${at} -a ${quoted(word.name)}${word.summary === '' ? '' : ` -d ${quoted(word.summary)}`}`,
  );
  const options = entry.options.map(option => {
    const short = option.short === undefined ? '' : ` -s ${option.short}`;
    const value = option.value === undefined ? '' : ` ${valueFlags(option)}`;
    return `${at}${short} -l ${option.name}${value} -d ${quoted(option.summary)}`;
  });
  const args = entry.args.flatMap(arg => {
    if (arg.choices !== undefined) return [`${at} -a ${quoted(arg.choices.join(' '))}`];
    return arg.kind === 'file' || arg.kind === 'dir' ? [`${at} -F`] : [];
  });
  return [...words, ...options, ...args];
}

/** A script for fish 3 and later. */
export function fishCompletion(entries: readonly CompletionEntry[]): string {
  const paths = entries.filter(entry => entry.path.length > 0).map(entry => quoted(entry.path.join(' ')));
  const valued = [
    ...new Set(
      entries.flatMap(entry =>
        entry.options
          .filter(option => option.value !== undefined)
          .flatMap(option => [`--${option.name}`, ...(option.short === undefined ? [] : [`-${option.short}`])]),
      ),
    ),
  ];
  return `# fish completion for farcall
set -g __farcall_paths ${paths.join(' ')}
function __farcall_at --description 'whether the words so far name this command'
    set -l path
    set -l skip 0
    for word in (commandline -opc)[2..-1]
        if test $skip = 1
            set skip 0
        else if contains -- $word ${valued.join(' ')}
            set skip 1
        else if string match -q -- '-*' $word
            continue
        else if contains -- (string join ' ' $path $word) $__farcall_paths
            set path $path $word
        end
    end
    test "$path" = "$argv"
end
complete -c farcall -f
${entries.flatMap(entryLines).join('\n')}
`;
}
