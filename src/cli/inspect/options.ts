import { TARGETS } from '../../jit/index.ts';
import { KERNEL_IMAGES, LAYOUTS } from '../../kernels/index.ts';
import type { ArgSpec, OptionSpec } from '../command.ts';
import { BTF_FILE, PROG } from '../commands/shared-options.ts';
import { usageError } from '../failure.ts';
import type { Options } from '../options.ts';
import { UNVERIFIED_VIEW } from './verified.ts';

export const OBJECT_ARG: ArgSpec = { name: 'FILE', summary: 'object file', kind: 'file', required: true };

const LAYOUT: OptionSpec = {
  name: 'layout',
  value: 'LAYOUT',
  kind: 'choice',
  choices: LAYOUTS.map(layout => layout.name),
  summary: "where the kernel has text and images; default: the CPU's usual one",
};

/** The layouts to set side by side. */
export const SEVERAL_LAYOUTS: OptionSpec = {
  ...LAYOUT,
  repeat: true,
  summary: `${LAYOUT.summary}; may be repeated, to set them side by side`,
};

/** What a kernel is compiled for, and which kernel it is. */
export function targetOptions(layout: OptionSpec = LAYOUT): OptionSpec[] {
  return [
    {
      name: 'target',
      short: 't',
      value: 'CPU',
      kind: 'choice',
      choices: TARGETS.map(target => target.name),
      summary: "what programs are compiled for; default: the first of the object's byte order",
    },
    layout,
    {
      name: 'cpu',
      value: 'MODEL',
      kind: 'choice',
      choices: [...new Set(TARGETS.flatMap(target => target.cpus))],
      summary: 'which of its models; default: the oldest',
    },
    {
      name: 'kernel',
      value: 'KERNEL',
      kind: 'choice',
      choices: KERNEL_IMAGES.map(image => image.name),
      summary: 'whose functions helper calls lead to; default: Linux 6.12 for that CPU',
    },
    { name: 'compat', summary: "the code Linux 6.12's JIT emits in place of farcall's own" },
  ];
}

/** What every command that inspects loaded programs takes. */
export const INSPECT_OPTIONS: readonly OptionSpec[] = [
  { ...PROG, repeat: true, summary: `${PROG.summary}; may be repeated; default: all` },
  ...targetOptions(),
  BTF_FILE,
  {
    name: 'kconfig',
    value: 'FILE|K=V',
    kind: 'file',
    repeat: true,
    summary: 'values of .kconfig variables: a kernel configuration, or CONFIG_HZ=250; may be repeated',
  },
  UNVERIFIED_VIEW,
];

/** Who looks: what the kernel keeps from callers without privilege. */
export const VIEWER_OPTIONS: readonly OptionSpec[] = [
  { name: 'kptr-restrict', summary: 'as seen where kernel.kptr_restrict is 2: without addresses' },
  { name: 'unprivileged', summary: 'as seen without CAP_BPF: without code' },
];

/** Exactness over sense. */
export const AS_BPFTOOL: OptionSpec = {
  name: 'as-bpftool',
  summary: 'byte for byte as bpftool 7.5 prints it, its mistakes with source lines and graphs included',
};

export function viewerOf(options: Options): { readonly capBpf: boolean; readonly kallsymsShow: boolean } {
  return { capBpf: !options.flag('unprivileged'), kallsymsShow: !options.flag('kptr-restrict') };
}

/** bpftool's words behind the program, which may also be given as options. */
export const DUMP_WORDS = ['opcodes', 'linum', 'visual'] as const;
export type DumpWord = (typeof DUMP_WORDS)[number];

export function wordArg(words: readonly DumpWord[]): ArgSpec {
  return {
    name: 'WORD',
    summary: `bpftool's words for the options of these names: ${words.join(', ')}`,
    kind: 'choice',
    variadic: true,
    choices: words,
  };
}

const WORD_SUMMARIES: Readonly<Record<DumpWord, string>> = {
  opcodes: 'the bytes of each instruction too',
  linum: 'file, line and column of source lines too',
  visual: 'the control flow graph, in the DOT language',
};

export function wordOptions(words: readonly DumpWord[]): OptionSpec[] {
  return words.map(name => ({ name, summary: WORD_SUMMARIES[name] }));
}

/** Which of the words were given, either way. */
export function wordsGiven(words: readonly DumpWord[], given: readonly string[], options: Options): Set<DumpWord> {
  const unknown = given.find(word => !(words as readonly string[]).includes(word));
  if (unknown !== undefined) throw usageError('unknown word', words.join(' or '), `'${unknown}'`);
  return new Set(words.filter(word => given.includes(word) || options.flag(word)));
}
