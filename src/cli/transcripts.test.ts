import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { type CliOptions, farcall } from '../../test/support/cli.ts';
import { unsupportedBecause } from '../engine/native/index.ts';

const GOLDENS = new URL('../../testdata/cli/', import.meta.url);
const BLESS = process.env.BLESS === '1';

/** An XDP program in hex: swaps the frame's first two bytes and transmits it. */
const SWAP =
  'hex:6112000000000000 6113040000000000 bf24000000000000 0704000002000000 2d34040000000000' +
  '7125000000000000 7126010000000000 7362000000000000 7352010000000000 b700000003000000 9500000000000000';
const FRAME = 'hex:0011223344550a0b0c0d0e0f0800';

const TRACING = 'testdata/cli/tracing.bpf.o';

/** Programs of up to twelve functions. */
const FUNCTIONS = 'testdata/bpftool/functions.bpf.o';
/** A time of loading that does not differ from run to run. */
const EPOCH: CliOptions = { env: { SOURCE_DATE_EPOCH: '1750000000' } };

const NATIVE_UNVERIFIED: [name: string, argv: string[]] = [
  'prog-run-native-unverified',
  ['prog', 'run', '--unverified', '--engine', 'native', '--type', 'xdp', SWAP, '--data-in', FRAME],
];

const CASES: [name: string, argv: string[], options?: CliOptions][] = [
  ['front-page', ['--help']],
  ['prog-run-help', ['prog', 'run', '--help']],
  ['bench-help', ['bench', '--help']],
  // Elsewhere there is nothing to refuse.
  ...(unsupportedBecause() === undefined ? [NATIVE_UNVERIFIED] : []),
  [
    'prog-run-wasm-fault',
    [
      'prog',
      'run',
      '--unverified',
      '--engine',
      'wasm',
      '--type',
      'xdp',
      'hex:b702000000000000 6120040000000000 9500000000000000',
      '--data-in',
      FRAME,
    ],
  ],
  [
    'prog-run-wasm-layout',
    ['prog', 'run', 'examples/checksum.bpf.o', '-p', 'checksum', '--engine', 'wasm', '--compat', '--data-in', FRAME],
  ],
  ['obj-show', ['obj', 'show', 'examples/load_balancer.bpf.o', 'examples/tail_parser.bpf.o']],
  ['obj-show-json', ['obj', 'show', '--json', 'examples/xdp_counter.bpf.o']],
  ['obj-show-core', ['obj', 'show', '--btf', 'default', 'examples/syscall_latency.bpf.o']],
  ['prog-dump-raw', ['prog', 'dump', 'raw', 'examples/checksum.bpf.o']],
  [
    'prog-dump-raw-full',
    ['prog', 'dump', 'raw', 'examples/checksum.bpf.o', '-p', 'checksum', '-d', 'kernel', 'opcodes', 'linum'],
  ],
  ['prog-dump-raw-json', ['prog', 'dump', 'raw', 'examples/firewall.bpf.o', '-p', 'egress', '--json']],
  ['prog-verify-help', ['prog', 'verify', '--help']],
  ['prog-verify', ['prog', 'verify', 'examples/tail_parser.bpf.o']],
  [
    'prog-verify-files',
    [
      'prog',
      'verify',
      'examples/xdp_counter.bpf.o',
      'testdata/object/calls.el.o',
      'testdata/cli/tracing.bpf.o',
      '--jobs',
      '1',
    ],
  ],
  ['prog-verify-explain', ['prog', 'verify', 'testdata/explain/memory.bpf.o', '--prog', 'index_too_large']],
  [
    'prog-verify-unexplained',
    ['prog', 'verify', 'testdata/explain/limits.bpf.o', '-p', 'no_return', '--explain', 'never'],
  ],
  ['prog-verify-log', ['prog', 'verify', '--type', 'xdp', 'hex:7110000000000000 9500000000000000', '--log-level', '2']],
  [
    'prog-verify-terminal',
    ['prog', 'verify', 'examples/load_balancer.bpf.o', '--type', 'socket_filter'],
    { tty: true },
  ],
  [
    'prog-verify-kernels',
    [
      'prog',
      'verify',
      '--kernels',
      'all',
      '--type',
      'xdp',
      'hex:b701000005000000 bf10080000000000 b700000002000000 9500000000000000',
    ],
  ],
  ['prog-verify-kernel', ['prog', 'verify', 'examples/load_balancer.bpf.o', '--kernel', 'all']],
  ['prog-run-packet', ['prog', 'run', 'examples/checksum.bpf.o', '-p', 'checksum', '--data-in', FRAME]],
  ['prog-run-packet-json', ['prog', 'run', 'examples/checksum.bpf.o', '-p', 'checksum', '--data-in', FRAME, '--json']],
  ['prog-run-capture', ['prog', 'run', 'examples/xdp_counter.bpf.o', '--data-in', 'examples/traffic.pcap']],
  ['prog-run-changed', ['prog', 'run', '--type', 'xdp', SWAP, '--data-in', FRAME, '--repeat', '3']],
  [
    'prog-run-fault',
    ['prog', 'run', 'examples/checksum.bpf.o', '-p', 'checksum', '--insn-limit', '20', '--data-in', FRAME],
  ],
  [
    'prog-run-fault-json',
    [
      'prog',
      'run',
      '--unverified',
      '--type',
      'xdp',
      'hex:6110ff0100000000 9500000000000000',
      '--data-in',
      FRAME,
      '--json',
    ],
  ],
  ['prog-run-rejected', ['prog', 'run', '--type', 'xdp', 'hex:6110ff0100000000 9500000000000000', '--data-in', FRAME]],
  ['prog-run-not-loaded', ['prog', 'run', TRACING, '-p', 'on_call', '-a', '1=5', '--json']],
  ['prog-run-balancer', ['prog', 'run', 'examples/load_balancer.bpf.o', '--data-in', 'examples/traffic.pcap']],
  ['prog-run-events', ['prog', 'run', 'examples/flow_events.bpf.o', '--data-in', 'examples/traffic.pcap']],
  ['prog-run-args', ['prog', 'run', TRACING, '--unverified', '-p', 'on_call', '-a', '1=-100', '-a', '2=/etc/passwd']],
  ['prog-run-typed-events', ['prog', 'run', TRACING, '--unverified', '-p', 'on_switch', '-a', '1=5', '-a', '2=6']],
  [
    'prog-run-typed-events-json',
    ['prog', 'run', TRACING, '--unverified', '-p', 'on_switch', '-a', '1=5', '-a', '2=6', '--json'],
  ],
  [
    'prog-run-map-set',
    [
      'prog',
      'run',
      'examples/firewall.bpf.o',
      '-p',
      'ingress',
      '--data-in',
      'examples/traffic.pcap',
      '--map-set',
      'ingress_rules:{"prefix_len":16,"addr":"192.168.0.0"}=0',
      '--set',
      'passed=1000',
    ],
  ],
  [
    'map-dump-without-keys',
    [
      'map',
      'dump',
      TRACING,
      '--unverified',
      '-p',
      'on_switch',
      '-a',
      '1=5',
      '-m',
      'stack',
      '-m',
      'stacks',
      '-m',
      'ring',
    ],
  ],
  ['prog-run-fault-kfunc', ['prog', 'run', TRACING, '--unverified', '-p', 'on_wakeup', '-a', '1=5']],
  ['map-dump-targets', ['map', 'dump', 'examples/tail_parser.bpf.o', '-p', 'classify', '--before', '-m', 'stages']],
  ['prog-show', ['prog', 'show', 'examples/load_balancer.bpf.o', '--compat'], EPOCH],
  ['prog-show-json', ['prog', 'show', FUNCTIONS, '--json', '--target', 'ppc64le', '--compat'], EPOCH],
  ['prog-show-unprivileged', ['prog', 'show', FUNCTIONS, '-p', 'twelve', '--unprivileged'], EPOCH],
  ['prog-dump-xlated', ['prog', 'dump', 'xlated', FUNCTIONS, '-p', 'quotes', 'linum', '--opcodes']],
  ['prog-dump-xlated-several', ['prog', 'dump', 'xlated', FUNCTIONS, '-p', 'tail', '-p', 'alone']],
  ['prog-dump-xlated-json', ['prog', 'dump', 'xlated', FUNCTIONS, '-p', 'alone', '--json', 'opcodes']],
  ['prog-dump-xlated-visual', ['prog', 'dump', 'xlated', FUNCTIONS, '-p', 'quotes', 'visual']],
  ['prog-dump-xlated-hidden', ['prog', 'dump', 'xlated', FUNCTIONS, '-p', 'quotes', '--kptr-restrict']],
  ['prog-dump-xlated-unverified', ['prog', 'dump', 'xlated', FUNCTIONS, '-p', 'quotes', '--unverified']],
  ['prog-dump-xlated-ppc64le', ['prog', 'dump', 'xlated', FUNCTIONS, '-p', 'tail', '--target', 'ppc64le']],
  ['prog-dump-xlated-rejected', ['prog', 'dump', 'xlated', 'testdata/object/calls.el.o']],
  ['prog-show-not-loaded', ['prog', 'show', TRACING]],
  ['prog-dump-xlated-help', ['prog', 'dump', 'xlated', '--help']],
  ['prog-dump-xlated-unprivileged', ['prog', 'dump', 'xlated', FUNCTIONS, '-p', 'quotes', '--unprivileged']],
  ['prog-dump-jited', ['prog', 'dump', 'jited', FUNCTIONS, '-p', 'quotes', '--target', 'ppc64le', 'linum']],
  [
    'prog-dump-jited-compat',
    [
      'prog',
      'dump',
      'jited',
      FUNCTIONS,
      '-p',
      'quotes',
      '-t',
      'ppc64le',
      '--layout',
      'ppc64-hash',
      '--compat',
      'opcodes',
    ],
  ],
  [
    'prog-dump-jited-big-endian',
    ['prog', 'dump', 'jited', 'testdata/bpfeb/firewall.bpf.o', '-p', 'egress', '-t', 'ppc64'],
  ],
  [
    'prog-dump-jited-s390x',
    ['prog', 'dump', 'jited', 'testdata/bpfeb/firewall.bpf.o', '-p', 'egress', '-t', 's390x', '--cpu', 'z15'],
  ],
  [
    'prog-dump-jited-s390x-opcodes',
    ['prog', 'dump', 'jited', 'testdata/bpfeb/tail_parser.bpf.o', '-t', 's390x', 'opcodes'],
  ],
  ['prog-dump-jited-json', ['prog', 'dump', 'jited', FUNCTIONS, '-p', 'alone', '-t', 'ppc64le', '--json', '--opcodes']],
  ['prog-dump-jited-arm64', ['prog', 'dump', 'jited', FUNCTIONS, '-p', 'quotes', '-t', 'arm64', 'linum']],
  ['prog-dump-jited-arm64-opcodes', ['prog', 'dump', 'jited', FUNCTIONS, '-p', 'alone', '-t', 'arm64', '--opcodes']],
  ['prog-dump-jited-riscv64', ['prog', 'dump', 'jited', FUNCTIONS, '-p', 'quotes', '-t', 'riscv64', 'linum']],
  [
    'prog-dump-jited-riscv64-opcodes',
    ['prog', 'dump', 'jited', FUNCTIONS, '-p', 'alone', '-t', 'riscv64', '--cpu', 'rv64gc_zba_zbb', '--opcodes'],
  ],
  ['prog-dump-jited-x86_64', ['prog', 'dump', 'jited', FUNCTIONS, '-p', 'quotes', '-t', 'x86_64', 'linum']],
  [
    'prog-dump-jited-x86_64-opcodes',
    ['prog', 'dump', 'jited', 'examples/tail_parser.bpf.o', '-t', 'x86_64', '--cpu', 'x86-64-v3', 'opcodes'],
  ],
  ['prog-dump-jited-hidden', ['prog', 'dump', 'jited', FUNCTIONS, '-p', 'quotes', '--kptr-restrict']],
  ['kallsyms', ['kallsyms', FUNCTIONS, '--target', 'ppc64le', '--layout', 'ppc64-hash', '--compat']],
  ['kallsyms-json', ['kallsyms', FUNCTIONS, '-p', 'quotes', '--json', '--kptr-restrict']],
  [
    'prog-calls',
    ['prog', 'calls', FUNCTIONS, '-p', 'quotes', '-t', 'ppc64le', '--layout', 'ppc64-radix', '--layout', 'ppc64-hash'],
  ],
  ['prog-calls-compat', ['prog', 'calls', FUNCTIONS, '-p', 'twelve', '-t', 'ppc64le', '--cpu', 'power9', '--compat']],
  ['prog-calls-json', ['prog', 'calls', FUNCTIONS, '-p', 'quotes', '-t', 'ppc64le', '--json']],
  ['prog-calls-wrong-layout', ['prog', 'calls', FUNCTIONS, '-t', 'ppc64le', '--layout', 'arm64']],
  ['map-dump', ['map', 'dump', 'examples/xdp_counter.bpf.o', '--data-in', 'examples/traffic.pcap']],
  [
    'map-dump-before',
    ['map', 'dump', 'examples/load_balancer.bpf.o', '--before', '--map', '.rodata', '--map', 'connections'],
  ],
  ['map-dump-json', ['map', 'dump', 'examples/xdp_counter.bpf.o', '--data-in', FRAME, '--json', '--cpus', '2']],
  ['btf-dump-raw', ['btf', 'dump', 'examples/checksum.bpf.o']],
  ['btf-dump-c', ['btf', 'dump', 'examples/xdp_counter.bpf.o', 'format', 'c']],
  ['insn-asm', ['insn', 'asm'], { stdin: 'r1 = 1 ll\nif r1 > 5 goto out\nr0 = *(u32 *)(r1 + 4)\nout:\nexit\n' }],
  ['insn-asm-json', ['insn', 'asm', '-d', 'conformance', '--json'], { stdin: 'mov %r0, 2\nexit\n' }],
  ['insn-asm-errors', ['insn', 'asm'], { stdin: 'r0 = r1 +\nr0 == 3\ngoto nowhere\n' }],
  [
    'insn-disasm',
    ['insn', 'disasm', '--labels'],
    { stdin: '2d 10 01 00 00 00 00 00 b7 00 00 00 ff ff ff ff 95 00 00 00 00 00 00 00' },
  ],
  ['insn-disasm-kernel-json', ['insn', 'disasm', '-d', 'kernel', '--json', '85000000010000009500000000000000']],
  ['plugin', ['plugin', 'bpf_conformance', '2a000000'], { stdin: '61 10 00 00 00 00 00 00 95 00 00 00 00 00 00 00' }],
  ['plugin-refused', ['plugin', 'bpf_conformance'], { stdin: 'b7 00 01 00 02 00 00 00 95 00 00 00 00 00 00 00' }],
  ['plugin-endless', ['plugin', 'bpf_conformance'], { stdin: '79 10 00 00 00 00 00 00 95 00 00 00 00 00 00 00' }],
];

/** Host times differ from run to run. */
function scrub(text: string): string {
  return text.replaceAll(/\d+ (ns|µs|ms)/g, 'T ns').replaceAll(/"duration_ns":\d+/g, '"duration_ns":0');
}

describe('transcripts', () => {
  it.each(CASES)('%s', async (name, argv, options) => {
    const { exit, stdout, stderr } = await farcall(argv, options);
    const words = argv.map(word => (/[ ;]/.test(word) ? `'${word}'` : word)).join(' ');
    const stdin = options?.stdin === undefined ? '' : `--- stdin\n${String(options.stdin).trimEnd()}\n--- stdout\n`;
    const problems = stderr === '' ? '' : `--- stderr\n${stderr}`;
    const transcript = scrub(`$ farcall ${words}\n${stdin}${stdout}${problems}--- exit ${exit}\n`);
    const golden = new URL(`${name}.txt`, GOLDENS);
    if (BLESS) {
      mkdirSync(GOLDENS, { recursive: true });
      writeFileSync(golden, transcript);
    }
    expect(existsSync(golden), `no golden ${name}.txt: run with BLESS=1`).toBe(true);
    expect(transcript).toBe(readFileSync(golden, 'utf8'));
  });
});
