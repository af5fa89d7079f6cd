import type { ArgSpec, OptionSpec } from '../command.ts';
import { type CompletionEntry, quoted, spellings } from './entries.ts';

/** What may stand in place of a value: a list of words, file names, or nothing. */
function valueAction(spec: ArgSpec | OptionSpec): string {
  if (spec.choices !== undefined) return `_farcall_words ${quoted(spec.choices.join(' '))}`;
  if (spec.kind === 'file') return '_farcall_files -f';
  return spec.kind === 'dir' ? '_farcall_files -d' : ':';
}

function optionCases(entry: CompletionEntry): string[] {
  return entry.options
    .filter(option => option.value !== undefined)
    .map(
      option =>
        `    ${quoted(entry.path.join(' '))}:${spellings(option).join(`|${quoted(entry.path.join(' '))}:`)}) ${valueAction(option)}; return ;;`,
    );
}

function entryCase(entry: CompletionEntry): string {
  const options = entry.options.flatMap(spellings).join(' ');
  const words = entry.words.map(word => word.name).join(' ');
  const actions = entry.args.map((arg, i) => {
    const last = arg.variadic === true;
    return `        ${last ? '*' : i}) ${valueAction(arg)} ;;`;
  });
  const rest = actions.length === 0 ? '' : `\n      case $count in\n${actions.join('\n')}\n      esac`;
  const values = words === '' ? rest : `\n      _farcall_words ${quoted(words)}`;
  return `    ${quoted(entry.path.join(' '))})
      if [[ $cur == -* ]]; then _farcall_words ${quoted(options)}; return; fi${values}
      ;;`;
}

/** A script for bash 4 and later; needs nothing of bash-completion. */
export function bashCompletion(entries: readonly CompletionEntry[]): string {
  const nodes = entries.flatMap(entry => (entry.path.length === 0 ? [] : [quoted(entry.path.join(' '))]));
  const flags = entries.flatMap(entry =>
    entry.options
      .filter(option => option.value !== undefined)
      .flatMap(option => spellings(option).map(name => quoted(`${entry.path.join(' ')}:${name}`))),
  );
  return `# bash completion for farcall
function _farcall_words {
  local word
  for word in $1; do [[ $word == "$cur"* ]] && COMPREPLY+=("$word"); done
}
function _farcall_files {
  compopt -o filenames 2>/dev/null
  mapfile -t COMPREPLY < <(compgen "$1" -- "$cur")
}
function _farcall {
  local cur=\${COMP_WORDS[COMP_CWORD]} prev=\${COMP_WORDS[COMP_CWORD-1]} path='' count=0 i word
  COMPREPLY=()
  for ((i = 1; i < COMP_CWORD; i++)); do
    word=\${COMP_WORDS[i]}
    case "$path:$word" in
      ${flags.join('|')}) ((i++)); continue ;;
    esac
    [[ $word == -* ]] && continue
    case "\${path:+$path }$word" in
      ${nodes.join('|')}) path="\${path:+$path }$word"; continue ;;
    esac
    ((count++))
  done
  case "$path:$prev" in
${entries.flatMap(optionCases).join('\n')}
  esac
  case "$path" in
${entries.map(entryCase).join('\n')}
  esac
}
complete -F _farcall farcall
`;
}
