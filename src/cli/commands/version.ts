import type { Command } from '../command.ts';
import { packageVersion } from '../package-info.ts';

export const version: Command = {
  summary: 'Print versions',
  args: [],
  options: [],
  examples: [{ line: 'farcall version --json', what: 'for scripts' }],
  run({ out }) {
    const versions = {
      farcall: packageVersion(),
      node: process.versions.node,
      platform: `${process.platform}-${process.arch}`,
    };
    out.record(versions);
    out.text(`farcall ${versions.farcall}\nnode ${versions.node} on ${versions.platform}\n`);
  },
};
