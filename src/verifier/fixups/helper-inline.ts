import { BPF_ATOMIC, BPF_DW, BPF_STX, BPF_W, BPF_XCHG, type Insn, makeInsn } from '../../isa/index.ts';
import { bpf_attach_type, bpf_func_id, bpf_prog_type, ERRNO } from '../../uapi/index.ts';
import { callSymbol } from './helper-call.ts';
import { aluImm, aluReg, jump, jumpImm, jumpReg, loadImm64, loadMem, OP, percpuReg, storeMem } from './insns.ts';
import { halves } from './kernel-addresses.ts';
import type { MiscContext } from './misc-context.ts';

const F = bpf_func_id;
/** `sizeof(struct perf_branch_entry)` */
const BRANCH_ENTRY_BYTES = 24;
/** Multiplied with this and shifted by 33, a 32-bit number is divided by 3. */
const THIRD = 0xaaaaaaab;
/** Arguments `bpf_get_func_arg` can reach through registers are counted before the context, the function's address before that. */
const NR_ARGS_OFF = -8;
const FUNC_IP_OFF = -16;

type Inline = (ctx: MiscContext) => readonly Insn[] | undefined;

const jitRequested = (ctx: MiscContext): boolean => ctx.program.env.jitRequested;
const isTracing = (ctx: MiscContext): boolean => ctx.program.env.prog.type === bpf_prog_type.BPF_PROG_TYPE_TRACING;

const jiffies64: Inline = ctx =>
  jitRequested(ctx)
    ? [...loadImm64(0, ...halves(ctx.addresses.objectAt('jiffies'))), loadMem(BPF_DW, 0, 0, 0)]
    : undefined;

/** Only on x86: elsewhere the JIT does it, or nobody. */
const processorId: Inline = ctx => {
  const { env } = ctx.program;
  if (env.kernel.arch !== 'x86_64' || !env.jitRequested || !env.jit.inlinesProcessorId) return undefined;
  const [lo] = halves(ctx.addresses.objectAt('pcpu_hot.cpu_number'));
  return [aluImm(false, OP.mov, 0, lo), percpuReg(0, 0), loadMem(BPF_W, 0, 0, 0)];
};

const funcArg: Inline = ctx =>
  isTracing(ctx)
    ? [
        loadMem(BPF_DW, 0, 1, NR_ARGS_OFF),
        jumpReg(false, OP.jge, 2, 0, 6),
        aluImm(true, OP.lsh, 2, 3),
        aluReg(true, OP.add, 2, 1),
        loadMem(BPF_DW, 0, 2, 0),
        storeMem(BPF_DW, 3, 0, 0),
        aluImm(true, OP.mov, 0, 0),
        jump(1),
        aluImm(true, OP.mov, 0, -ERRNO.EINVAL),
      ]
    : undefined;

const funcRet: Inline = ctx => {
  if (!isTracing(ctx)) return undefined;
  const { attachType } = ctx.program.env.prog;
  if (attachType !== bpf_attach_type.BPF_TRACE_FEXIT && attachType !== bpf_attach_type.BPF_MODIFY_RETURN)
    return [aluImm(true, OP.mov, 0, -ERRNO.EOPNOTSUPP)];
  return [
    loadMem(BPF_DW, 0, 1, NR_ARGS_OFF),
    aluImm(true, OP.lsh, 0, 3),
    aluReg(true, OP.add, 0, 1),
    loadMem(BPF_DW, 3, 0, 0),
    storeMem(BPF_DW, 2, 3, 0),
    aluImm(true, OP.mov, 0, 0),
  ];
};

const branchSnapshot: Inline = ctx =>
  jitRequested(ctx)
    ? [
        jumpImm(true, OP.jne, 3, 0, 7),
        aluImm(false, OP.mov, 0, THIRD),
        aluReg(true, OP.mul, 2, 0),
        aluImm(true, OP.rsh, 2, 36),
        callSymbol(ctx.fixups, branchSnapshotFunction(ctx)),
        jumpImm(true, OP.jeq, 0, 0, 4),
        aluImm(false, OP.mul, 0, BRANCH_ENTRY_BYTES),
        jump(3),
        aluImm(true, OP.mov, 0, -ERRNO.EINVAL),
        jump(1),
        aluImm(true, OP.mov, 0, -ERRNO.ENOENT),
      ]
    : undefined;

/** What the static call of `perf_snapshot_branch_stack` is on a CPU that has no branch records. */
const branchSnapshotFunction = (_ctx: MiscContext): string => '__static_call_return0';

const PTR_XCHG_ARCHS: ReadonlySet<string> = new Set(['x86_64', 'arm64', 'riscv64']);
const kptrXchg: Inline = ctx =>
  jitRequested(ctx) && PTR_XCHG_ARCHS.has(ctx.program.env.kernel.arch)
    ? [aluReg(true, OP.mov, 0, 2), makeInsn(BPF_STX | BPF_ATOMIC | BPF_DW, 1, 0, 0, BPF_XCHG)]
    : undefined;

/**
 * Helpers that become instructions, in the place of their calls.
 * Source: `kernel/bpf/verifier.c: do_misc_fixups`.
 */
export const INLINES: ReadonlyMap<number, Inline> = new Map<number, Inline>([
  [F.BPF_FUNC_jiffies64, jiffies64],
  [F.BPF_FUNC_get_smp_processor_id, processorId],
  [F.BPF_FUNC_get_func_arg, funcArg],
  [F.BPF_FUNC_get_func_ret, funcRet],
  [F.BPF_FUNC_get_func_arg_cnt, ctx => (isTracing(ctx) ? [loadMem(BPF_DW, 0, 1, NR_ARGS_OFF)] : undefined)],
  [F.BPF_FUNC_get_func_ip, ctx => (isTracing(ctx) ? [loadMem(BPF_DW, 0, 1, FUNC_IP_OFF)] : undefined)],
  [F.BPF_FUNC_get_branch_snapshot, branchSnapshot],
  [F.BPF_FUNC_kptr_xchg, kptrXchg],
]);
