import type { BpfMap } from '../maps/index.ts';
import { ERRNO } from '../uapi/index.ts';
import { defineHelper } from './check.ts';
import { readU32, writeU32 } from './memory.ts';
import { ANY, FUNC, int, MAP, TIMER } from './proto.ts';
import type { HelperDef, HelperEnv } from './types.ts';

const { EINVAL, EBUSY } = ERRNO;

/** A timer that `bpf_timer_init` has set up. */
interface Timer {
  readonly map: BpfMap;
  readonly clock: 'monotonic' | 'boottime' | 'realtime';
  funcAddr: number;
  /** Whether it is armed: what `bpf_timer_cancel` returns. */
  armed: boolean;
}

const TIMERS = Symbol('timers');
/** The first word of an initialised `struct bpf_timer`. */
const INITIALISED = 1;

const timersOf = (env: Pick<HelperEnv, 'state'>): Map<number, Timer> =>
  env.state<Map<number, Timer>>(TIMERS, () => new Map());

/** The timer at `addr`: a value that died and was made anew begins without one. */
function timerAt(env: HelperEnv, addr: number): Timer | undefined {
  return readU32(env, addr) === INITIALISED ? timersOf(env).get(addr) : undefined;
}

/** Forgets the timer at `addr`, as when its map value dies. */
export function forgetTimer(env: Pick<HelperEnv, 'state' | 'setTimer'>, addr: number): void {
  const timer = timersOf(env).get(addr);
  if (timer === undefined) return;
  timersOf(env).delete(addr);
  env.setTimer(addr, 0, timer.map, undefined);
}

/** Marks the timer at `addr` as no longer armed: it is about to run. */
export function timerExpired(env: Pick<HelperEnv, 'state'>, addr: number): void {
  const timer = timersOf(env).get(addr);
  if (timer !== undefined) timer.armed = false;
}

/** CLOCK_REALTIME, CLOCK_MONOTONIC and CLOCK_BOOTTIME. */
const CLOCKS: Readonly<Record<string, Timer['clock']>> = { 0: 'realtime', 1: 'monotonic', 7: 'boottime' };

function init(env: HelperEnv, addr: number, mapAddr: number): number {
  const clock = CLOCKS[String(env.arg64(3))];
  if (clock === undefined) return -EINVAL;
  if (timerAt(env, addr) !== undefined) return -EBUSY;
  timersOf(env).set(addr, { map: env.mapAt(mapAddr)!, clock, funcAddr: 0, armed: false });
  writeU32(env, addr, INITIALISED);
  return 0;
}

const BPF_F_TIMER_ABS = 1n;
const START_FLAGS = 3n;

function start(env: HelperEnv, addr: number): number {
  const flags = env.arg64(3);
  const timer = timerAt(env, addr);
  if (flags > START_FLAGS || timer === undefined || timer.funcAddr === 0) return -EINVAL;
  const delay = env.arg64(2);
  const now = env.now('monotonic');
  const due = (flags & BPF_F_TIMER_ABS) === 0n ? now + delay : now + delay - env.now(timer.clock);
  timer.armed = true;
  env.setTimer(addr, timer.funcAddr, timer.map, due);
  return 0;
}

function cancel(env: HelperEnv, addr: number): number {
  const timer = timerAt(env, addr);
  if (timer === undefined) return -EINVAL;
  const wasArmed = timer.armed;
  timer.armed = false;
  timer.funcAddr = 0;
  env.setTimer(addr, 0, timer.map, undefined);
  return wasArmed ? 1 : 0;
}

/** Timers in map values (`kernel/bpf/helpers.c`). They run when the machine's clock is advanced past their time. */
export const TIMER_HELPERS: readonly HelperDef[] = [
  defineHelper({ id: 169, name: 'bpf_timer_init', since: '5.15', proto: int([TIMER, MAP, ANY], 'gplOnly'), run: init }),
  defineHelper({
    id: 170,
    name: 'bpf_timer_set_callback',
    since: '5.15',
    proto: int([TIMER, FUNC], 'gplOnly'),
    run: (env, addr, func) => {
      const timer = timerAt(env, addr);
      if (timer === undefined) return -EINVAL;
      timer.funcAddr = func;
      return 0;
    },
  }),
  defineHelper({
    id: 171,
    name: 'bpf_timer_start',
    since: '5.15',
    proto: int([TIMER, ANY, ANY], 'gplOnly'),
    run: start,
  }),
  defineHelper({ id: 172, name: 'bpf_timer_cancel', since: '5.15', proto: int([TIMER], 'gplOnly'), run: cancel }),
];
