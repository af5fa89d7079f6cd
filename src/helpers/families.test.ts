import { describe, expect, it } from 'vitest';
import { TestHelperEnv } from '../../test/support/helper-env.ts';
import type { RingbufMap, UserRingbufMap } from '../maps/index.ts';
import { bpf_map_type, bpf_prog_type, ERRNO } from '../uapi/index.ts';
import { decodeText, encodeText, toHex } from '../util/index.ts';
import { type Redirect, redirectsOf, runAttributes } from './index.ts';

const M = bpf_map_type;
const T = bpf_prog_type;
const text = (value: string): Uint8Array => encodeText(`${value}\0`);
const frame = (): Uint8Array => {
  const bytes = Uint8Array.from({ length: 100 }, (_, i) => i);
  bytes.set([8, 0, 0x45], 12);
  return bytes;
};
const u64s = (...values: bigint[]): Uint8Array => new Uint8Array(new BigUint64Array(values).buffer);

function snprintf(format: string, args: readonly bigint[], size = 200, env = new TestHelperEnv()): [bigint, string] {
  const out = env.memory(new Uint8Array(256).fill(0x23)).start;
  const fmt = env.memory(text(format)).start;
  const values = env.memory(u64s(...args)).start;
  const result = env.call(
    'bpf_snprintf',
    size === 0 ? 0 : out,
    size,
    fmt,
    args.length === 0 ? 0 : values,
    8 * args.length,
  );
  const bytes = env.mem.read(out, 256);
  return [result, decodeText(bytes.subarray(0, Math.max(0, bytes.indexOf(0))))];
}

describe('bpf_snprintf', () => {
  it.each<[string, bigint[], string]>([
    ['plain', [], 'plain'],
    ['%d %i %u', [-1n, 5n, -1n], '-1 5 4294967295'],
    ['%ld %lld %lu', [-1n, -2n, -1n], '-1 -2 18446744073709551615'],
    ['%x %X %llx', [0xabcn, 0xabcn, 0xdeadbeefcafen], 'abc ABC deadbeefcafe'],
    ['%5d|%-5d|%05d|%+d|% d', [42n, 42n, -42n, 7n, 7n], '   42|42   |-0042|+7| 7'],
    ['%3c|%-3c|%c', [65n, 66n, 67n], '  A|B  |C'],
    ['%px', [0xffff888000000000n], 'ffff888000000000'],
    ['%p %p', [0n, 0n], '0000000000000000 0000000000000000'],
    ['100%%', [], '100%'],
    ['%pS', [0xffffffff81000000n], '0xffffffff81000000'],
    ['é%d', [1n], 'é1'],
  ])('%j', (format, args, expected) => {
    expect(snprintf(format, args)).toEqual([BigInt(encodeText(expected).length) + 1n, expected]);
  });

  it('prints strings and addresses that pointers lead to', () => {
    const env = new TestHelperEnv();
    const name = BigInt(env.memory(text('abc')).start);
    const ip = BigInt(env.memory(Uint8Array.of(192, 168, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1)).start);
    expect(snprintf('[%s|%5s|%-5s]', [name, name, name], 200, env)[1]).toBe('[abc|  abc|abc  ]');
    expect(snprintf('%pI4 %pi4', [ip, ip], 200, env)[1]).toBe('192.168.0.1 192.168.000.001');
    expect(snprintf('%pI6', [ip], 200, env)[1]).toBe('c0a8:0001:0000:0000:0000:0000:0000:0001');
    expect(snprintf('%pi6', [ip], 200, env)[1]).toBe('c0a80001000000000000000000000001');
    expect(snprintf('%s|%pks', [0n, 0x12n], 200, env)[1]).toBe('|');
  });

  it.each<[string, bigint[], number]>([
    ['%', [1n], ERRNO.EINVAL],
    ['%d', [], ERRNO.EINVAL],
    ['%f', [1n], ERRNO.EINVAL],
    ['%sx', [1n], ERRNO.EINVAL],
    ['%pI5', [1n], ERRNO.EINVAL],
    ['\u0001', [], ERRNO.EINVAL],
    [Array(13).fill('%d').join(''), Array<bigint>(13).fill(1n), ERRNO.EINVAL],
  ])('refuses %j', (format, args, errno) => {
    expect(snprintf(format, args)[0]).toBe(BigInt(-errno));
  });

  it('cuts what does not fit and says how long it would be', () => {
    expect(snprintf('0123456789', [], 5)).toEqual([11n, '0123']);
    expect(snprintf('0123456789', [], 0)[0]).toBe(11n);
    const env = new TestHelperEnv();
    const long = BigInt(env.memory(text('x'.repeat(600))).start);
    expect(snprintf('%s', [long], 200, env)[0]).toBe(512n);
    expect(snprintf('%s%d', [long, 1n], 200, env)[0]).toBe(BigInt(-ERRNO.ENOSPC));
  });
});

describe('reading memory', () => {
  it('zeroes what cannot be read', () => {
    const env = new TestHelperEnv();
    const dst = env.memory(new Uint8Array(16).fill(0xff)).start;
    const src = env.memory(Uint8Array.of(1, 2, 3, 4)).start;
    for (const helper of ['bpf_probe_read', 'bpf_probe_read_kernel', 'bpf_probe_read_user', 'bpf_copy_from_user']) {
      expect(env.call(helper, dst, 4, src)).toBe(0n);
      expect(toHex(env.mem.read(dst, 5))).toBe('01020304ff');
      expect(env.call(helper, dst, 4, src + 1)).toBe(BigInt(-ERRNO.EFAULT));
      expect(env.call(helper, dst, 4, 0xffff_8880_0000_0000n)).toBe(BigInt(-ERRNO.EFAULT));
      expect(toHex(env.mem.read(dst, 5))).toBe('00000000ff');
    }
  });

  it('reads strings with their NUL', () => {
    const env = new TestHelperEnv();
    const dst = env.memory(new Uint8Array(16).fill(0xff)).start;
    const src = env.memory(text('hello')).start;
    expect(env.call('bpf_probe_read_kernel_str', dst, 16, src)).toBe(6n);
    expect(toHex(env.mem.read(dst, 7))).toBe('68656c6c6f00ff');
    expect(env.call('bpf_probe_read_user_str', dst, 3, src)).toBe(3n);
    expect(toHex(env.mem.read(dst, 4))).toBe('6865006c');
    expect(env.call('bpf_probe_read_str', dst, 3, 8n)).toBe(BigInt(-ERRNO.EFAULT));
    expect(toHex(env.mem.read(dst, 4))).toBe('0000006c');
    expect(env.call('bpf_copy_from_user_str', dst, 8, src, 1)).toBe(6n);
    expect(toHex(env.mem.read(dst, 9))).toBe('68656c6c6f000000ff');
  });

  it('compares strings', () => {
    const env = new TestHelperEnv();
    const at = (value: string): number => env.memory(text(value)).start;
    const compare = (a: string, size: number, b: string): bigint => env.call('bpf_strncmp', at(a), size, at(b));
    expect([
      compare('abc', 4, 'abc'),
      compare('abc', 4, 'abd'),
      compare('b', 2, 'abc'),
      compare('abc', 2, 'abd'),
    ]).toEqual([0n, -1n, 1n, 0n]);
  });
});

describe('who, where and when', () => {
  it('tells the task', () => {
    const env = new TestHelperEnv();
    expect(env.call('bpf_get_current_pid_tgid')).toBe((22n << 32n) | 11n);
    expect(env.call('bpf_get_current_uid_gid')).toBe((44n << 32n) | 33n);
    expect(env.call('bpf_get_current_cgroup_id')).toBe(77n);
    expect([0, 1, 2].map(level => env.call('bpf_get_current_ancestor_cgroup_id', level))).toEqual([1n, 77n, 0n]);
    const comm = env.memory(new Uint8Array(16).fill(1)).start;
    env.call('bpf_get_current_comm', comm, 4);
    expect(toHex(env.mem.read(comm, 5))).toBe('612d740001');
    expect(env.call('bpf_get_current_task')).toBe(env.call('bpf_get_current_task_btf'));
    const task = Number(env.call('bpf_get_current_task'));
    expect(env.mem.regionAt(task)).toMatchObject({ name: 'task_struct', readable: true, writable: false });
    expect([2432, 2436].map(off => env.mem.view.getUint32(task + off, true))).toEqual([11, 22]);
  });

  it('tells the time', () => {
    const env = new TestHelperEnv();
    env.time = 10_000_000_123n;
    expect(env.call('bpf_ktime_get_ns')).toBe(10_000_000_123n);
    expect(env.call('bpf_ktime_get_boot_ns')).toBe(10_000_000_123n);
    expect(env.call('bpf_ktime_get_tai_ns')).toBe(10_000_000_160n);
    expect(env.call('bpf_ktime_get_coarse_ns')).toBe(10_000_000_000n);
    expect(env.call('bpf_jiffies64')).toBe(BigInt((-300 * 250) >>> 0) + 2500n);
  });
});

describe('callbacks', () => {
  it('bpf_loop counts calls and stops', () => {
    const env = new TestHelperEnv();
    const func = env.memory(8, { kind: 'func' }).start;
    const ctx = env.memory(8).start;
    expect(env.call('bpf_loop', 3, func, ctx, 0)).toBe(3n);
    expect(env.calls.map(args => args[0])).toEqual([0, 1, 2]);
    env.returns.push(0, 1);
    expect(env.call('bpf_loop', 9, func, ctx, 0)).toBe(2n);
    expect(env.call('bpf_loop', 9, func, ctx, 1)).toBe(BigInt(-ERRNO.EINVAL));
    expect(env.call('bpf_loop', (1 << 23) + 1, func, ctx, 0)).toBe(BigInt(-ERRNO.E2BIG));
  });

  it('bpf_for_each_map_elem visits every element', () => {
    const env = new TestHelperEnv();
    const func = env.memory(8, { kind: 'func' }).start;
    const map = env.create({ type: M.BPF_MAP_TYPE_ARRAY });
    expect(env.call('bpf_for_each_map_elem', map.addr, func, 0, 0)).toBe(4n);
    expect(env.calls.length).toBe(4);
    expect(env.calls[0][0]).toBe(map.addr);
    expect(env.call('bpf_for_each_map_elem', map.addr, func, 0, 5)).toBe(BigInt(-ERRNO.EINVAL));
  });
});

describe('timers', () => {
  it('go through init, callback, start, cancel', () => {
    const env = new TestHelperEnv();
    const map = env.create({ type: M.BPF_MAP_TYPE_ARRAY, valueSizeBytes: 16 });
    const timer = map.lookup(env.place(new Uint8Array(4)));
    const func = env.memory(8, { kind: 'func' }).start;
    expect(env.call('bpf_timer_start', timer, 5, 0)).toBe(BigInt(-ERRNO.EINVAL));
    expect(env.call('bpf_timer_cancel', timer)).toBe(BigInt(-ERRNO.EINVAL));
    expect(env.call('bpf_timer_init', timer, map.addr, 2)).toBe(BigInt(-ERRNO.EINVAL));
    expect(env.call('bpf_timer_init', timer, map.addr, 1)).toBe(0n);
    expect(env.call('bpf_timer_init', timer, map.addr, 1)).toBe(BigInt(-ERRNO.EBUSY));
    expect(env.call('bpf_timer_start', timer, 5, 0)).toBe(BigInt(-ERRNO.EINVAL));
    expect(env.call('bpf_timer_set_callback', timer, func)).toBe(0n);
    expect(env.call('bpf_timer_start', timer, 5, 4)).toBe(BigInt(-ERRNO.EINVAL));
    expect(env.call('bpf_timer_start', timer, 5, 0)).toBe(0n);
    expect(env.timers.get(timer)).toBe(env.time + 5n);
    expect(env.call('bpf_timer_start', timer, env.time + 9n, 1)).toBe(0n);
    expect(env.timers.get(timer)).toBe(env.time + 9n);
    expect(env.call('bpf_timer_cancel', timer)).toBe(1n);
    expect(env.timers.get(timer)).toBeUndefined();
    expect(env.call('bpf_timer_cancel', timer)).toBe(0n);
  });
});

describe('locks and kept pointers', () => {
  it('fault on a lock held twice or not at all', () => {
    const env = new TestHelperEnv();
    const lock = env.memory(4).start;
    env.call('bpf_spin_lock', lock);
    expect(() => env.call('bpf_spin_lock', lock)).toThrow('held');
    env.call('bpf_spin_unlock', lock);
    expect(() => env.call('bpf_spin_unlock', lock)).toThrow('not held');
  });

  it('bpf_kptr_xchg swaps', () => {
    const env = new TestHelperEnv();
    const slot = env.memory(8).start;
    expect(env.call('bpf_kptr_xchg', slot, 0x1_0000_0005n)).toBe(0n);
    expect(env.call('bpf_kptr_xchg', slot, 0)).toBe(0x1_0000_0005n);
  });
});

describe('dynptrs', () => {
  it('read, write and stay inside', () => {
    const env = new TestHelperEnv();
    const data = env.memory(Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8)).start;
    const ptr = env.memory(16).start;
    const buf = env.memory(8).start;
    expect(env.call('bpf_dynptr_from_mem', data, 8, 1, ptr)).toBe(BigInt(-ERRNO.EINVAL));
    expect(env.call('bpf_dynptr_is_null', ptr)).toBe(1n);
    expect(env.call('bpf_dynptr_size', ptr)).toBe(BigInt(-ERRNO.EINVAL));
    expect(env.call('bpf_dynptr_from_mem', data, 8, 0, ptr)).toBe(0n);
    expect(env.call('bpf_dynptr_read', buf, 4, ptr, 4, 0)).toBe(0n);
    expect(toHex(env.mem.read(buf, 4))).toBe('05060708');
    expect(env.call('bpf_dynptr_read', buf, 4, ptr, 5, 0)).toBe(BigInt(-ERRNO.E2BIG));
    expect(env.call('bpf_dynptr_write', ptr, 0, buf, 4, 0)).toBe(0n);
    expect(toHex(env.mem.read(data, 5))).toBe('0506070805');
    expect(env.call('bpf_dynptr_data', ptr, 2, 6)).toBe(BigInt(data + 2));
    expect(env.call('bpf_dynptr_data', ptr, 3, 6)).toBe(0n);
    expect(env.call('bpf_dynptr_adjust', ptr, 2, 6)).toBe(0n);
    expect(env.call('bpf_dynptr_size', ptr)).toBe(4n);
    expect(env.call('bpf_dynptr_data', ptr, 0, 4)).toBe(BigInt(data + 2));
    expect(env.call('bpf_dynptr_adjust', ptr, 3, 2)).toBe(BigInt(-ERRNO.EINVAL));
    expect(env.call('bpf_dynptr_adjust', ptr, 3, 9)).toBe(BigInt(-ERRNO.ERANGE));
    const copy = env.memory(16).start;
    expect(env.call('bpf_dynptr_clone', ptr, copy)).toBe(0n);
    expect(env.call('bpf_dynptr_size', copy)).toBe(4n);
  });

  it('a forged one faults', () => {
    const env = new TestHelperEnv();
    const ptr = env.memory(u64s(0x100n, (1n << 28n) | 8n)).start;
    expect(() => env.call('bpf_dynptr_read', env.memory(8).start, 8, ptr, 0, 0)).toThrow('outside memory');
  });

  it.each([
    [T.BPF_PROG_TYPE_SCHED_CLS, 'bpf_dynptr_from_skb', 0n],
    [T.BPF_PROG_TYPE_SOCKET_FILTER, 'bpf_dynptr_from_skb', 1n],
    [T.BPF_PROG_TYPE_XDP, 'bpf_dynptr_from_xdp', 0n],
  ])('over the packet of program type %i', (type, from, readOnly) => {
    const env = new TestHelperEnv().begin(type, frame());
    const ptr = env.memory(16).start;
    const buf = env.memory(8).start;
    expect(env.call(from, env.ctxAddr, 0, ptr)).toBe(0n);
    expect(env.call('bpf_dynptr_is_rdonly', ptr)).toBe(readOnly);
    expect(env.call('bpf_dynptr_slice', ptr, 4, 0, 8)).toBe(BigInt(env.packet!.data + 4));
    expect(env.call('bpf_dynptr_slice', ptr, 99, 0, 8)).toBe(0n);
    expect(env.call('bpf_dynptr_data', ptr, 0, 4)).toBe(0n);
    expect(env.call('bpf_dynptr_write', ptr, 0, buf, 8, 0)).toBe(readOnly === 1n ? BigInt(-ERRNO.EINVAL) : 0n);
  });
});

describe('iterators', () => {
  it.each([
    [0, 3, [0, 1, 2]],
    [-2, 1, [-2, -1, 0]],
    [5, 5, []],
    [-2147483648, -2147483646, [-2147483648, -2147483647]],
  ])('bpf_iter_num %i..%i', (start, end, expected) => {
    const env = new TestHelperEnv();
    const iter = env.memory(8).start;
    expect(env.call('bpf_iter_num_new', iter, start, end)).toBe(0n);
    const seen: number[] = [];
    for (let at = env.call('bpf_iter_num_next', iter); at !== 0n; at = env.call('bpf_iter_num_next', iter)) {
      seen.push(env.mem.view.getInt32(Number(at), true));
    }
    expect(seen).toEqual(expected);
  });

  it('bpf_iter_num refuses what is backwards or too long', () => {
    const env = new TestHelperEnv();
    const iter = env.memory(8).start;
    expect(env.call('bpf_iter_num_new', iter, 1, 0)).toBe(BigInt(-ERRNO.EINVAL));
    expect(env.call('bpf_iter_num_new', iter, 0, (1 << 23) + 1)).toBe(BigInt(-ERRNO.E2BIG));
    expect(env.call('bpf_iter_num_next', iter)).toBe(0n);
  });

  it.each([
    [[0b1011n], [0, 1, 3]],
    [
      [1n << 63n, 0n, 0b101n],
      [63, 128, 130],
    ],
  ])('bpf_iter_bits of %s', (words, expected) => {
    const env = new TestHelperEnv();
    const iter = env.memory(16).start;
    const bits = env.memory(u64s(...words)).start;
    expect(env.call('bpf_iter_bits_new', iter, bits, words.length)).toBe(0n);
    const seen: number[] = [];
    for (let at = env.call('bpf_iter_bits_next', iter); at !== 0n; at = env.call('bpf_iter_bits_next', iter)) {
      seen.push(env.mem.view.getInt32(Number(at), true));
    }
    expect(seen).toEqual(expected);
    env.call('bpf_iter_bits_destroy', iter);
    expect(env.call('bpf_iter_bits_next', iter)).toBe(0n);
  });
});

describe('sending elsewhere', () => {
  it('records redirects', () => {
    const env = new TestHelperEnv().begin(T.BPF_PROG_TYPE_SCHED_CLS, frame());
    expect(env.call('bpf_redirect', 7, 1)).toBe(7n);
    expect(env.call('bpf_clone_redirect', env.ctxAddr, 1, 0)).toBe(0n);
    const [first, second]: Redirect[] = redirectsOf(env);
    expect(first).toEqual({ helper: 'bpf_redirect', target: 7, mapId: 0, flags: 1n });
    expect(second.data).toEqual(frame());
  });
});

describe('tracing', () => {
  it('gives arguments, return value and cookie of the traced function', () => {
    const env = new TestHelperEnv();
    const ctx = env.memory(u64s(10n, 20n, 30n)).start;
    env.ctxAddr = ctx;
    Object.assign(runAttributes(env), { cookie: 99n, argCount: 2, hasRet: true, funcIp: 0xffffffff81000000n });
    const value = env.memory(8).start;
    expect(env.call('bpf_get_func_arg', ctx, 1, value)).toBe(0n);
    expect(env.mem.view.getBigUint64(value, true)).toBe(20n);
    expect(env.call('bpf_get_func_arg', ctx, 2, value)).toBe(BigInt(-ERRNO.EINVAL));
    expect(env.call('bpf_get_func_ret', ctx, value)).toBe(0n);
    expect(env.mem.view.getBigUint64(value, true)).toBe(30n);
    expect(env.call('bpf_get_func_arg_cnt', ctx)).toBe(2n);
    expect(env.call('bpf_get_attach_cookie', ctx)).toBe(99n);
    expect(env.call('bpf_get_func_ip', ctx)).toBe(0xffffffff81000000n);
  });
});

describe('cpumasks', () => {
  it('are sets of the CPUs there are', () => {
    const env = new TestHelperEnv({ cpuCount: 4 });
    const [a, b, c] = [0, 0, 0].map(() => env.call('bpf_cpumask_create'));
    env.call('bpf_cpumask_set_cpu', 1, a);
    env.call('bpf_cpumask_set_cpu', 9, a);
    env.call('bpf_cpumask_setall', b);
    expect(env.call('bpf_cpumask_weight', a)).toBe(1n);
    expect(env.call('bpf_cpumask_full', b)).toBe(1n);
    expect(env.call('bpf_cpumask_and', c, a, b)).toBe(1n);
    expect(env.call('bpf_cpumask_equal', c, a)).toBe(1n);
    expect(env.call('bpf_cpumask_first', c)).toBe(1n);
    expect(env.call('bpf_cpumask_first_zero', c)).toBe(0n);
    expect(env.call('bpf_cpumask_test_and_clear_cpu', 1, c)).toBe(1n);
    expect(env.call('bpf_cpumask_first', c)).toBe(4n);
    env.call('bpf_cpumask_release', c);
    expect(() => env.call('bpf_cpumask_first', c)).toThrow();
  });
});

describe('ring buffers', () => {
  const make = (): { env: TestHelperEnv; ring: RingbufMap } => {
    const env = new TestHelperEnv();
    const ring = env.create({ type: M.BPF_MAP_TYPE_RINGBUF, keySizeBytes: 0, valueSizeBytes: 0, maxEntries: 4096 });
    return { env, ring: ring as RingbufMap };
  };

  it('hand over what is submitted, in order', () => {
    const { env, ring } = make();
    const first = Number(env.call('bpf_ringbuf_reserve', ring.addr, 8, 0));
    const second = Number(env.call('bpf_ringbuf_reserve', ring.addr, 3, 0));
    env.mem.write(first, Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8));
    env.call('bpf_ringbuf_discard', second, 0);
    expect(ring.consume()).toEqual([]);
    env.call('bpf_ringbuf_submit', first, 0);
    expect(env.call('bpf_ringbuf_output', ring.addr, env.memory(Uint8Array.of(9)).start, 1, 0)).toBe(0n);
    expect(ring.consume().map(bytes => toHex(bytes))).toEqual(['0102030405060708', '09']);
  });

  it('fault on a record that is not open', () => {
    const { env, ring } = make();
    const record = Number(env.call('bpf_ringbuf_reserve', ring.addr, 8, 0));
    expect(() => env.call('bpf_ringbuf_submit', record + 8, 0)).toThrow('not a reserved');
    env.call('bpf_ringbuf_submit', record, 0);
    expect(() => env.call('bpf_ringbuf_submit', record, 0)).toThrow('not a reserved');
    expect(() => env.call('bpf_ringbuf_discard', 0, 0)).toThrow('not a reserved');
    expect(() => env.call('bpf_ringbuf_query', env.create({ type: M.BPF_MAP_TYPE_HASH }).addr, 0)).toThrow(
      'not a ring',
    );
  });

  it('take dynptrs, and a failed one has nothing to submit', () => {
    const { env, ring } = make();
    const ptr = env.memory(16).start;
    expect(env.call('bpf_ringbuf_reserve_dynptr', ring.addr, 4, 0, ptr)).toBe(0n);
    expect(env.call('bpf_dynptr_write', ptr, 0, env.memory(Uint8Array.of(1, 2, 3, 4)).start, 4, 0)).toBe(0n);
    env.call('bpf_ringbuf_submit_dynptr', ptr, 0);
    expect(env.call('bpf_ringbuf_reserve_dynptr', ring.addr, 9000, 0, ptr)).toBe(BigInt(-ERRNO.EINVAL));
    env.call('bpf_ringbuf_discard_dynptr', ptr, 0);
    expect(ring.consume().map(bytes => toHex(bytes))).toEqual(['01020304']);
  });

  it('of user space call back with a dynptr over each record', () => {
    const env = new TestHelperEnv();
    const ring = env.create({
      type: M.BPF_MAP_TYPE_USER_RINGBUF,
      keySizeBytes: 0,
      valueSizeBytes: 0,
      maxEntries: 4096,
    });
    const func = env.memory(8, { kind: 'func' }).start;
    (ring as UserRingbufMap).produce(Uint8Array.of(1, 2, 3));
    (ring as UserRingbufMap).produce(Uint8Array.of(4));
    expect(env.call('bpf_user_ringbuf_drain', ring.addr, func, 0, 0)).toBe(2n);
    expect(env.calls.length).toBe(2);
    expect(env.call('bpf_user_ringbuf_drain', ring.addr, func, 0, 8)).toBe(BigInt(-ERRNO.EINVAL));
  });
});

describe('storage of kernel objects', () => {
  it.each(['sk', 'inode', 'task', 'cgrp'] as const)('bpf_%s_storage_get makes, finds and deletes', kind => {
    const env = new TestHelperEnv();
    const type = {
      sk: M.BPF_MAP_TYPE_SK_STORAGE,
      inode: M.BPF_MAP_TYPE_INODE_STORAGE,
      task: M.BPF_MAP_TYPE_TASK_STORAGE,
      cgrp: M.BPF_MAP_TYPE_CGRP_STORAGE,
    }[kind];
    const map = env.create({ type, maxEntries: 0, flags: 1 });
    const owner = env.memory(8).start;
    const init = env.memory(u64s(42n)).start;
    const get = (flags: number, who = owner): bigint => env.call(`bpf_${kind}_storage_get`, map.addr, who, init, flags);
    expect([get(0), get(1, 0), get(2)]).toEqual([0n, 0n, 0n]);
    const value = get(1);
    expect(env.mem.view.getBigUint64(Number(value), true)).toBe(42n);
    expect(get(0)).toBe(value);
    expect(env.call(`bpf_${kind}_storage_delete`, map.addr, owner)).toBe(0n);
    expect(env.call(`bpf_${kind}_storage_delete`, map.addr, owner)).toBe(BigInt(-ERRNO.ENOENT));
    expect(env.call(`bpf_${kind}_storage_delete`, map.addr, 0)).toBe(BigInt(-ERRNO.EINVAL));
  });

  it('bpf_get_local_storage gives the same value every time', () => {
    const env = new TestHelperEnv();
    const map = env.create({ type: M.BPF_MAP_TYPE_CGROUP_STORAGE, keySizeBytes: 8, maxEntries: 0 });
    const value = env.call('bpf_get_local_storage', map.addr, 0);
    expect(value).not.toBe(0n);
    expect(env.call('bpf_get_local_storage', map.addr, 0)).toBe(value);
  });

  it('other maps fault', () => {
    const env = new TestHelperEnv();
    const map = env.create({ type: M.BPF_MAP_TYPE_HASH });
    expect(() => env.call('bpf_task_storage_get', map.addr, env.memory(8).start, 0, 1)).toThrow('no local storage');
    expect(() => env.call('bpf_get_local_storage', map.addr, 0)).toThrow('no cgroup storage');
  });
});

describe('bpf_get_stackid', () => {
  it('stores a stack of one frame', () => {
    const env = new TestHelperEnv();
    const map = env.create({ type: M.BPF_MAP_TYPE_STACK_TRACE, valueSizeBytes: 64 });
    env.ctxAddr = env.memory(8).start;
    const id = env.call('bpf_get_stackid', env.ctxAddr, map.addr, 0);
    expect(id >= 0n && id < 4n).toBe(true);
    expect(map.userLookup(new Uint8Array(Uint32Array.of(Number(id)).buffer))).toBeInstanceOf(Uint8Array);
    expect(env.call('bpf_get_stackid', env.ctxAddr, map.addr, 1)).toBe(BigInt(-ERRNO.EFAULT));
    expect(env.call('bpf_get_stackid', env.ctxAddr, map.addr, 0x800)).toBe(BigInt(-ERRNO.EINVAL));
  });
});

describe('bpf_redirect_map', () => {
  it('falls back to the action in the flags where the map has nothing', () => {
    const env = new TestHelperEnv().begin(T.BPF_PROG_TYPE_XDP, frame());
    const map = env.create({ type: M.BPF_MAP_TYPE_CPUMAP, valueSizeBytes: 4 });
    expect(env.call('bpf_redirect_map', map.addr, 1, 2)).toBe(2n);
    expect(env.call('bpf_redirect_map', map.addr, 1, 4)).toBe(0n);
    expect(redirectsOf(env)).toEqual([]);
    expect(map.userUpdate(new Uint8Array(Uint32Array.of(1).buffer), new Uint8Array(Uint32Array.of(192).buffer))).toBe(
      0,
    );
    expect(env.call('bpf_redirect_map', map.addr, 1, 2)).toBe(4n);
    expect(redirectsOf(env)).toEqual([{ helper: 'bpf_redirect_map', target: 1, mapId: map.id, flags: 2n }]);
    const hash = env.create({ type: M.BPF_MAP_TYPE_HASH });
    expect(() => env.call('bpf_redirect_map', hash.addr, 1, 0)).toThrow('not a map of devices');
  });
});
