import { PTR_TO_TP_BUFFER } from '../../helpers/index.ts';
import { btfCtxAccess } from '../btf-ctx.ts';
import type { ProgFacts } from '../contract.ts';
import { kernelStructBytes } from '../kernel-struct.ts';
import { isAs7_2 } from '../release.ts';
import { type AccessRule, narrow, onRead } from './rules.ts';

/** `MAX_BPF_FUNC_ARGS` arguments of 8 bytes. */
const ARGS_BYTES = 12 * 8;
/** `PERF_MAX_TRACE_SIZE` */
const TRACEPOINT_BYTES = 8192;
/** `U16_MAX` */
const SYSCALL_BYTES = 65535;

/** `sizeof(struct pt_regs)` where no kernel BTF tells. */
const PT_REGS_BYTES: Readonly<Record<string, number>> = {
  x86_64: 168,
  arm64: 336,
  ppc64: 400,
  ppc64le: 400,
  s390x: 232,
  riscv64: 288,
};
/** `sizeof(bpf_user_pt_regs_t)`, likewise. */
const USER_PT_REGS_BYTES: Readonly<Record<string, number>> = {
  x86_64: 168,
  arm64: 272,
  ppc64: 352,
  ppc64le: 352,
  s390x: 168,
  riscv64: 256,
};

const ptRegsBytes = (prog: ProgFacts): number =>
  kernelStructBytes(prog.kernelBtf, 'pt_regs') ?? PT_REGS_BYTES[prog.arch] ?? PT_REGS_BYTES.x86_64;

/** Size of `struct bpf_perf_event_data`: registers, `sample_period`, `addr`. */
const perfEventDataBytes = (prog: ProgFacts): number =>
  kernelStructBytes(prog.kernelBtf, 'bpf_perf_event_data') ??
  (USER_PT_REGS_BYTES[prog.arch] ?? USER_PT_REGS_BYTES.x86_64) + 16;

/** Registers, which probes of user space may change too from 6.18 on. Source: `kernel/trace/bpf_trace.c: kprobe_prog_is_valid_access`. */
export const kprobeAccess: AccessRule = (off, size, write, prog) => {
  if (write && !isAs7_2(prog)) return false;
  const bytes = ptRegsBytes(prog);
  return off >= 0 && off < bytes && off % size === 0 && off + size <= bytes;
};

/** The first 8 bytes of a tracepoint's record are the kernel's own. Source: `tp_prog_is_valid_access`. */
export const tracepointAccess: AccessRule = onRead(
  (off, size) => off >= 8 && off < TRACEPOINT_BYTES && off % size === 0,
);

const NARROW_LONG = narrow(8);

/** Source: `pe_prog_is_valid_access`. */
export const perfEventAccess: AccessRule = onRead((off, size, write, prog, access) => {
  const bytes = perfEventDataBytes(prog);
  if (off < 0 || off >= bytes || off % size !== 0) return false;
  return off >= bytes - 16 ? NARROW_LONG(off, size, write, prog, access) : size === 8;
});

/** Source: `include/linux/bpf.h: bpf_tracing_ctx_access`. */
export const tracingCtxAccess: AccessRule = onRead((off, size) => off >= 0 && off < ARGS_BYTES && off % size === 0);

/** Source: `bpf_tracing_btf_ctx_access`. */
export const tracingAccess: AccessRule = (off, size, write, prog, access) =>
  tracingCtxAccess(off, size, write, prog, access) && btfCtxAccess(off, size, write, prog, access);

/** Source: `raw_tp_writable_prog_is_valid_access`. */
export const rawTracepointWritableAccess: AccessRule = (off, size, write, prog, access) => {
  if (off === 0) {
    if (size !== 8 || write) return false;
    access.regType = PTR_TO_TP_BUFFER;
  }
  return tracingCtxAccess(off, size, write, prog, access);
};

/** LSM hooks: `btf_ctx_access` alone; stores it does not refuse itself. Source: `kernel/bpf/bpf_lsm.c: lsm_verifier_ops`. */
export const lsmAccess: AccessRule = btfCtxAccess;

/** Of any alignment from 7.2 on. Source: `kernel/bpf/syscall.c: syscall_prog_is_valid_access`. */
export const syscallAccess: AccessRule = (off, size, _write, prog) =>
  off >= 0 && off < SYSCALL_BYTES && (off % size === 0 || isAs7_2(prog));

/** Source: `drivers/media/rc/bpf-lirc.c: lirc_mode2_is_valid_access`: one word. */
export const lircMode2Access: AccessRule = onRead((off, size) => off === 0 && size === 4);
