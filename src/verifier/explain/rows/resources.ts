import { PTR_TO_STACK } from '../../../helpers/index.ts';
import type { ExplainCase } from '../case.ts';
import { roleOf } from '../operands.ts';
import { calleeOf } from './access.ts';
import { reg, type Subject, type TellRow, type Told } from './row.ts';

/** What gives back what a function hands out. */
const RELEASE: Readonly<Record<string, string>> = {
  bpf_sk_lookup_tcp: 'bpf_sk_release(sk)',
  bpf_sk_lookup_udp: 'bpf_sk_release(sk)',
  bpf_skc_lookup_tcp: 'bpf_sk_release(sk)',
  bpf_sk_fullsock: 'bpf_sk_release(sk)',
  bpf_ringbuf_reserve: 'bpf_ringbuf_submit(record, 0)` or `bpf_ringbuf_discard(record, 0)',
  bpf_ringbuf_reserve_dynptr: 'bpf_ringbuf_submit_dynptr(&ptr, 0)` or `bpf_ringbuf_discard_dynptr(&ptr, 0)',
  bpf_task_from_pid: 'bpf_task_release(task)',
  bpf_task_acquire: 'bpf_task_release(task)',
  bpf_cgroup_from_id: 'bpf_cgroup_release(cgroup)',
  bpf_cgroup_acquire: 'bpf_cgroup_release(cgroup)',
  bpf_cgroup_ancestor: 'bpf_cgroup_release(cgroup)',
  bpf_cpumask_create: 'bpf_cpumask_release(mask)',
  bpf_cpumask_acquire: 'bpf_cpumask_release(mask)',
  bpf_obj_new_impl: 'bpf_obj_drop(object)',
  bpf_kptr_xchg: 'the release function of its type, or `bpf_kptr_xchg()` to put it back',
  bpf_iter_num_new: 'bpf_iter_num_destroy(&it)',
  bpf_iter_task_new: 'bpf_iter_task_destroy(&it)',
  bpf_iter_css_new: 'bpf_iter_css_destroy(&it)',
  bpf_iter_bits_new: 'bpf_iter_bits_destroy(&it)',
};

const releaseOf = (acquirer: string): string => RELEASE[acquirer] ?? 'the function that releases it';

function acquirerAt(c: ExplainCase, insnIdx: number): string {
  const insn = c.input.insns[insnIdx];
  return insn === undefined ? 'a function' : (c.words.calleeName(insn) ?? 'a function');
}

const leak: TellRow = c => {
  const at = c.num(1);
  const acquirer = acquirerAt(c, at);
  const end = c.insn !== undefined && roleOf(c.insn) === 'exit' ? 'The program ends' : 'The path goes on';
  return {
    title: `What ${acquirer}() handed out is not given back on this path`,
    attempted:
      `In ${c.where(at)} ${acquirer}() handed something out that has to be given back exactly once. ` +
      `${end} at ${c.where(c.insnIdx ?? at)} without that.`,
    remedies: [
      `Call \`${releaseOf(acquirer)}\` before every return that comes after ${c.where(at)}; early returns are where it is forgotten.`,
      'On the side where the result is NULL there is nothing to give back.',
    ],
    ...acquired(c, at),
  };
};

/** The acquiring call on the path, and the branches after it. */
function acquired(c: ExplainCase, insnIdx: number): Partial<Told> {
  const step = c.recorder.steps.findLastIndex(row => row.idx === insnIdx);
  if (step < 0) return {};
  return { subjects: [{ place: 0, frame: c.recorder.steps[step].frame, at: step + 1 }], branchesFrom: step };
}

const releaseUnacquired: TellRow = c => {
  // Without a number it is about the first argument.
  const regno = typeof c.args[0] === 'number' ? c.num(0) : 1;
  return {
    title: `${calleeOf(c)}() is given something that was never acquired`,
    attempted:
      `${calleeOf(c)}() gives something back. r${regno} is ${c.regWords(regno)}, which no function handed out to be given back ` +
      '(or it was given back already).',
    remedies: [
      'Release only what a look-up, reserve or acquire function returned, and only once.',
      'A pointer read from the context or a structure belongs to the kernel: do not release it.',
    ],
    subjects: [reg(regno)],
  };
};

const tailCall: TellRow = c => {
  const said = c.argsOf('referenceLeak');
  const at = said === undefined ? undefined : Number(said[1]);
  const what = at === undefined ? 'Something' : `What ${acquirerAt(c, at)}() handed out in ${c.where(at)}`;
  return {
    title: 'A tail call would leave something behind',
    attempted: `${what} has to be given back first: if the tail call succeeds, nothing of this program runs any more.`,
    remedies: [
      at === undefined
        ? 'Release everything before `bpf_tail_call()`.'
        : `Call \`${releaseOf(acquirerAt(c, at))}\` before \`bpf_tail_call()\`.`,
    ],
    ...(at === undefined ? {} : acquired(c, at)),
  };
};

const unlockMissing: TellRow = c => {
  const at = lastCall(c, 'bpf_spin_lock');
  return {
    title: 'A spin lock is still held when the program ends',
    attempted: `The lock was taken${at === undefined ? '' : ` in ${c.where(at)}`}, and on this path the program ends without bpf_spin_unlock().`,
    remedies: ['Unlock on every path, early returns too: `bpf_spin_unlock(&value->lock); return 0;`.'],
    ...(at === undefined ? {} : branchesAfter(c, at)),
  };
};

const rcuMissing: TellRow = c => {
  const at = lastCall(c, 'bpf_rcu_read_lock');
  return {
    title: 'The program ends inside an RCU section',
    attempted: `bpf_rcu_read_lock() was called${at === undefined ? '' : ` in ${c.where(at)}`}, and on this path bpf_rcu_read_unlock() is not.`,
    remedies: ['Call `bpf_rcu_read_unlock()` on every path before the program ends.'],
    ...(at === undefined ? {} : branchesAfter(c, at)),
  };
};

const preemptMissing: TellRow = c => ({
  title: 'The program ends with preemption disabled',
  attempted: `bpf_preempt_disable() was called ${c.num(0)} time(s) more than bpf_preempt_enable() on this path.`,
  remedies: ['Call `bpf_preempt_enable()` once for every `bpf_preempt_disable()`, on every path.'],
});

function branchesAfter(c: ExplainCase, insnIdx: number): Partial<Told> {
  const step = c.recorder.steps.findLastIndex(row => row.idx === insnIdx);
  return step < 0 ? {} : { branchesFrom: step };
}

/** Slot of the last call of a function on the path. */
function lastCall(c: ExplainCase, name: string): number | undefined {
  return c.recorder.steps.findLast(({ idx }) => {
    const insn = c.input.insns[idx];
    return roleOf(insn) === 'call' && c.words.calleeName(insn) === name;
  })?.idx;
}

const lockTracing =
  (what: string): TellRow =>
  () => ({
    title: `Tracing programs cannot use ${what} in a map`,
    attempted: `The program uses a map whose values contain ${what}. Programs that run at arbitrary places of the kernel could deadlock with it, so they may not use such a map at all.`,
    remedies: [
      'Use a map without it for this program: atomic operations (`__sync_fetch_and_add`) or a per-CPU map need no lock.',
      'Or split the value: what tracing programs touch goes into a map of its own.',
    ],
  });

const dynptrNotInit: TellRow = c => ({
  title: `${calleeOf(c)}() is given a dynptr that was never initialised`,
  attempted: `Argument ${c.num(0) + 1} of ${calleeOf(c)}() has to be a dynptr (a checked view of memory) that was set up on every path. It is ${c.regWords(c.num(0) + 1)}.`,
  remedies: [
    'Set it up first: `bpf_dynptr_from_mem()`, `bpf_dynptr_from_skb()`, `bpf_dynptr_from_xdp()` or `bpf_ringbuf_reserve_dynptr()`.',
    'After `bpf_ringbuf_submit_dynptr()` or a write over its bytes on the stack it is gone.',
  ],
  subjects: withSlots(c, c.num(0) + 1),
});

/** A register and what it points to on the stack. */
function withSlots(c: ExplainCase, regno: number): Subject[] {
  const held = c.reg(regno);
  const spi = held === undefined || held.type !== PTR_TO_STACK ? -1 : (-held.off - 1) >> 3;
  return spi >= 0 && spi < 64 ? [reg(regno), { place: 16 + spi, frame: held?.frameno }] : [reg(regno)];
}

const dynptrNotUninit: TellRow = c => ({
  title: `${calleeOf(c)}() would overwrite a dynptr that is in use`,
  attempted: 'The dynptr it is to set up is set up already, or shares its place on the stack with something else.',
  remedies: [
    'Use a variable of its own for every dynptr, and release the old one first (`bpf_ringbuf_discard_dynptr()`).',
  ],
});

const iterNotInit: TellRow = c => ({
  title: `${calleeOf(c)}() is given an iterator that was not started`,
  attempted: `Argument ${c.num(1) + 1} has to be an iterator that bpf_iter_${c.str(0)}_new() has set up on this path. It is ${c.regWords(c.num(1) + 1)}.`,
  remedies: [
    `Start with \`bpf_iter_${c.str(0)}_new(&it, …)\`, and end with \`bpf_iter_${c.str(0)}_destroy(&it)\` — or use \`bpf_for(i, 0, n)\` or \`bpf_for_each()\`, which do both.`,
  ],
  subjects: withSlots(c, c.num(1) + 1),
});

export const RESOURCE_ROWS = {
  referenceLeak: leak,
  releaseUnreferenced: releaseUnacquired,
  releaseUnacquired,
  kfuncReleaseNone: releaseUnacquired,
  tailCallLeak: tailCall,
  spinUnlockMissing: unlockMissing,
  rcuUnlockMissing: rcuMissing,
  preemptEnableMissing: preemptMissing,
  mapLockTracing: lockTracing('a spin lock (bpf_spin_lock)'),
  mapTimerTracing: lockTracing('a timer (bpf_timer)'),
  dynptrNotInit,
  dynptrNotUninit,
  dynptrOverwriteReferenced: dynptrNotUninit,
  iterNotInit,
} satisfies Record<string, TellRow>;
