import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { bpf_attach_type, bpf_prog_type } from '../uapi/index.ts';
import { type ArgProto, type HelperProto, KERNEL_PROTOS, kernelProtoOf } from './index.ts';

/** Contract, function, traits, what it returns, arguments: as the source of Linux 6.12 has them. */
const ROWS = readFileSync(new URL('../../testdata/kernel/helper-protos-6.12.tsv', import.meta.url), 'utf8')
  .trimEnd()
  .split('\n')
  .map(line => line.split('\t'));

/** Contracts no helper of 6.12 has under this name: they differ by program type only, belong to drivers, or came later. */
const ELSEWHERE: ReadonlySet<string> = new Set([
  'bpf_probe_read',
  'bpf_probe_read_str',
  'bpf_setsockopt',
  'bpf_getsockopt',
  'bpf_redirect_map',
  'bpf_fib_lookup',
  'bpf_lwt_push_encap',
  'bpf_sk_select_reuseport',
  'bpf_get_netns_cookie',
  'bpf_load_hdr_opt',
  'bpf_store_hdr_opt',
  'bpf_reserve_hdr_opt',
  'bpf_check_mtu',
  'bpf_get_func_ip',
  'bpf_rc_repeat',
  'bpf_rc_keydown',
  'bpf_rc_pointer_rel',
  'bpf_sock_create_setsockopt',
  'bpf_sock_create_getsockopt',
]);

const withFlags = (type: string, flags: readonly string[] = []): string => [type, ...[...flags].sort()].join('|');
const argText = ({ type, flags, sizeBytes }: ArgProto): string =>
  withFlags(type, flags) + (sizeBytes === undefined ? '' : `:${sizeBytes}`);

function traits(proto: HelperProto): string {
  const names = [
    proto.gplOnly === true && 'gpl',
    proto.pktAccess === true && 'pkt',
    proto.mightSleep === true && 'sleep',
    proto.allowFastcall === true && 'fastcall',
  ];
  return names.filter(name => name !== false).join(' ') || '-';
}

describe('contracts of Linux 6.12', () => {
  it.each(ROWS.map(row => [row[0], row] as const))('%s', (name, [, ...expected]) => {
    const row = KERNEL_PROTOS.get(name)!;
    const { proto, symbol } = row;
    expect([symbol, traits(proto), withFlags(proto.ret, proto.retFlags), ...proto.args.map(argText)]).toEqual(expected);
    expect(kernelProtoOf(proto)).toBe(row);
  });

  it('has no others', () => {
    const known = new Set(ROWS.map(([name]) => name));
    expect([...KERNEL_PROTOS.keys()].filter(name => !known.has(name) && !ELSEWHERE.has(name))).toEqual([]);
  });

  it.each<[name: string, type: number, attachType: number, attachFuncName: string, allowed: boolean]>([
    ['bpf_d_path', bpf_prog_type.BPF_PROG_TYPE_TRACING, bpf_attach_type.BPF_TRACE_FENTRY, 'vfs_truncate', true],
    ['bpf_d_path', bpf_prog_type.BPF_PROG_TYPE_TRACING, bpf_attach_type.BPF_TRACE_FENTRY, 'd_path', false],
    ['bpf_d_path', bpf_prog_type.BPF_PROG_TYPE_TRACING, bpf_attach_type.BPF_TRACE_ITER, 'bpf_iter_task_vma', true],
    ['bpf_d_path', bpf_prog_type.BPF_PROG_TYPE_LSM, bpf_attach_type.BPF_LSM_MAC, 'bpf_lsm_file_open', true],
    ['bpf_d_path', bpf_prog_type.BPF_PROG_TYPE_LSM, bpf_attach_type.BPF_LSM_MAC, 'bpf_lsm_inode_permission', false],
    ['bpf_ima_file_hash', bpf_prog_type.BPF_PROG_TYPE_LSM, bpf_attach_type.BPF_LSM_MAC, 'bpf_lsm_task_free', false],
    [
      'bpf_sk_storage_get_tracing',
      bpf_prog_type.BPF_PROG_TYPE_TRACING,
      bpf_attach_type.BPF_TRACE_FENTRY,
      'bpf_sk_storage_free',
      false,
    ],
    [
      'bpf_sk_storage_get_tracing',
      bpf_prog_type.BPF_PROG_TYPE_TRACING,
      bpf_attach_type.BPF_TRACE_FEXIT,
      'tcp_connect',
      true,
    ],
  ])('%s, type %i, attach %i, %s: %s', (name, type, attachType, attachFuncName, allowed) => {
    expect(KERNEL_PROTOS.get(name)?.proto.allowed?.({ type, attachType, attachFuncName })).toBe(allowed);
  });
});
