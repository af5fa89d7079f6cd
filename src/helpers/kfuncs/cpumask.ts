import { readU64, writeU64 } from '../memory.ts';
import { ANY, fixed } from '../proto.ts';
import type { HelperDef, HelperEnv } from '../types.ts';
import { returning, silent } from './define.ts';

/** 64-bit words of a mask: room for 1,024 CPUs. */
const WORDS = 16;
const MASK_BYTES = 8 * WORDS;
const IN = fixed(MASK_BYTES);
const OUT = fixed(MASK_BYTES, 'MEM_WRITE');
const REFS = Symbol('cpumask references');

/** References to each mask a program created. */
const refsOf = (env: Pick<HelperEnv, 'state'>): Map<number, number> =>
  env.state<Map<number, number>>(REFS, () => new Map());

function create(env: HelperEnv): number {
  const start = env.mem.alloc(MASK_BYTES);
  env.mem.addRegion({ kind: 'mem', name: 'bpf_cpumask', start, sizeBytes: MASK_BYTES });
  refsOf(env).set(start, 1);
  return start;
}

function release(env: Pick<HelperEnv, 'state' | 'mem'>, mask: number): number {
  const refs = refsOf(env);
  const left = (refs.get(mask) ?? 0) - 1;
  if (left > 0) refs.set(mask, left);
  else if (left === 0) {
    refs.delete(mask);
    const region = env.mem.regionAt(mask);
    if (region !== undefined) env.mem.removeRegion(region);
    env.mem.free(mask);
  }
  return 0;
}

/** Gives up a reference to the mask at `addr`; nothing for what is no mask a program made. */
export function releaseCpumask(env: Pick<HelperEnv, 'state' | 'mem'>, addr: number): void {
  release(env, addr);
}

/** The mask as one number; bits of CPUs that do not exist are never looked at. */
function bits(env: HelperEnv, mask: number): bigint {
  let value = 0n;
  for (let i = WORDS - 1; i >= 0; i--) value = (value << 64n) | readU64(env, mask + 8 * i);
  return value & all(env);
}
const all = (env: HelperEnv): bigint => (1n << BigInt(env.cpuCount)) - 1n;

function put(env: HelperEnv, mask: number, value: bigint): number {
  for (let i = 0; i < WORDS; i++) writeU64(env, mask + 8 * i, value >> BigInt(64 * i));
  return 0;
}

/** Lowest set bit, or the number of CPUs. */
function first(env: HelperEnv, value: bigint): number {
  for (let cpu = 0; cpu < env.cpuCount; cpu++) if (((value >> BigInt(cpu)) & 1n) === 1n) return cpu;
  return env.cpuCount;
}

function weight(value: bigint): number {
  let count = 0;
  for (let rest = value; rest !== 0n; rest &= rest - 1n) count++;
  return count;
}

const bit = (env: HelperEnv, cpu: number): bigint => (cpu < env.cpuCount ? 1n << BigInt(cpu) : 0n);
const has = (env: HelperEnv, cpu: number, mask: number): number => ((bits(env, mask) & bit(env, cpu)) === 0n ? 0 : 1);

function testAnd(change: (value: bigint, one: bigint) => bigint): HelperDef['run'] {
  return (env, cpu, mask) => {
    const before = has(env, cpu, mask);
    put(env, mask, change(bits(env, mask), bit(env, cpu)));
    return before;
  };
}
const set = (value: bigint, one: bigint): bigint => value | one;
const clear = (value: bigint, one: bigint): bigint => value & ~one;

/** dst = a op b; true when CPUs are left. */
function combine(op: (a: bigint, b: bigint) => bigint): HelperDef['run'] {
  return (env, dst, a, b) => {
    const value = op(bits(env, a), bits(env, b));
    put(env, dst, value);
    return value === 0n ? 0 : 1;
  };
}
const name = (suffix: string): string => `bpf_cpumask_${suffix}`;
const SINCE = '6.3';

/** Sets of CPUs (`kernel/bpf/cpumask.c`). */
export const CPUMASK_KFUNCS: readonly HelperDef[] = [
  returning(name('create'), SINCE, [], create),
  returning(name('acquire'), SINCE, [IN], (env, mask) => {
    const held = refsOf(env).get(mask);
    if (held !== undefined) refsOf(env).set(mask, held + 1);
    return mask;
  }),
  silent(name('release'), SINCE, [IN], release),
  returning(name('first'), SINCE, [IN], (env, mask) => first(env, bits(env, mask))),
  returning(name('first_zero'), SINCE, [IN], (env, mask) => first(env, ~bits(env, mask))),
  returning(name('first_and'), '6.5', [IN, IN], (env, a, b) => first(env, bits(env, a) & bits(env, b))),
  silent(name('set_cpu'), SINCE, [ANY, OUT], testAnd(set)),
  silent(name('clear_cpu'), SINCE, [ANY, OUT], testAnd(clear)),
  returning(name('test_cpu'), SINCE, [ANY, IN], has),
  returning(name('test_and_set_cpu'), SINCE, [ANY, OUT], testAnd(set)),
  returning(name('test_and_clear_cpu'), SINCE, [ANY, OUT], testAnd(clear)),
  silent(name('setall'), SINCE, [OUT], (env, mask) => put(env, mask, all(env))),
  silent(name('clear'), SINCE, [OUT], (env, mask) => put(env, mask, 0n)),
  returning(
    name('and'),
    SINCE,
    [OUT, IN, IN],
    combine((a, b) => a & b),
  ),
  silent(
    name('or'),
    SINCE,
    [OUT, IN, IN],
    combine((a, b) => a | b),
  ),
  silent(
    name('xor'),
    SINCE,
    [OUT, IN, IN],
    combine((a, b) => a ^ b),
  ),
  returning(name('equal'), SINCE, [IN, IN], (env, a, b) => (bits(env, a) === bits(env, b) ? 1 : 0)),
  returning(name('intersects'), SINCE, [IN, IN], (env, a, b) => ((bits(env, a) & bits(env, b)) === 0n ? 0 : 1)),
  returning(name('subset'), SINCE, [IN, IN], (env, a, b) => ((bits(env, a) & ~bits(env, b)) === 0n ? 1 : 0)),
  returning(name('empty'), SINCE, [IN], (env, mask) => (bits(env, mask) === 0n ? 1 : 0)),
  returning(name('full'), SINCE, [IN], (env, mask) => (bits(env, mask) === all(env) ? 1 : 0)),
  silent(name('copy'), SINCE, [OUT, IN], (env, dst, src) => put(env, dst, bits(env, src))),
  returning(name('any_distribute'), '6.5', [IN], (env, mask) => first(env, bits(env, mask))),
  returning(name('any_and_distribute'), '6.5', [IN, IN], (env, a, b) => first(env, bits(env, a) & bits(env, b))),
  returning(name('weight'), '6.8', [IN], (env, mask) => weight(bits(env, mask))),
];
