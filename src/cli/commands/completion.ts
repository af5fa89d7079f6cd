import type { Command } from '../command.ts';
import { COMMAND_TABLE } from '../commands.ts';
import { bashCompletion } from '../completion/bash.ts';
import { type CompletionEntry, completionEntries } from '../completion/entries.ts';
import { fishCompletion } from '../completion/fish.ts';
import { zshCompletion } from '../completion/zsh.ts';

const SHELLS: Readonly<Record<string, (entries: readonly CompletionEntry[]) => string>> = {
  bash: bashCompletion,
  zsh: zshCompletion,
  fish: fishCompletion,
};

export const completion: Command = {
  summary: 'Print a completion script for a shell',
  args: [
    {
      name: 'SHELL',
      summary: 'whose script',
      kind: 'choice',
      choices: Object.keys(SHELLS),
      required: true,
    },
  ],
  options: [],
  examples: [
    { line: 'source <(farcall completion bash)', what: 'bash, for this session' },
    { line: 'farcall completion zsh > ~/.zsh/completions/_farcall', what: 'zsh, for good' },
    { line: 'farcall completion fish > ~/.config/fish/completions/farcall.fish', what: 'fish, for good' },
  ],
  async run({ args, out }) {
    const script = SHELLS[args[0]](await completionEntries(COMMAND_TABLE));
    out.record({ shell: args[0], script });
    out.text(script);
  },
};
