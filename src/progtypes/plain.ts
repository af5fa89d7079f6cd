import { bpf_prog_type } from '../uapi/index.ts';
import { badInput } from './problem.ts';
import { type ContextHost, CTX_BLOCK_BYTES, type ProgTypeRow, type RunContext, type RunInput } from './types.ts';

/** `struct pt_regs` of x86-64: 21 registers. */
const PT_REGS_BYTES = 168;
/** `MAX_BPF_FUNC_ARGS` arguments of 8 bytes, and one for what the function returned. */
const ARGS_BYTES = 13 * 8;
/** Tracepoint records have a size of their own each; this covers those of the kernel with room to spare. */
const TRACEPOINT_BYTES = 1024;

/**
 * A context that is bytes from user space and nothing else: ctxIn, followed by zeros up to the struct's size.
 *
 * @param sizeBytes what programs may touch at least; @param mostBytes the longest ctxIn
 */
function beginPlain(host: ContextHost, input: RunInput, sizeBytes: number, mostBytes: number): RunContext {
  const given = input.ctxIn ?? new Uint8Array(0);
  if (given.length > mostBytes) {
    throw badInput(
      'ctx',
      'the context is too long for this program type',
      `at most ${mostBytes} bytes`,
      `${given.length} bytes`,
    );
  }
  const { mem, ctxStart } = host;
  const size = Math.max(sizeBytes, given.length);
  mem.u8.fill(0, ctxStart, ctxStart + size);
  mem.write(ctxStart, given);
  mem.moveRegion(host.ctxRegion, ctxStart, ctxStart + size);
  return {
    ctxAddr: ctxStart,
    packet: undefined,
    dataOut: () => undefined,
    ctxOut: () => (given.length === 0 ? undefined : mem.read(ctxStart, given.length)),
  };
}

type ProgTypeKey = keyof typeof bpf_prog_type extends infer Key
  ? Key extends `BPF_PROG_TYPE_${infer Name}`
    ? Name
    : never
  : never;

/** Types attached by BTF: their arguments are pointers to what the kernel's types say. */
const BTF_POINTERS: ReadonlySet<string> = new Set(['tracing', 'lsm', 'ext', 'struct_ops']);

const ALLOW = { 0: 'deny', 1: 'allow' } as const;
const SK = { 0: 'SK_DROP', 1: 'SK_PASS' } as const;

function row(
  name: string,
  key: ProgTypeKey,
  ctxStruct: string,
  sizeBytes: number,
  options: { testRun?: boolean; mostBytes?: number; returns?: Readonly<Record<number, string>> } = {},
): ProgTypeRow {
  return {
    type: (bpf_prog_type as Readonly<Record<string, number>>)[`BPF_PROG_TYPE_${key}`],
    name,
    ctxStruct,
    testRun: options.testRun ?? false,
    btfPointers: BTF_POINTERS.has(name),
    packet: false,
    begin: (host, input) =>
      beginPlain(host, input, sizeBytes, options.mostBytes ?? Math.max(sizeBytes, TRACEPOINT_BYTES)),
    returns: options.returns ?? {},
  };
}

/** Program types whose context is plain bytes; sizes are those of the UAPI structs of Linux 6.12. */
export const PLAIN_ROWS: readonly ProgTypeRow[] = [
  row('kprobe', 'KPROBE', 'pt_regs', PT_REGS_BYTES),
  row('tracepoint', 'TRACEPOINT', '', TRACEPOINT_BYTES, { mostBytes: CTX_BLOCK_BYTES }),
  row('perf_event', 'PERF_EVENT', 'bpf_perf_event_data', PT_REGS_BYTES + 16),
  row('raw_tracepoint', 'RAW_TRACEPOINT', 'bpf_raw_tracepoint_args', ARGS_BYTES, { testRun: true, mostBytes: 12 * 8 }),
  row('raw_tracepoint_writable', 'RAW_TRACEPOINT_WRITABLE', 'bpf_raw_tracepoint_args', ARGS_BYTES, {
    testRun: true,
    mostBytes: 12 * 8,
  }),
  row('tracing', 'TRACING', '', ARGS_BYTES, { testRun: true }),
  row('lsm', 'LSM', '', ARGS_BYTES),
  row('ext', 'EXT', '', ARGS_BYTES),
  row('struct_ops', 'STRUCT_OPS', '', ARGS_BYTES, { testRun: true }),
  row('syscall', 'SYSCALL', '', 0, { testRun: true, mostBytes: 65535 }),
  row('cgroup_sock', 'CGROUP_SOCK', 'bpf_sock', 80, { returns: ALLOW }),
  row('cgroup_sock_addr', 'CGROUP_SOCK_ADDR', 'bpf_sock_addr', 72, { returns: ALLOW }),
  row('cgroup_device', 'CGROUP_DEVICE', 'bpf_cgroup_dev_ctx', 12, { returns: ALLOW }),
  row('cgroup_sysctl', 'CGROUP_SYSCTL', 'bpf_sysctl', 8, { returns: ALLOW }),
  row('cgroup_sockopt', 'CGROUP_SOCKOPT', 'bpf_sockopt', 40, { returns: ALLOW }),
  row('sock_ops', 'SOCK_OPS', 'bpf_sock_ops', 224),
  row('sk_reuseport', 'SK_REUSEPORT', 'sk_reuseport_md', 56, { returns: SK }),
  row('sk_lookup', 'SK_LOOKUP', 'bpf_sk_lookup', 72, { testRun: true, returns: SK }),
  row('lirc_mode2', 'LIRC_MODE2', '', 4),
];
