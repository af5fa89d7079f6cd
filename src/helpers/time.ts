import { defineHelper } from './check.ts';
import { int } from './proto.ts';
import type { HelperDef } from './types.ts';

/** Nanoseconds of a tick at Debian's HZ=250, the step of coarse clocks and jiffies. */
const TICK_NS = 4_000_000n;
/** `include/linux/jiffies.h: INITIAL_JIFFIES`: five minutes before the low 32 bits wrap. */
const INITIAL_JIFFIES = BigInt((-300 * 250) >>> 0);

/** `kernel/bpf/helpers.c`: clocks. All read the machine's clock, which the caller of the machine sets. */
export const TIME_HELPERS: readonly HelperDef[] = [
  defineHelper({ id: 5, name: 'bpf_ktime_get_ns', since: '4.1', proto: int(), run: env => env.now('monotonic') }),
  defineHelper({ id: 125, name: 'bpf_ktime_get_boot_ns', since: '5.8', proto: int(), run: env => env.now('boottime') }),
  defineHelper({
    id: 160,
    name: 'bpf_ktime_get_coarse_ns',
    since: '5.11',
    proto: int(),
    run: env => {
      const now = env.now('monotonic');
      return now - (now % TICK_NS);
    },
  }),
  defineHelper({ id: 208, name: 'bpf_ktime_get_tai_ns', since: '6.1', proto: int(), run: env => env.now('tai') }),
  defineHelper({
    id: 118,
    name: 'bpf_jiffies64',
    since: '5.6',
    proto: int(),
    run: env => INITIAL_JIFFIES + env.now('monotonic') / TICK_NS,
  }),
];
