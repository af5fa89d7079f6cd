import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { type Btf, BtfBuilder, openBtf } from '../../btf/index.ts';
import { EXIT, makeInsn } from '../../isa/index.ts';
import { kernelImage } from '../../kernels/index.ts';
import { bpf_attach_type, bpf_prog_type, ERRNO } from '../../uapi/index.ts';
import type { TargetProgram, VerifierKernel, VerifyInput } from '../input.ts';
import { VerifierLog } from '../verifier-log.ts';
import { checkAttachBtfId } from './attach.ts';

const P = bpf_prog_type;
const A = bpf_attach_type;
const SLEEPABLE = 16;
const BTF_FILE = new URL('../../../assets/btf/vmlinux-6.12-amd64.btf.gz', import.meta.url);
const btf = openBtf(new Uint8Array(gunzipSync(readFileSync(BTF_FILE))));
const image = kernelImage('6.12-amd64');
const kernel: VerifierKernel = { version: '6.12', arch: image.arch, btf, image };
const caps = { bpf: true, perfmon: true, netAdmin: true, sysAdmin: true };

function attach(more: Partial<VerifyInput>, changesPktData = false) {
  const log = new VerifierLog();
  const input: VerifyInput = {
    name: 'p',
    type: P.BPF_PROG_TYPE_TRACING,
    attachType: A.BPF_TRACE_FENTRY,
    flags: 0,
    gplCompatible: true,
    insns: [makeInsn(EXIT, 0, 0, 0, 0)],
    maps: [],
    ...more,
  };
  return checkAttachBtfId(input, kernel, { caps, jitRequested: true, log, changesPktData });
}
const func = (name: string): number => btf.findByName(name, 'FUNC');
const to = (name: string, attachType: number = A.BPF_TRACE_FENTRY, flags = 0): Partial<VerifyInput> => ({
  attachBtfId: func(name),
  attachType,
  flags,
});
const lsm = (hook: string, flags = 0): Partial<VerifyInput> => ({
  type: P.BPF_PROG_TYPE_LSM,
  ...to(`bpf_lsm_${hook}`, A.BPF_LSM_MAC, flags),
});
const structOps = (struct: string, member: string, flags = 0): Partial<VerifyInput> => {
  const id = btf.findByName(struct, 'STRUCT');
  const type = btf.typeById(id);
  const attachType = type.kind === 'STRUCT' ? type.members.findIndex(({ name }) => name === member) : 0;
  return { type: P.BPF_PROG_TYPE_STRUCT_OPS, attachBtfId: id, attachType, flags };
};
const rawTp = (name: string): Partial<VerifyInput> => ({
  attachBtfId: btf.findByName(`btf_trace_${name}`, 'TYPEDEF'),
  attachType: A.BPF_TRACE_RAW_TP,
});

describe('what programs are attached to', () => {
  it.each<[string, Partial<VerifyInput>, string]>([
    ['a function', to('do_sys_openat2'), 'do_sys_openat2'],
    ['a tracepoint', rawTp('sched_switch'), 'sched_switch'],
    ['a tracepoint that shares its template', rawTp('sched_wakeup'), 'sched_wakeup'],
    ['an iterator', to('bpf_iter_task', A.BPF_TRACE_ITER), 'bpf_iter_task'],
    ['a hook', lsm('file_open'), 'bpf_lsm_file_open'],
    ['a hook that may sleep', lsm('file_open', SLEEPABLE), 'bpf_lsm_file_open'],
    ['a return value of the security layer', to('security_file_open', A.BPF_MODIFY_RETURN), 'security_file_open'],
    ['a function made to be changed', to('bpf_modify_return_test', A.BPF_MODIFY_RETURN), 'bpf_modify_return_test'],
    ['a function made to be slept in', to('bpf_fentry_test1', A.BPF_TRACE_FENTRY, SLEEPABLE), 'bpf_fentry_test1'],
    ['an operation', structOps('tcp_congestion_ops', 'ssthresh'), 'ssthresh'],
    ['an operation that may sleep', structOps('bpf_dummy_ops', 'test_sleepable', SLEEPABLE), 'test_sleepable'],
    ['nothing', { type: P.BPF_PROG_TYPE_XDP, attachType: A.BPF_XDP }, ''],
    ['nothing, sleeping', { type: P.BPF_PROG_TYPE_SYSCALL, flags: SLEEPABLE }, ''],
  ])('%s', (_what, input, name) => {
    expect(attach(input)).toMatchObject({ attachFuncName: name });
  });

  it('knows the prototype', () => {
    const facts = attach(rawTp('sched_switch'));
    if ('ok' in facts) throw new Error(facts.message);
    const proto = btf.typeById(facts.attachFuncProtoId);
    const names = proto.kind === 'FUNC_PROTO' ? proto.params.map(param => param.name) : [];
    expect(names).toEqual(['__data', 'preempt', 'prev', 'next', 'prev_state']);
    expect(attach(structOps('tcp_congestion_ops', 'ssthresh'))).toMatchObject({
      structOps: { structName: 'tcp_congestion_ops', member: 'ssthresh' },
    });
  });

  it.each<[string, Partial<VerifyInput>, string, number?]>([
    ['nothing to trace', { attachBtfId: 0 }, 'Tracing programs must provide btf_id'],
    ['no such type', { attachBtfId: 9_999_999 }, 'attach_btf_id 9999999 is invalid'],
    ['no function', { attachBtfId: 1 }, 'attach_btf_id 1 is not a function'],
    [
      'a function as a tracepoint',
      to('do_exit', A.BPF_TRACE_RAW_TP),
      `attach_btf_id ${func('do_exit')} is not a typedef`,
    ],
    ['no iterator', to('do_sys_openat2', A.BPF_TRACE_ITER), ''],
    ['a denied function', to('migrate_disable'), ''],
    [
      'the end of what never returns',
      to('do_exit', A.BPF_TRACE_FEXIT),
      'Attaching fexit/fmod_ret to __noreturn functions is rejected.',
    ],
    [
      'a return value nobody may change',
      to('do_sys_openat2', A.BPF_MODIFY_RETURN),
      'do_sys_openat2() is not modifiable',
    ],
    [
      'a function that does not sleep',
      to('do_sys_openat2', A.BPF_TRACE_FENTRY, SLEEPABLE),
      'do_sys_openat2 is not sleepable',
    ],
    [
      'a tracepoint that sleeps',
      { ...rawTp('sched_switch'), flags: SLEEPABLE },
      'Only fentry/fexit/fmod_ret, lsm, iter, uprobe, and struct_ops programs can be sleepable',
    ],
    [
      'a system call program that does not',
      { type: P.BPF_PROG_TYPE_SYSCALL },
      'Syscall programs can only be sleepable',
    ],
    ['a hook that does not sleep', lsm('task_free', SLEEPABLE), 'bpf_lsm_task_free is not sleepable'],
    [
      'a disabled hook',
      lsm('getprocattr'),
      `attach_btf_id ${func('bpf_lsm_getprocattr')} points to disabled hook bpf_lsm_getprocattr`,
    ],
    [
      'no hook',
      lsm('verify_prog'),
      `attach_btf_id ${func('bpf_lsm_verify_prog')} points to wrong type name bpf_lsm_verify_prog`,
    ],
    [
      'a hook without the license',
      { ...lsm('file_open'), gplCompatible: false },
      'LSM programs must have a GPL compatible license',
    ],
    ['another attach type', to('do_exit', A.BPF_XDP), ''],
    [
      'a kernel function replaced',
      { type: P.BPF_PROG_TYPE_EXT, ...to('do_exit', 0) },
      'Cannot replace kernel functions',
    ],
    [
      'operations without the license',
      { ...structOps('tcp_congestion_ops', 'init'), gplCompatible: false },
      'struct ops programs must have a GPL compatible license',
    ],
    [
      'no operations',
      structOps('task_struct', 'pid'),
      `attach_btf_id ${btf.findByName('task_struct', 'STRUCT')} is not a supported struct`,
      ERRNO.ENOTSUPP,
    ],
    [
      'no operation',
      structOps('tcp_congestion_ops', 'flags'),
      'attach to invalid member flags(@idx 15) of struct tcp_congestion_ops',
    ],
    [
      'an operation without a stub',
      structOps('tcp_congestion_ops', 'get_info'),
      'attach to unsupported member get_info of struct tcp_congestion_ops',
      ERRNO.ENOTSUPP,
    ],
    [
      'an operation that may not sleep',
      structOps('bpf_dummy_ops', 'test_1', SLEEPABLE),
      'attach to unsupported member test_1 of struct bpf_dummy_ops',
    ],
  ])('refused: %s', (_what, input, message, errno = ERRNO.EINVAL) => {
    const refused = attach(input);
    expect('ok' in refused ? [refused.message, refused.errno] : 'accepted').toEqual([message, errno]);
  });
});

/** A BTF with one function of `args` pointers to `struct`. */
function functions(struct: string, args: number, linkage: 0 | 1 = 1): { readonly btf: Btf; readonly id: number } {
  const builder = new BtfBuilder();
  const int = builder.add({
    kind: 'INT',
    name: 'int',
    sizeBytes: 4,
    signed: true,
    char: false,
    bool: false,
    encoding: 1,
    bitOffset: 0,
    bits: 32,
  });
  const ctx = builder.add({ kind: 'STRUCT', name: struct, sizeBytes: 0, members: [] });
  const pointer = builder.add({ kind: 'PTR', name: '', typeId: ctx });
  const params = Array.from({ length: args }, () => ({ name: 'a', typeId: pointer }));
  const proto = builder.add({ kind: 'FUNC_PROTO', name: '', returnTypeId: int, params });
  const id = builder.add({ kind: 'FUNC', name: 'f', typeId: proto, linkage });
  return { btf: builder.build(), id };
}

describe('extensions of programs', () => {
  const own = functions('xdp_md', 1);
  const extension = (target: Partial<TargetProgram>, changes = false, program = own) => {
    const old = functions('xdp_md', 1);
    const attachProg: TargetProgram = {
      name: 'old',
      type: P.BPF_PROG_TYPE_XDP,
      attachType: A.BPF_XDP,
      btf: old.btf,
      funcTypeIds: [old.id],
      linkage: ['global'],
      unreliable: [false],
      jited: true,
      sleepable: false,
      mightChangePktData: false,
      attachesToTracing: false,
      ...target,
    };
    const funcInfo = { recSizeBytes: 8, count: 1, words: Uint32Array.of(0, program.id) };
    const input = { type: P.BPF_PROG_TYPE_EXT, attachType: 0, attachBtfId: attachProg.funcTypeIds[0], attachProg };
    return attach({ ...input, btf: program.btf, funcInfo }, changes);
  };

  it('become what they replace', () => {
    expect(extension({})).toMatchObject({
      type: P.BPF_PROG_TYPE_XDP,
      rawType: P.BPF_PROG_TYPE_EXT,
      attachType: A.BPF_XDP,
      attachesToProg: true,
    });
  });

  it.each<[string, ReturnType<typeof extension>, string]>([
    ['a function nobody can rely on', extension({ unreliable: [true] }), 'Cannot replace static functions'],
    ['of a program that is not compiled', extension({ jited: false }), 'Can attach to only JITed progs'],
    ['another extension', extension({ type: P.BPF_PROG_TYPE_EXT }), 'Cannot recursively attach'],
    [
      'a tracer',
      extension({ type: P.BPF_PROG_TYPE_TRACING, attachType: A.BPF_TRACE_FEXIT }),
      'Cannot extend fentry/fexit',
    ],
    ['moving packet data', extension({}, true), 'Extension program changes packet data, while original does not'],
    ['more arguments', extension({}, false, functions('xdp_md', 2)), 'f() has 2 args while f() has 1 args'],
    [
      'another context',
      extension({}, false, functions('__sk_buff', 1)),
      "arg0 f(struct __sk_buff *) doesn't match f(struct xdp_md *)",
    ],
    ['a static function', extension({}, false, functions('xdp_md', 1, 0)), 'f() is not a global function'],
  ])('refused: %s', (_what, refused, message) => {
    expect('ok' in refused ? refused.message : 'accepted').toBe(message);
  });
});
