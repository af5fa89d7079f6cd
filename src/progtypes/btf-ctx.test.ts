import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { ctxAccess, progFacts } from '../../test/support/prog-facts.ts';
import { BtfBuilder, type BtfType, openBtf } from '../btf/index.ts';
import { MEM_RDONLY, PTR_MAYBE_NULL, PTR_TO_BTF_ID, PTR_TO_BUF, PTR_TRUSTED, SCALAR_VALUE } from '../helpers/index.ts';
import { bpf_attach_type, bpf_prog_type } from '../uapi/index.ts';
import type { ProgFacts } from './contract.ts';
import { progTypeContract } from './contracts.ts';

const T = bpf_prog_type;
const A = bpf_attach_type;
const kernelBtf = openBtf(
  gunzipSync(readFileSync(new URL('../../assets/btf/vmlinux-6.12-amd64.btf.gz', import.meta.url))),
);

/** A program attached to a function of the kernel, or to a tracepoint. */
function attached(type: number, attachType: number, name: string): ProgFacts {
  const tracepoint = attachType === A.BPF_TRACE_RAW_TP;
  const attachBtfId = tracepoint
    ? kernelBtf.findByName(`btf_trace_${name}`, 'TYPEDEF')
    : kernelBtf.findByName(name, 'FUNC');
  let proto: BtfType = kernelBtf.typeById(attachBtfId);
  while ('typeId' in proto) proto = kernelBtf.typeById(proto.typeId);
  expect(proto.kind).toBe('FUNC_PROTO');
  return progFacts(type, {
    attachType,
    kernelBtf,
    attachBtf: kernelBtf,
    attachBtfId,
    attachFuncProtoId: proto.id,
    attachFuncName: name,
  });
}

function load(prog: ProgFacts, off: number, size = 8) {
  const access = ctxAccess();
  const ok = progTypeContract(prog.type)!.isValidAccess(off, size, false, prog, access);
  return { ok, ...access };
}

const TRACING = T.BPF_PROG_TYPE_TRACING;
const BTF_TRUSTED = PTR_TO_BTF_ID | PTR_TRUSTED;

describe('arguments of attach points', () => {
  // Lines as Linux 6.12.107 wrote them for these programs.
  it.each<[type: number, attach: number, name: string, off: number, regType: number, line: string]>([
    [
      TRACING,
      A.BPF_TRACE_RAW_TP,
      'sched_switch',
      16,
      BTF_TRUSTED,
      "func 'sched_switch' arg2 has btf_id 211 type STRUCT 'task_struct'",
    ],
    [
      TRACING,
      A.BPF_TRACE_RAW_TP,
      'xdp_cpumap_kthread',
      32,
      BTF_TRUSTED,
      "func 'xdp_cpumap_kthread' arg4 has btf_id 13611 type STRUCT 'xdp_cpumap_stats'",
    ],
    [
      TRACING,
      A.BPF_TRACE_FENTRY,
      'tcp_v4_connect',
      0,
      PTR_TO_BTF_ID,
      "func 'tcp_v4_connect' arg0 has btf_id 3009 type STRUCT 'sock'",
    ],
    [
      TRACING,
      A.BPF_TRACE_FEXIT,
      'vfs_open',
      0,
      PTR_TO_BTF_ID,
      "func 'vfs_open' arg0 has btf_id 940 type STRUCT 'path'",
    ],
    [
      TRACING,
      A.BPF_TRACE_ITER,
      'bpf_iter_task',
      0,
      BTF_TRUSTED,
      "func 'bpf_iter_task' arg0 has btf_id 11637 type STRUCT 'bpf_iter_meta'",
    ],
    [
      T.BPF_PROG_TYPE_LSM,
      A.BPF_LSM_MAC,
      'bpf_lsm_file_open',
      0,
      BTF_TRUSTED,
      "func 'bpf_lsm_file_open' arg0 has btf_id 725 type STRUCT 'file'",
    ],
    [
      T.BPF_PROG_TYPE_LSM,
      A.BPF_LSM_MAC,
      'bpf_lsm_task_free',
      0,
      PTR_TO_BTF_ID,
      "func 'bpf_lsm_task_free' arg0 has btf_id 211 type STRUCT 'task_struct'",
    ],
    // 6.12 knows that this one's owner may be nobody.
    [
      TRACING,
      A.BPF_TRACE_RAW_TP,
      'sched_pi_setprio',
      8,
      BTF_TRUSTED | PTR_MAYBE_NULL,
      "func 'sched_pi_setprio' arg1 has btf_id 211 type STRUCT 'task_struct'",
    ],
  ])('type %i, attach %i, %s at %i', (type, attach, name, off, regType, line) => {
    const access = load(attached(type, attach, name), off);
    expect([access.ok, access.regType, access.lines]).toEqual([true, regType, [line]]);
    expect(access.btfId).toBe(Number(/btf_id (\d+)/.exec(line)?.[1]));
  });

  it.each<[type: number, attach: number, name: string, off: number, size: number, line: string | undefined]>([
    [TRACING, A.BPF_TRACE_FENTRY, 'vfs_open', 4, 4, "func 'vfs_open' offset 4 is not multiple of 8"],
    [TRACING, A.BPF_TRACE_FENTRY, 'vfs_open', 0, 4, "func 'vfs_open' size 4 must be 8"],
    [TRACING, A.BPF_TRACE_FENTRY, 'vfs_open', 16, 8, "func 'vfs_open' doesn't have 3-th argument"],
    [TRACING, A.BPF_TRACE_FEXIT, 'vfs_open', 24, 8, "func 'vfs_open' doesn't have 4-th argument"],
    [TRACING, A.BPF_TRACE_RAW_TP, 'sched_switch', 32, 8, "func 'sched_switch' doesn't have 5-th argument"],
    [TRACING, A.BPF_MODIFY_RETURN, 'dentry_open', 24, 8, 'ret type PTR not allowed for fmod_ret'],
    [TRACING, A.BPF_TRACE_FENTRY, 'vfs_open', 96, 8, undefined],
  ])('type %i, attach %i, %s: %i:%i is refused', (type, attach, name, off, size, line) => {
    const access = load(attached(type, attach, name), off, size);
    expect([access.ok, access.lines]).toEqual([false, line === undefined ? [] : [line]]);
  });

  it('numbers are numbers, whatever their size', () => {
    const prog = attached(TRACING, A.BPF_TRACE_RAW_TP, 'sched_switch');
    expect(load(prog, 0)).toMatchObject({ ok: true, regType: SCALAR_VALUE, lines: [] });
    expect(load(attached(TRACING, A.BPF_TRACE_FEXIT, 'vfs_open'), 16)).toMatchObject({
      ok: true,
      regType: SCALAR_VALUE,
      isRetval: false,
    });
  });

  it('an LSM hook reads what the hook before it returned', () => {
    const access = load(attached(T.BPF_PROG_TYPE_LSM, A.BPF_LSM_MAC, 'bpf_lsm_file_open'), 8);
    expect(access).toMatchObject({ ok: true, regType: SCALAR_VALUE, isRetval: true });
  });

  it('a pointer that may encode an error is a number, one of a module may be null', () => {
    const tracepoint = (name: string, base?: typeof kernelBtf): ProgFacts => {
      const types = new BtfBuilder(base);
      const struct = types.add({ kind: 'STRUCT', name: 'thing', sizeBytes: 8, members: [] });
      const pointer = types.add({ kind: 'PTR', name: '', typeId: struct });
      const data = types.add({ kind: 'PTR', name: '', typeId: 0 });
      const params = [data, pointer, pointer, pointer, pointer].map(typeId => ({ name: '', typeId }));
      const proto = types.add({ kind: 'FUNC_PROTO', name: '', returnTypeId: 0, params });
      const toProto = types.add({ kind: 'PTR', name: '', typeId: proto });
      const attachBtfId = types.add({ kind: 'TYPEDEF', name: `btf_trace_${name}`, typeId: toProto });
      const attachBtf = types.build();
      return progFacts(TRACING, {
        attachType: A.BPF_TRACE_RAW_TP,
        attachBtf,
        attachBtfId,
        attachFuncProtoId: proto,
        attachFuncName: name,
      });
    };
    const scrubbed = load(tracepoint('mr_integ_alloc'), 24);
    expect(scrubbed.regType).toBe(SCALAR_VALUE);
    expect(scrubbed.lines).toHaveLength(2);
    expect(scrubbed.lines[1]).toBe('marking pointer arg3 as scalar as it may encode error');
    expect(load(tracepoint('mr_integ_alloc'), 16).regType).toBe(BTF_TRUSTED);
    expect(load(tracepoint('nobody_knows', kernelBtf), 16).regType).toBe(BTF_TRUSTED | PTR_MAYBE_NULL);
  });

  it('iterators say what their elements are', () => {
    const task = load(attached(TRACING, A.BPF_TRACE_ITER, 'bpf_iter_task'), 8);
    expect([task.regType, task.lines]).toEqual([BTF_TRUSTED | PTR_MAYBE_NULL, []]);
    expect(kernelBtf.nameOf(task.btfId)).toBe('task_struct');
    const file = load(attached(TRACING, A.BPF_TRACE_ITER, 'bpf_iter_task_file'), 24);
    expect([file.regType, kernelBtf.nameOf(file.btfId)]).toEqual([PTR_TO_BTF_ID | PTR_MAYBE_NULL, 'file']);
    const elem = attached(TRACING, A.BPF_TRACE_ITER, 'bpf_iter_bpf_map_elem');
    expect(load(elem, 16).regType).toBe(PTR_TO_BUF | PTR_MAYBE_NULL | MEM_RDONLY);
    expect(load(elem, 24).regType).toBe(PTR_TO_BUF | PTR_MAYBE_NULL);
  });

  it('struct_ops members take what their stubs say', () => {
    const struct = kernelBtf.typeById(kernelBtf.findByName('bpf_dummy_ops', 'STRUCT'));
    const members = struct.kind === 'STRUCT' ? struct.members : [];
    const prog = (member: string): ProgFacts => {
      const index = members.findIndex(({ name }) => name === member);
      const pointer = kernelBtf.typeById(kernelBtf.skipModifiers(members[index].typeId));
      return progFacts(T.BPF_PROG_TYPE_STRUCT_OPS, {
        attachType: index,
        kernelBtf,
        attachBtf: kernelBtf,
        attachFuncProtoId: pointer.kind === 'PTR' ? pointer.typeId : 0,
        attachFuncName: member,
        structOps: { structName: 'bpf_dummy_ops', member },
      });
    };
    expect(load(prog('test_1'), 0).regType).toBe(BTF_TRUSTED | PTR_MAYBE_NULL);
    expect(load(prog('test_2'), 0).regType).toBe(BTF_TRUSTED);
    expect(load(prog('test_2'), 8).regType).toBe(SCALAR_VALUE);
  });

  it('netfilter programs get a packet and a state', () => {
    const prog = progFacts(T.BPF_PROG_TYPE_NETFILTER, { kernelBtf });
    const names = [0, 8].map(off => kernelBtf.nameOf(load(prog, off).btfId));
    expect(names).toEqual(['nf_hook_state', 'sk_buff']);
    expect(load(prog, 8, 4).ok).toBe(false);
  });
});
