import { findUserLayout, USER_LAYOUT_NAMES } from '../../jit/index.ts';
import { findLayout, type KernelArch, LAYOUTS, type LayoutRow } from '../../kernels/index.ts';
import type { OptionSpec } from '../command.ts';
import { PROG } from '../commands/shared-options.ts';
import { targetOptions } from '../inspect/options.ts';
import type { Options } from '../options.ts';
import { RUN_OPTIONS } from '../run/run-options.ts';

export const JIT_FORMATS = ['exe', 'so', 'raw', 'json', 'elf'] as const;
export type JitFormat = (typeof JIT_FORMATS)[number];

/** Options of a run that mean something else here, or nothing. */
export const NOT_OF_RUNS = ['engine', 'target-cpu', 'compat', 'layout', 'cpu', 'cpus', 'repeat', 'event-type'] as const;

/** … and here in other words. */
const OWN = ['prog'] as const;

const LAYOUT: OptionSpec = {
  name: 'layout',
  value: 'LAYOUT',
  kind: 'choice',
  choices: [...LAYOUTS.map(layout => layout.name), ...USER_LAYOUT_NAMES],
  summary:
    "where text and images are; default: a process's addresses for exe, else the CPU's usual kernel; user-… are those of " +
    'a process',
};

/** WebAssembly is compiled for too. */
export const WASM = 'wasm';
const withWasm = (target: OptionSpec): OptionSpec => ({
  ...target,
  choices: [...(target.choices ?? []), WASM],
  summary: `${target.summary}; wasm is a WebAssembly module (--format raw or json)`,
});

/** What `prog jit` takes. */
export const JIT_OPTIONS: readonly OptionSpec[] = [
  ...targetOptions(LAYOUT).map(option => (option.name === 'target' ? withWasm(option) : option)),
  {
    name: 'apart',
    value: 'BYTES',
    kind: 'integer',
    max: (1n << 44n) - 1n,
    summary: "bytes from each of the program's functions to the next; default: as close as they fit",
  },
  {
    name: 'format',
    short: 'F',
    value: 'FORMAT',
    kind: 'choice',
    choices: JIT_FORMATS,
    default: 'exe',
    summary:
      'exe: a Linux executable that runs the program on the data given; so: a shared object with a C header; raw: the code alone, function after function; ' +
      'json: functions, addresses, calls and code; elf: a file for disassemblers',
  },
  { name: 'output', short: 'o', value: 'OUT', kind: 'file', summary: 'file to write; default: standard output' },
  {
    ...PROG,
    repeat: true,
    summary: `${PROG.summary}; may be repeated but for exe; default: all that are accepted, for exe the only one`,
  },
  ...RUN_OPTIONS.filter(option => ![...NOT_OF_RUNS, ...OWN].some(name => name === option.name)),
];

/** The layout the options name, for a CPU; undefined for the usual one of a format. */
export function layoutOf(options: Options, arch: KernelArch): LayoutRow | undefined {
  const name = options.text('layout');
  return name === undefined ? undefined : (findUserLayout(name, arch) ?? findLayout(name));
}
