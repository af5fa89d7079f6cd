import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { kfuncPrograms } from '../../../test/support/kfunc-programs.ts';
import { compareLogs } from '../../../test/support/scoreboard/logs.ts';
import { verifyInputOf } from '../../../test/support/verify-input.ts';
import { openBtf } from '../../btf/index.ts';
import { kernelImage } from '../../kernels/index.ts';
import { bpf_attach_type, bpf_prog_type } from '../../uapi/index.ts';
import type { VerifierKernel } from '../input.ts';
import { verify } from '../verify.ts';
import { kfuncFlags, kfuncIsModifyReturn, kfuncProto } from './kfunc-meta.ts';

/** What Linux 6.12.107 said of a program of `kfuncPrograms` at log level 2. */
interface Answer {
  readonly name: string;
  readonly errno: number;
  readonly log: string;
}

const unzipped = (path: string): Buffer => gunzipSync(readFileSync(new URL(`../../../${path}`, import.meta.url)));
const btf = openBtf(new Uint8Array(unzipped('assets/btf/vmlinux-6.12-amd64.btf.gz')));
const image = kernelImage('6.12-amd64');
const kernel: VerifierKernel = { version: '6.12', arch: image.arch, btf, image };
const answers = new Map(
  unzipped('testdata/kernel/kfuncs-6.12-amd64.jsonl.gz')
    .toString('utf8')
    .trim()
    .split('\n')
    .map(line => JSON.parse(line) as Answer)
    .map(answer => [answer.name, answer]),
);

describe('calls of kernel functions, as Linux judges and logs them', () => {
  const programs = kfuncPrograms(btf);
  it.each(programs.map(program => [program.name, program] as const))('%s', (name, program) => {
    const answer = answers.get(name) as Answer;
    const verdict = verify(verifyInputOf(program), { kernel, logLevel: 2 });
    expect(verdict.errno).toBe(answer.errno);
    expect(compareLogs(answer.log, verdict.log)).toBeUndefined();
  });
});

describe('who may call what', () => {
  const P = bpf_prog_type;
  const as = (type: number, attachType = 0) => ({ type, attachType });

  it('every kernel function the BTF marks as one may be called by somebody', () => {
    const types = Object.values(P);
    const attachTypes = [0, bpf_attach_type.BPF_TRACE_ITER, bpf_attach_type.BPF_TRACE_KPROBE_SESSION];
    const unknown: string[] = [];
    let marked = 0;
    for (let id = 1; id < btf.typeCount; id++) {
      if (btf.kindOf(id) !== 'DECL_TAG' || btf.nameOf(id) !== 'bpf_kfunc') continue;
      marked++;
      const name = btf.nameOf(btf.types.third(id));
      const callers = types.flatMap(type => attachTypes.map(attachType => as(type, attachType)));
      const called = callers.some(caller => kfuncFlags(name, caller) !== undefined);
      if (!called && kfuncIsModifyReturn(name, as(P.BPF_PROG_TYPE_TRACING)) === undefined) unknown.push(name);
    }
    expect(marked).toBeGreaterThan(100);
    expect(unknown).toEqual([]);
  });

  it.each([
    ['bpf_sock_destroy', as(P.BPF_PROG_TYPE_TRACING, bpf_attach_type.BPF_TRACE_ITER), true],
    ['bpf_sock_destroy', as(P.BPF_PROG_TYPE_TRACING, bpf_attach_type.BPF_TRACE_FENTRY), false],
    ['bpf_path_d_path', as(P.BPF_PROG_TYPE_LSM), true],
    ['bpf_path_d_path', as(P.BPF_PROG_TYPE_TRACING), false],
    ['bpf_task_acquire', as(P.BPF_PROG_TYPE_TRACEPOINT), true],
    ['bpf_task_acquire', as(P.BPF_PROG_TYPE_CGROUP_SOCKOPT), true],
    ['bpf_task_acquire', as(P.BPF_PROG_TYPE_KPROBE), false],
    ['bpf_session_cookie', as(P.BPF_PROG_TYPE_KPROBE, bpf_attach_type.BPF_TRACE_KPROBE_SESSION), true],
    ['bpf_iter_num_new', as(P.BPF_PROG_TYPE_SK_REUSEPORT), true],
    ['do_exit', as(P.BPF_PROG_TYPE_TRACING), false],
  ])('%s by %o: %s', (name, caller, may) => {
    expect(kfuncFlags(name, caller) !== undefined).toBe(may);
  });

  it('parameters by name and type', () => {
    const slice = kfuncProto(btf, btf.findByName('bpf_dynptr_slice', 'FUNC'));
    expect(slice.params.map(({ suffix, special, kind }) => [suffix, special, kind])).toEqual([
      ['', 'bpf_dynptr', 'ptr'],
      ['', '', 'scalar'],
      ['__opt', '', 'ptr'],
      ['__szk', '', 'scalar'],
    ]);
    expect(slice.returns).toBe('ptr');
    expect(kfuncProto(btf, btf.findByName('bpf_rbtree_add_impl', 'FUNC')).params[2].callback).toBe(true);
  });
});
