import { describe, expect, it } from 'vitest';
import { bpf_attach_type, bpf_prog_type } from '../uapi/index.ts';
import { matchSection, SECTION_DEFS } from './sections.ts';

const T = bpf_prog_type;
const A = bpf_attach_type;

describe('matchSection', () => {
  it.each([
    ['xdp', T.BPF_PROG_TYPE_XDP, A.BPF_XDP, '', 0],
    ['xdp.frags', T.BPF_PROG_TYPE_XDP, A.BPF_XDP, '', 32],
    ['xdp.frags/devmap', T.BPF_PROG_TYPE_XDP, A.BPF_XDP_DEVMAP, '', 32],
    ['xdp/cpumap', T.BPF_PROG_TYPE_XDP, A.BPF_XDP_CPUMAP, '', 0],
    ['tc', T.BPF_PROG_TYPE_SCHED_CLS, 0, '', 0],
    ['tc/ingress', T.BPF_PROG_TYPE_SCHED_CLS, A.BPF_TCX_INGRESS, '', 0],
    ['action', T.BPF_PROG_TYPE_SCHED_ACT, 0, '', 0],
    ['kprobe', T.BPF_PROG_TYPE_KPROBE, 0, '', 0],
    ['kprobe/do_unlinkat', T.BPF_PROG_TYPE_KPROBE, 0, 'do_unlinkat', 0],
    ['kprobe.multi/tcp_*', T.BPF_PROG_TYPE_KPROBE, A.BPF_TRACE_KPROBE_MULTI, 'tcp_*', 0],
    ['uprobe.s//bin/sh:main', T.BPF_PROG_TYPE_KPROBE, 0, '/bin/sh:main', 16],
    ['tp/syscalls/sys_enter_open', T.BPF_PROG_TYPE_TRACEPOINT, 0, 'syscalls/sys_enter_open', 0],
    ['raw_tp.w/x', T.BPF_PROG_TYPE_RAW_TRACEPOINT_WRITABLE, 0, 'x', 0],
    ['fmod_ret.s/f', T.BPF_PROG_TYPE_TRACING, A.BPF_MODIFY_RETURN, 'f', 16],
    ['lsm_cgroup/socket_bind', T.BPF_PROG_TYPE_LSM, A.BPF_LSM_CGROUP, 'socket_bind', 0],
    ['iter.s/task', T.BPF_PROG_TYPE_TRACING, A.BPF_TRACE_ITER, 'task', 16],
    ['cgroup/connect_unix', T.BPF_PROG_TYPE_CGROUP_SOCK_ADDR, A.BPF_CGROUP_UNIX_CONNECT, '', 0],
    ['cgroup_skb/egress', T.BPF_PROG_TYPE_CGROUP_SKB, A.BPF_CGROUP_INET_EGRESS, '', 0],
    ['struct_ops.s/init', T.BPF_PROG_TYPE_STRUCT_OPS, 0, 'init', 16],
    ['syscall', T.BPF_PROG_TYPE_SYSCALL, 0, '', 16],
  ])('%s', (name, type, attachType, attachTarget, flags) => {
    expect(matchSection(name)).toMatchObject({ type, attachType, attachTarget, flags, autoload: true });
    expect(matchSection(`?${name}`)).toMatchObject({ type, attachType, attachTarget, flags, autoload: false });
  });

  it.each([
    '',
    '?',
    '.text',
    'socket1',
    'socket/x',
    'xdp/',
    'xdp_prog',
    'tc/other',
    'kprobes/x',
    'classifier/x',
    '??xdp',
  ])('knows no %j', name => expect(matchSection(name)).toBeUndefined());

  it('has every row once, each matching itself', () => {
    expect(new Set(SECTION_DEFS.map(def => def.name)).size).toBe(SECTION_DEFS.length);
    for (const def of SECTION_DEFS) {
      expect(matchSection(def.name)?.def).toBe(def);
      expect(matchSection(`${def.name}/zz`)?.def).toBe(def.extras ? def : undefined);
    }
  });
});
