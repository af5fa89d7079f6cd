import type { Insn } from '../../isa/index.ts';
import { bpf_prog_type as T } from '../../uapi/index.ts';
import type { VerifierEnv } from '../env.ts';
import type { Verdict, VerifyInput, VerifyOptions } from '../input.ts';
import { type Held, isSlot, placeName } from './held.ts';
import { InsnWords } from './insn-words.ts';
import type { PathRecorder } from './recorder.ts';
import { SourcePlaces } from './source-places.ts';
import type { Place, ValueAt, ValueView } from './types.ts';
import { viewOf } from './value-words.ts';

/** What contexts are called, by program type. */
const CTX_NAMES: Readonly<Record<number, string>> = {
  [T.BPF_PROG_TYPE_XDP]: 'struct xdp_md',
  [T.BPF_PROG_TYPE_SOCKET_FILTER]: 'struct __sk_buff',
  [T.BPF_PROG_TYPE_SCHED_CLS]: 'struct __sk_buff',
  [T.BPF_PROG_TYPE_SCHED_ACT]: 'struct __sk_buff',
  [T.BPF_PROG_TYPE_CGROUP_SKB]: 'struct __sk_buff',
  [T.BPF_PROG_TYPE_LWT_IN]: 'struct __sk_buff',
  [T.BPF_PROG_TYPE_LWT_OUT]: 'struct __sk_buff',
  [T.BPF_PROG_TYPE_LWT_XMIT]: 'struct __sk_buff',
  [T.BPF_PROG_TYPE_SK_SKB]: 'struct __sk_buff',
  [T.BPF_PROG_TYPE_FLOW_DISSECTOR]: 'struct __sk_buff',
  [T.BPF_PROG_TYPE_KPROBE]: 'struct pt_regs',
  [T.BPF_PROG_TYPE_PERF_EVENT]: 'struct bpf_perf_event_data',
  [T.BPF_PROG_TYPE_CGROUP_SOCK]: 'struct bpf_sock',
  [T.BPF_PROG_TYPE_CGROUP_SOCK_ADDR]: 'struct bpf_sock_addr',
  [T.BPF_PROG_TYPE_CGROUP_SYSCTL]: 'struct bpf_sysctl',
  [T.BPF_PROG_TYPE_CGROUP_SOCKOPT]: 'struct bpf_sockopt',
  [T.BPF_PROG_TYPE_CGROUP_DEVICE]: 'struct bpf_cgroup_dev_ctx',
  [T.BPF_PROG_TYPE_SOCK_OPS]: 'struct bpf_sock_ops',
  [T.BPF_PROG_TYPE_SK_MSG]: 'struct sk_msg_md',
  [T.BPF_PROG_TYPE_SK_REUSEPORT]: 'struct sk_reuseport_md',
  [T.BPF_PROG_TYPE_SK_LOOKUP]: 'struct bpf_sk_lookup',
};

/** A refused program and everything its explanation may ask. */
export class ExplainCase {
  readonly input: VerifyInput;
  readonly options: VerifyOptions;
  readonly verdict: Verdict;
  readonly recorder: PathRecorder;
  readonly words: InsnWords;
  readonly sources: SourcePlaces;
  /** Slot of the refused instruction; undefined where a whole stage refused. */
  readonly insnIdx: number | undefined;
  /** Index in the recorder's steps of the refused instruction; their number where it was not begun. */
  readonly at: number;
  /** Depth of its call. */
  readonly frame: number;
  readonly ctxName: string;

  constructor(input: VerifyInput, options: VerifyOptions, verdict: Verdict, recorder: PathRecorder) {
    this.input = input;
    this.options = options;
    this.verdict = verdict;
    this.recorder = recorder;
    this.words = new InsnWords(input, options);
    this.sources = new SourcePlaces(input.btf, input.lineInfo, input.funcInfo);
    const { steps, env } = recorder;
    const inWalk = verdict.stage === 'do_check' && env !== undefined;
    this.insnIdx = verdict.insnIdx;
    const last = steps.at(-1);
    this.at = inWalk && last?.idx === this.insnIdx ? steps.length - 1 : steps.length;
    this.frame = inWalk ? env.curState.curframe : 0;
    this.ctxName = CTX_NAMES[input.type] ?? 'what the kernel passes in';
  }

  get env(): VerifierEnv | undefined {
    return this.recorder.env;
  }
  get insn(): Insn | undefined {
    return this.insnIdx === undefined ? undefined : this.input.insns[this.insnIdx];
  }
  /** The walk over paths refused, so there are registers to speak of. */
  get inWalk(): boolean {
    return this.verdict.stage === 'do_check' && this.env !== undefined;
  }

  /** Parameters of the message that decided. */
  get args(): readonly (string | number)[] {
    return this.verdict.said.at(-1)?.args ?? [];
  }
  num(i: number): number {
    return Number(this.args[i] ?? 0);
  }
  str(i: number): string {
    return String(this.args[i] ?? '');
  }
  /** Parameters of a message said before it, if it was. */
  argsOf(id: string): readonly (string | number)[] | undefined {
    return this.verdict.said.findLast(message => message.id === id)?.args;
  }

  /** What a register of the refused instruction's frame held before it. */
  reg(regno: number): Held | undefined {
    return this.heldBefore(this.at, this.frame, regno);
  }
  heldBefore(at: number, frame: number, place: number): Held | undefined {
    return this.recorder.heldBefore(at, frame, place);
  }
  view(held: Held | undefined, place: number): ValueView | undefined {
    return held === undefined ? undefined : viewOf(held, isSlot(place), this.ctxName);
  }
  /** What a register held, in words. */
  regWords(regno: number): string {
    return this.view(this.reg(regno), regno)?.text ?? 'unknown';
  }
  valueAt(frame: number, place: number): ValueAt | undefined {
    const view = this.view(this.heldBefore(this.at, frame, place), place);
    return view === undefined ? undefined : { name: placeName(place), frame, ...view };
  }

  place(insnIdx: number): Place {
    return {
      insnIdx,
      insn: this.words.text(insnIdx),
      source: this.sources.lineOf(insnIdx),
      func: this.sources.functionOf(insnIdx),
    };
  }
  /** `line 12`, or `instruction 4` without source. */
  where(insnIdx: number): string {
    const line = this.sources.lineOf(insnIdx)?.line;
    return line === undefined ? `instruction ${insnIdx}` : `line ${line}`;
  }
}
