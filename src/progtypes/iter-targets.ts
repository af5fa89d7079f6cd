import type { Btf } from '../btf/index.ts';
import { MEM_RDONLY, PTR_MAYBE_NULL, PTR_TO_BTF_ID, PTR_TO_BUF, PTR_TRUSTED } from '../helpers/index.ts';
import type { ProgFacts } from './contract.ts';
import { kernelMemberOffset, kernelStructId } from './kernel-struct.ts';

/** What is known of an argument of an attach point beyond its type (`struct bpf_ctx_arg_aux`). */
export interface CtxArgInfo {
  readonly offBytes: number;
  readonly regType: number;
  readonly btf: Btf | undefined;
  /** 0 for buffers. */
  readonly btfId: number;
}

interface IterArg {
  /** Member of the context struct. */
  readonly member: string;
  readonly regType: number;
  /** Kernel struct pointed to. */
  readonly struct?: string;
}
const OR_NULL = PTR_TO_BTF_ID | PTR_MAYBE_NULL;
const TRUSTED_OR_NULL = OR_NULL | PTR_TRUSTED;
const BUF_OR_NULL = PTR_TO_BUF | PTR_MAYBE_NULL;

/** Iterators of Linux 6.12 by target, their arguments as their `struct bpf_iter_reg` says; context `struct bpf_iter__<target>`. */
const ITER_TARGETS: ReadonlyMap<string, readonly IterArg[]> = new Map<string, readonly IterArg[]>([
  ['ksym', [{ member: 'ksym', regType: OR_NULL, struct: 'kallsym_iter' }]],
  ['bpf_prog', [{ member: 'prog', regType: OR_NULL, struct: 'bpf_prog' }]],
  ['bpf_link', [{ member: 'link', regType: OR_NULL, struct: 'bpf_link' }]],
  ['bpf_map', [{ member: 'map', regType: TRUSTED_OR_NULL, struct: 'bpf_map' }]],
  [
    'bpf_map_elem',
    [
      { member: 'key', regType: BUF_OR_NULL | MEM_RDONLY },
      { member: 'value', regType: BUF_OR_NULL },
    ],
  ],
  ['cgroup', [{ member: 'cgroup', regType: TRUSTED_OR_NULL, struct: 'cgroup' }]],
  ['task', [{ member: 'task', regType: TRUSTED_OR_NULL, struct: 'task_struct' }]],
  [
    'task_file',
    [
      { member: 'task', regType: OR_NULL, struct: 'task_struct' },
      { member: 'file', regType: OR_NULL, struct: 'file' },
    ],
  ],
  [
    'task_vma',
    [
      { member: 'task', regType: OR_NULL, struct: 'task_struct' },
      { member: 'vma', regType: OR_NULL, struct: 'vm_area_struct' },
    ],
  ],
  ['netlink', [{ member: 'sk', regType: OR_NULL, struct: 'netlink_sock' }]],
  ['ipv6_route', [{ member: 'rt', regType: OR_NULL, struct: 'fib6_info' }]],
  [
    'sockmap',
    [
      { member: 'key', regType: BUF_OR_NULL | MEM_RDONLY },
      { member: 'sk', regType: OR_NULL, struct: 'sock' },
    ],
  ],
  [
    'bpf_sk_storage_map',
    [
      { member: 'sk', regType: OR_NULL, struct: 'sock' },
      { member: 'value', regType: BUF_OR_NULL },
    ],
  ],
  ['unix', [{ member: 'unix_sk', regType: OR_NULL, struct: 'unix_sock' }]],
  ['tcp', [{ member: 'sk_common', regType: TRUSTED_OR_NULL, struct: 'sock_common' }]],
  ['udp', [{ member: 'udp_sk', regType: TRUSTED_OR_NULL, struct: 'udp_sock' }]],
]);

const PREFIX = 'bpf_iter_';

/** The target a program for `bpf_iter_<target>` iterates over; undefined for names that are no iterator's. */
export function iterTarget(attachFuncName: string): string | undefined {
  if (!attachFuncName.startsWith(PREFIX)) return undefined;
  const target = attachFuncName.slice(PREFIX.length);
  return ITER_TARGETS.has(target) ? target : undefined;
}

/** Whether Linux has an iterator called so. Source: `kernel/bpf/bpf_iter.c: bpf_iter_prog_supported`. */
export function bpfIterProgSupported(attachFuncName: string): boolean {
  return iterTarget(attachFuncName) !== undefined;
}

const CACHE = new WeakMap<Btf, Map<string, readonly CtxArgInfo[]>>();

/** Arguments of the iterator a program is attached to; empty for other programs. */
export function iterArgInfos(prog: ProgFacts): readonly CtxArgInfo[] {
  const target = iterTarget(prog.attachFuncName);
  const btf = prog.kernelBtf;
  if (target === undefined || btf === undefined) return [];
  let infos = CACHE.get(btf);
  if (infos === undefined) CACHE.set(btf, (infos = new Map()));
  let found = infos.get(target);
  if (found === undefined) {
    found = (ITER_TARGETS.get(target) as readonly IterArg[]).flatMap(({ member, regType, struct }) => {
      const offBytes = kernelMemberOffset(btf, `bpf_iter__${target}`, member) ?? unionOffset(btf, target, member);
      return offBytes === undefined
        ? []
        : [{ offBytes, regType, btf, btfId: struct === undefined ? 0 : kernelStructId(btf, struct) }];
    });
    infos.set(target, found);
  }
  return found;
}

/** Pointers in contexts lie in anonymous unions (`__bpf_md_ptr`). */
function unionOffset(btf: Btf, target: string, member: string): number | undefined {
  const id = kernelStructId(btf, `bpf_iter__${target}`);
  const type = id === 0 ? undefined : btf.typeById(id);
  if (type?.kind !== 'STRUCT') return undefined;
  for (const { name, typeId, bitOffset } of type.members) {
    if (name !== '') continue;
    const inner = btf.typeById(btf.skipModifiers(typeId));
    if (inner.kind === 'UNION' && inner.members.some(m => m.name === member)) return bitOffset / 8;
  }
  return undefined;
}
