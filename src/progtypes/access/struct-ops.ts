import { baseType, PTR_MAYBE_NULL, PTR_TO_BTF_ID, PTR_TRUSTED } from '../../helpers/index.ts';
import { kernelStructId } from '../kernel-struct.ts';
import type { AccessRule } from './rules.ts';
import { tracingAccess } from './tracing.ts';

/** Flags a pointer may carry and still be the object itself (`BPF_REG_TRUSTED_MODIFIERS`). */
const unsafeModifiers = (regType: number): boolean => (regType & ~0xff & ~(PTR_TRUSTED | (1 << 19) | (1 << 22))) !== 0;

/** A congestion control's socket is a TCP socket. Source: `net/ipv4/bpf_tcp_ca.c: bpf_tcp_ca_is_valid_access`. */
const tcpCongestion: AccessRule = (off, size, write, prog, access) => {
  if (!tracingAccess(off, size, write, prog, access)) return false;
  const sock = kernelStructId(prog.kernelBtf, 'sock');
  if (baseType(access.regType) === PTR_TO_BTF_ID && !unsafeModifiers(access.regType) && access.btfId === sock) {
    access.btfId = kernelStructId(prog.kernelBtf, 'tcp_sock');
  }
  return true;
};

/** Second arguments that may be null, in members that take a task which may be nobody. */
const SCX_MAYBE_NULL: ReadonlySet<string> = new Set(['dispatch', 'yield']);

/** Source: `kernel/sched/ext.c: bpf_scx_is_valid_access`. */
const schedExt: AccessRule = (off, size, write, prog, access) => {
  if (write) return false;
  if (off === 8 && size === 8 && SCX_MAYBE_NULL.has(prog.structOps?.member ?? '')) {
    access.regType = PTR_TO_BTF_ID | PTR_TRUSTED | PTR_MAYBE_NULL;
    access.btf = prog.kernelBtf;
    access.btfId = kernelStructId(prog.kernelBtf, 'task_struct');
    return true;
  }
  return tracingAccess(off, size, write, prog, access);
};

const BY_STRUCT: ReadonlyMap<string, AccessRule> = new Map([
  ['tcp_congestion_ops', tcpCongestion],
  ['sched_ext_ops', schedExt],
]);

/** Contexts of struct_ops programs, by the struct they implement. */
export const structOpsAccess: AccessRule = (off, size, write, prog, access) =>
  (BY_STRUCT.get(prog.structOps?.structName ?? '') ?? tracingAccess)(off, size, write, prog, access);
