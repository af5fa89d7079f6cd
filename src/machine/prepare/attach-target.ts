import type { Btf, BtfKind } from '../../btf/index.ts';
import type { ProgramSpec } from '../../object/index.ts';
import { matchSection } from '../../progtypes/index.ts';
import { bpf_attach_type, bpf_prog_type, ERRNO } from '../../uapi/index.ts';
import { type LoadProblem, problem } from './problem.ts';

interface Prefix {
  readonly prefix: string;
  readonly kind: BtfKind;
}

/** How the kernel names in BTF what programs attach to, by attach type. Source: `btf_get_kernel_prefix_kind`. */
const PREFIXES: ReadonlyMap<number, Prefix> = new Map<number, Prefix>([
  [bpf_attach_type.BPF_TRACE_RAW_TP, { prefix: 'btf_trace_', kind: 'TYPEDEF' }],
  [bpf_attach_type.BPF_LSM_MAC, { prefix: 'bpf_lsm_', kind: 'FUNC' }],
  [bpf_attach_type.BPF_LSM_CGROUP, { prefix: 'bpf_lsm_', kind: 'FUNC' }],
  [bpf_attach_type.BPF_TRACE_ITER, { prefix: 'bpf_iter_', kind: 'FUNC' }],
]);
const PLAIN: Prefix = { prefix: '', kind: 'FUNC' };
const BTF_MAX_NAME_SIZE = 128;

/** Id of what a program is attached to, in the kernel's BTF; 0 for program types that name nothing there. */
export type AttachTarget = { readonly btfId: number } | LoadProblem;

/**
 * Finds what the section name of a program says it traces, replaces or implements.
 *
 * Source: `tools/lib/bpf/libbpf.c: libbpf_prepare_prog_load, libbpf_find_attach_btf_id, find_kernel_btf_id`.
 */
export function attachTarget(program: ProgramSpec, kernelBtf: Btf | undefined): AttachTarget {
  const def = matchSection(program.section)?.def;
  if (def === undefined || !def.flags.includes('attach_btf')) return { btfId: 0 };
  const head = `prog '${program.name}':`;
  if (!program.section.includes('/')) {
    const message = `${head} no BTF-based attach target is specified, use bpf_program__set_attach_target()`;
    return problem(ERRNO.EINVAL, message);
  }
  const name = program.section.slice(program.section.indexOf('/') + 1);
  if (program.type === bpf_prog_type.BPF_PROG_TYPE_EXT) {
    return problem(ERRNO.EINVAL, `${head} attach program FD is not set`);
  }
  const found = kernelBtf === undefined ? -ERRNO.ESRCH : findKernelTarget(kernelBtf, name, program.attachType);
  if (found > 0) return { btfId: found };
  return problem(found, `${head} failed to find kernel BTF type ID of '${name}': ${found}`);
}

/** Positive: the id; negative: -errno. */
function findKernelTarget(btf: Btf, name: string, attachType: number): number {
  const colon = name.indexOf(':');
  const module = colon < 0 ? undefined : name.slice(0, colon);
  // libbpf compares only as many characters as the name given has.
  if (module !== undefined && !'vmlinux'.startsWith(module)) return -ERRNO.ESRCH;
  const { prefix, kind } = PREFIXES.get(attachType) ?? PLAIN;
  const full = `${prefix}${name.slice(colon + 1)}`;
  if (full.length >= BTF_MAX_NAME_SIZE) return -ERRNO.ENAMETOOLONG;
  const id = btf.findByName(full, kind);
  return id > 0 ? id : -ERRNO.ESRCH;
}
