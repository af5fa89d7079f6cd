import { attachTypeName, bpf_attach_type } from '../../uapi/index.ts';
import { RULED_RELEASES } from '../../verifier/index.ts';
import type { Call, Command } from '../command.ts';
import { EXIT, usageError } from '../failure.ts';
import { byteOrderOf, readInsnBytes } from '../input/insn-input.ts';
import { progTypeNamed } from '../input/prog-type.ts';
import type { Options } from '../options.ts';
import { parallelMap } from '../parallel.ts';
import { Progress } from '../progress.ts';
import { isObjectArg } from '../run/session.ts';
import { verifyExplanation } from '../verify/explanation-report.ts';
import {
  programCount,
  type VerifyFileInput,
  type VerifyOutcome,
  type VerifyReport,
  type VerifySettings,
  verifyPrograms,
} from '../verify/verify-file.ts';
import { kernelSummary, verifyMatrix } from '../verify/verify-matrix.ts';
import { verifyLog, verifyRecord, verifySummary, verifyTable } from '../verify/verify-report.ts';
import { BTF_FILE, JOBS, ORDER, PROG } from './shared-options.ts';

/** The kernel whose rules are followed if none is named. */
const KERNEL = '6.12';
/** Every kernel there are rules of. */
const ALL_KERNELS = 'all';
const DEFAULT_LOG_LEVEL = 1;

function attachTypeNamed(text: string): number {
  const number = Object.values(bpf_attach_type).find(value => attachTypeName(value) === text.toLowerCase());
  if (number !== undefined) return number;
  if (/^[0-9]{1,3}$/.test(text)) return Number(text);
  throw usageError('no such attach type', 'a name such as cgroup_inet_ingress, trace_fentry, or a number', `'${text}'`);
}

function kernelNamed(text: string): string {
  const release = RULED_RELEASES.find(
    known => text === known || text.startsWith(`${known}-amd64`) || text.startsWith(`${known}.`),
  );
  if (release !== undefined) return release;
  throw usageError(
    'there are no rules of this kernel',
    `${RULED_RELEASES.join(', ')}; all of them with --kernels ${ALL_KERNELS}`,
    `'${text}'`,
  );
}

/** The kernels asked for, oldest first. */
function kernelsOf(options: Options): readonly string[] {
  const many = options.text('kernels');
  const one = options.text('kernel');
  if (many !== undefined && one !== undefined) throw usageError('one kernel or several', '--kernel or --kernels');
  if (many === undefined) return [kernelNamed(one ?? KERNEL)];
  const named = many === ALL_KERNELS ? RULED_RELEASES : many.split(',').map(kernelNamed);
  return RULED_RELEASES.filter(release => named.includes(release));
}

function settingsOf(options: Options): VerifySettings {
  const type = options.text('type');
  const attach = options.text('attach');
  return {
    progs: options.texts('prog'),
    type: type === undefined ? undefined : progTypeNamed(type),
    attachType: attach === undefined ? undefined : attachTypeNamed(attach),
    logLevel: options.integer('log-level') ?? DEFAULT_LOG_LEVEL,
    btf: options.text('btf'),
    kconfig: options.texts('kconfig'),
    set: options.texts('set'),
    unprivileged: options.flag('unpriv'),
    strictAlignment: options.flag('strict-alignment'),
    kernels: kernelsOf(options),
    explain: options.text('explain') !== 'never',
  };
}

async function inputOf(file: string, settings: VerifySettings, { options, io }: Call): Promise<VerifyFileInput> {
  if (isObjectArg(file)) return { file, settings, raw: undefined };
  if (settings.type === undefined) throw usageError('raw instructions need a program type', '--type TYPE');
  const bytes = await readInsnBytes(file, io);
  return { file, settings, raw: { bytes, order: byteOrderOf(options.text('order')) } };
}

/** Outcomes file by file; with several files on several threads. */
async function* outcomes(inputs: readonly VerifyFileInput[], call: Call): AsyncGenerator<readonly VerifyOutcome[]> {
  const { options, out } = call;
  if (inputs.length === 1) {
    const progress = new Progress(out, 'programs', programCount(inputs[0]));
    const all: VerifyOutcome[] = [];
    for (const outcome of verifyPrograms(inputs[0])) {
      // Data goes out at once, tables when they are whole.
      if (out.json) yield [outcome];
      else progress.update(all.push(outcome));
    }
    progress.end();
    if (!out.json) yield all;
    return;
  }
  const progress = new Progress(out, 'files', inputs.length);
  const onDone = (done: number): void => progress.update(done);
  for await (const outcome of parallelMap('prog-verify', inputs, { jobs: options.integer('jobs'), onDone })) {
    yield outcome.ok ? outcome.value : [{ failure: outcome.failure }];
  }
  progress.end();
}

async function run(call: Call): Promise<void> {
  const { args, options, out } = call;
  const settings = settingsOf(options);
  const inputs: VerifyFileInput[] = [];
  for (const file of args) inputs.push(await inputOf(file, settings, call));
  const all: VerifyReport[] = [];
  let shown = 0;
  for await (const part of outcomes(inputs, call)) {
    const reports: VerifyReport[] = [];
    for (const outcome of part) {
      if ('failure' in outcome) out.failure(outcome.failure);
      else reports.push(outcome.report);
    }
    for (const report of reports) {
      out.record(verifyRecord(report));
      if (report.verdict !== 'accept') out.fail(report.verdict === 'reject' ? EXIT.refused : EXIT.badInput);
    }
    all.push(...reports);
    if (reports.length === 0 || out.json) continue;
    const head = inputs.length > 1 ? `${shown++ > 0 ? '\n' : ''}${out.paint('bold', `${reports[0].file}:`)}\n` : '';
    out.text(head + (settings.kernels.length > 1 ? verifyMatrix(reports, out.paint) : verifyTable(reports, out.paint)));
    if (options.has('log-level')) for (const report of reports) out.text(verifyLog(report, out.paint));
    if (settings.kernels.length === 1) for (const report of reports) out.text(verifyExplanation(report, out.paint));
  }
  if (all.length > 1 && !out.json)
    out.text(`\n${settings.kernels.length > 1 ? kernelSummary(all) : verifySummary(all)}`);
}

export const progVerify: Command = {
  summary: 'Verify programs as a Linux kernel does when it loads them',
  description:
    'Each program is fitted to the kernel as libbpf does, then verified by the rules of its Linux release, with its words: ' +
    '6.12 unless another is named. With --kernels, a matrix of programs and kernels, with the first reason of each refusal ' +
    'and the oldest release that has all a program uses. ' +
    'Verdicts: accept, reject, and error for a program that would never reach the verifier (a missing kernel symbol, a ' +
    'map no kernel makes). Exits with 0 when all are accepted, 1 when some are rejected, 2 when some are not verified.',
  args: [
    {
      name: 'FILE',
      summary: 'object files, or raw instructions (with --type)',
      kind: 'file',
      required: true,
      variadic: true,
    },
  ],
  options: [
    { ...PROG, repeat: true, summary: `${PROG.summary}; may be repeated; default: all` },
    { name: 'type', value: 'TYPE', kind: 'text', summary: 'program type in place of what the section name says' },
    { name: 'attach', value: 'TYPE', kind: 'text', summary: 'attach type in place of what the section name says' },
    {
      name: 'kernel',
      short: 'k',
      value: 'VERSION',
      kind: 'text',
      summary: `whose rules are followed: ${RULED_RELEASES.join(', ')}; default: ${KERNEL}`,
    },
    {
      name: 'kernels',
      value: 'all|VERSIONS',
      kind: 'text',
      summary: 'several kernels, with commas between, or all there are rules of',
    },
    {
      name: 'log-level',
      short: 'l',
      value: 'N',
      kind: 'integer',
      max: 15n,
      summary:
        "the verifier's log: 1 paths that fail, 2 every instruction, 4 more for figures; default: 1, not printed",
    },
    {
      name: 'explain',
      value: 'WHEN',
      kind: 'choice',
      choices: ['always', 'never'],
      default: 'always',
      summary:
        'why programs are rejected, in plain words, and what would make them pass; with several kernels only in JSON',
    },
    BTF_FILE,
    {
      name: 'kconfig',
      value: 'FILE|K=V',
      kind: 'file',
      repeat: true,
      summary: 'values of .kconfig variables: a kernel configuration, or CONFIG_HZ=250; may be repeated',
    },
    {
      name: 'set',
      value: 'VAR=VALUE',
      kind: 'text',
      repeat: true,
      summary: 'the value of a variable before the program is loaded; may be repeated',
    },
    { name: 'unpriv', summary: 'as loaded by a user without capabilities' },
    { name: 'strict-alignment', summary: 'as loaded with BPF_F_STRICT_ALIGNMENT' },
    ORDER,
    JOBS,
  ],
  examples: [
    { line: 'farcall prog verify examples/load_balancer.bpf.o', what: 'all programs of an object' },
    {
      line: 'farcall prog verify examples/checksum.bpf.o --prog checksum --log-level 2',
      what: "one program, with the verifier's log of every instruction",
    },
    {
      line: 'farcall prog verify testdata/explain/memory.bpf.o --prog index_too_large',
      what: 'why a program is rejected, and what would make it pass',
    },
    { line: 'farcall prog verify --json *.o | jq "select(.verdict != \\"accept\\")"', what: 'what is refused of many' },
    {
      line: 'farcall prog verify --kernels all examples/*.bpf.o',
      what: 'which kernels take which programs, and why not',
    },
    { line: 'farcall prog verify --type xdp hex:b7000000020000009500000000000000', what: 'raw instructions' },
  ],
  run,
};
