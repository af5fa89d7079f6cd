import type { OptionSpec } from '../command.ts';

export const DIALECT_NAMES = ['llvm', 'kernel', 'conformance'] as const;

export const DIALECT: OptionSpec = {
  name: 'dialect',
  short: 'd',
  value: 'DIALECT',
  kind: 'choice',
  choices: DIALECT_NAMES,
  default: 'llvm',
  summary: 'how instructions are written',
};

export const ORDER: OptionSpec = {
  name: 'order',
  value: 'ORDER',
  kind: 'choice',
  choices: ['little', 'big'],
  default: 'little',
  summary: 'byte order of the instructions',
};

export const BTF_FILE: OptionSpec = {
  name: 'btf',
  value: 'FILE',
  kind: 'file',
  summary: "the kernel's types (raw, gzip or ELF) for CO-RE; default: Linux 6.12 for amd64, which comes with farcall",
};

export const JOBS: OptionSpec = {
  name: 'jobs',
  value: 'N',
  kind: 'integer',
  min: 1n,
  max: 1024n,
  summary: 'worker threads; default: one a CPU when there are many files',
};

export const PROG: OptionSpec = {
  name: 'prog',
  short: 'p',
  value: 'NAME',
  kind: 'text',
  summary: "the program: its function's name, or that of its section",
};
