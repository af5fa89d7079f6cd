import type { CommandRow, Example } from './command.ts';
import type { CommandTable, NounRow } from './parser.ts';

const example = (line: string, what: string): Example => ({ line, what });

/** What commands are about: the words in front. */
const NOUNS: readonly NounRow[] = [
  {
    path: ['obj'],
    summary: 'BPF object files: ELF as clang writes it',
    examples: [example('farcall obj show examples/load_balancer.bpf.o', 'what an object holds')],
  },
  {
    path: ['gen'],
    summary: 'Commands by the names bpftool gives them',
    examples: [example('farcall gen object linked.o a.o b.o', 'link objects')],
  },
  {
    path: ['prog'],
    summary: 'Programs of an object',
    examples: [example('farcall prog run examples/xdp_counter.bpf.o --data-in examples/traffic.pcap', 'run one')],
  },
  {
    path: ['prog', 'dump'],
    summary: 'Instructions of a program',
    examples: [example('farcall prog dump raw examples/checksum.bpf.o', 'as the object has them')],
  },
  {
    path: ['map'],
    summary: 'Maps of an object',
    examples: [example('farcall map dump examples/xdp_counter.bpf.o --data-in examples/traffic.pcap', 'after a run')],
  },
  {
    path: ['btf'],
    summary: 'BTF type information',
    examples: [example('farcall btf dump examples/firewall.bpf.o format c', 'types as C')],
  },
  {
    path: ['insn'],
    summary: 'Instructions as text and bytes',
    examples: [example("echo 'r0 = 2; exit' | farcall insn asm | farcall insn disasm", 'there and back')],
  },
  {
    path: ['plugin'],
    summary: 'Protocols of other programs',
    examples: [
      example("echo 'b7 00 00 00 02 00 00 00 95 00 00 00 00 00 00 00' | farcall plugin bpf_conformance", 'one program'),
    ],
  },
];

/** What the front page shows. */
const EXAMPLES: readonly Example[] = [
  example('farcall obj show examples/load_balancer.bpf.o', 'what an object holds'),
  example(
    'farcall prog run examples/load_balancer.bpf.o --data-in examples/traffic.pcap',
    'run it on captured packets',
  ),
  example('farcall prog dump raw examples/checksum.bpf.o linum', 'its instructions beside its source'),
];

/** The commands, one row each. A command's own file says what it takes and does. */
const COMMANDS: readonly CommandRow[] = [
  {
    path: ['obj', 'show'],
    aliases: [['obj', 'list']],
    summary: 'Show programs, maps, externs and types of objects',
    load: async () => (await import('./commands/obj-show.ts')).objShow,
  },
  {
    path: ['obj', 'extract'],
    summary: 'Write BPF objects that are embedded in other files to a directory',
    load: async () => (await import('./commands/obj-extract.ts')).objExtract,
  },
  {
    path: ['obj', 'link'],
    aliases: [['gen', 'object']],
    summary: 'Link several objects into one',
    load: async () => (await import('./commands/obj-link.ts')).objLink,
  },
  {
    path: ['prog', 'run'],
    summary: 'Run a program on packets or contexts',
    load: async () => (await import('./commands/prog-run.ts')).progRun,
  },
  {
    path: ['bench'],
    summary: 'Measure how fast engines run a program',
    load: async () => (await import('./commands/bench.ts')).bench,
  },
  {
    path: ['prog', 'verify'],
    summary: 'Verify programs as a Linux kernel does when it loads them',
    load: async () => (await import('./commands/prog-verify.ts')).progVerify,
  },
  {
    path: ['prog', 'show'],
    aliases: [['prog', 'list']],
    summary: 'Show programs as their kernel lists them once they are loaded',
    load: async () => (await import('./commands/prog-show.ts')).progShow,
  },
  {
    path: ['prog', 'calls'],
    summary: 'Show how each call of a compiled program reaches its callee',
    load: async () => (await import('./commands/prog-calls.ts')).progCalls,
  },
  {
    path: ['prog', 'jit'],
    summary: 'Compile programs for a CPU or WebAssembly',
    load: async () => (await import('./commands/prog-jit.ts')).progJit,
  },
  {
    path: ['prog', 'dump', 'raw'],
    summary: 'Disassemble programs as the object has them',
    load: async () => (await import('./commands/prog-dump-raw.ts')).progDumpRaw,
  },
  {
    path: ['prog', 'dump', 'xlated'],
    summary: 'Disassemble programs as their kernel keeps them',
    load: async () => (await import('./commands/prog-dump-xlated.ts')).progDumpXlated,
  },
  {
    path: ['prog', 'dump', 'jited'],
    summary: 'Disassemble programs as they are compiled, function by function',
    load: async () => (await import('./commands/prog-dump-jited.ts')).progDumpJited,
  },
  {
    path: ['kallsyms'],
    summary: 'List the symbols of compiled programs, as /proc/kallsyms does',
    load: async () => (await import('./commands/kallsyms.ts')).kallsyms,
  },
  {
    path: ['map', 'dump'],
    summary: 'Show the contents of maps after a run',
    load: async () => (await import('./commands/map-dump.ts')).mapDump,
  },
  {
    path: ['btf', 'dump'],
    summary: 'Print types, as data or as C',
    load: async () => (await import('./commands/btf-dump.ts')).btfDump,
  },
  {
    path: ['insn', 'asm'],
    summary: 'Assemble text to instructions',
    load: async () => (await import('./commands/insn-asm.ts')).insnAsm,
  },
  {
    path: ['insn', 'disasm'],
    summary: 'Disassemble instructions to text',
    load: async () => (await import('./commands/insn-disasm.ts')).insnDisasm,
  },
  {
    path: ['plugin', 'bpf_conformance'],
    summary: 'Run one test of the bpf_conformance suite, by its plugin protocol',
    load: async () => (await import('./commands/plugin-bpf-conformance.ts')).pluginBpfConformance,
  },
  {
    path: ['completion'],
    summary: 'Print a completion script for a shell',
    load: async () => (await import('./commands/completion.ts')).completion,
  },
  {
    path: ['version'],
    summary: 'Print versions',
    load: async () => (await import('./commands/version.ts')).version,
  },
];

export const COMMAND_TABLE: CommandTable = { rows: COMMANDS, nouns: NOUNS, examples: EXAMPLES };
