import { describe, expect, it } from 'vitest';
import { TestHelperEnv } from '../../test/support/helper-env.ts';
import { bpf_map_type, bpf_prog_type, ERRNO } from '../uapi/index.ts';
import { decodeText, encodeText, fromHex } from '../util/index.ts';
import { runAttributes, takeSequence } from './index.ts';
import { siphash } from './syncookie.ts';

// What reaches outside of the program: sockets, tunnels, cookies, settings, files, work.

const T = bpf_prog_type;
const E = (name: keyof typeof ERRNO): bigint => BigInt(-ERRNO[name]);
const frame = (): Uint8Array => Uint8Array.from({ length: 64 }, (_, i) => i);
const bytes = (...values: number[]): Uint8Array => Uint8Array.from(values);

describe('tunnels', () => {
  const key = (): Uint8Array => {
    const out = new Uint8Array(44);
    out.set([7, 0, 0, 0], 0);
    out.set([1, 2, 3, 4], 4);
    out.set([0x10, 64], 20);
    out.set([5, 6, 7, 8], 28);
    return out;
  };
  const setting = () => {
    const env = new TestHelperEnv().begin(T.BPF_PROG_TYPE_SCHED_CLS, frame());
    return { env, from: env.memory(key()).start, to: env.memory(64).start };
  };

  it('give back what was set, the other way round', () => {
    const { env, from, to } = setting();
    expect(env.call('bpf_skb_get_tunnel_key', env.ctxAddr, to, 44, 0)).toBe(E('EINVAL'));
    expect(env.call('bpf_skb_set_tunnel_key', env.ctxAddr, from, 44, 0)).toBe(0n);
    expect(env.call('bpf_skb_get_tunnel_key', env.ctxAddr, to, 44, 16)).toBe(0n);
    const found = env.mem.read(to, 44);
    expect([...found.subarray(0, 8)]).toEqual([7, 0, 0, 0, 5, 6, 7, 8]);
    expect([...found.subarray(20, 24)]).toEqual([0x10, 64, 0x20, 0x05]);
    expect([...found.subarray(28, 32)]).toEqual([1, 2, 3, 4]);
    expect(env.call('bpf_skb_get_tunnel_key', env.ctxAddr, to, 44, 1)).toBe(E('EPROTO'));
    expect(env.call('bpf_skb_get_tunnel_key', env.ctxAddr, to, 12, 0)).toBe(E('EINVAL'));
    expect(env.call('bpf_skb_get_tunnel_key', env.ctxAddr, to, 8, 0)).toBe(0n);
  });

  it('refuse flags and sizes nobody knows, labels without IPv6', () => {
    const { env, from } = setting();
    expect(env.call('bpf_skb_set_tunnel_key', env.ctxAddr, from, 44, 32)).toBe(E('EINVAL'));
    expect(env.call('bpf_skb_set_tunnel_key', env.ctxAddr, from, 40, 0)).toBe(E('EINVAL'));
    env.mem.u8[from + 24] = 1;
    expect(env.call('bpf_skb_set_tunnel_key', env.ctxAddr, from, 44, 0)).toBe(E('EINVAL'));
    expect(env.call('bpf_skb_set_tunnel_key', env.ctxAddr, from, 44, 1)).toBe(0n);
  });

  it('have options', () => {
    const { env, from, to } = setting();
    expect(env.call('bpf_skb_set_tunnel_opt', env.ctxAddr, from, 8)).toBe(E('EINVAL'));
    env.call('bpf_skb_set_tunnel_key', env.ctxAddr, from, 44, 0);
    expect(env.call('bpf_skb_get_tunnel_opt', env.ctxAddr, to, 8)).toBe(E('ENOENT'));
    expect(env.call('bpf_skb_set_tunnel_opt', env.ctxAddr, from, 6)).toBe(E('EINVAL'));
    expect(env.call('bpf_skb_set_tunnel_opt', env.ctxAddr, from, 8)).toBe(0n);
    expect(env.call('bpf_skb_get_tunnel_opt', env.ctxAddr, to, 4)).toBe(E('ENOMEM'));
    expect(env.call('bpf_skb_get_tunnel_opt', env.ctxAddr, to, 16)).toBe(8n);
  });
});

describe('SYN cookies', () => {
  it('hash as SipHash-2-4 does', () => {
    const key = [0x0706050403020100n, 0x0f0e0d0c0b0a0908n] as const;
    const message = Uint8Array.from({ length: 15 }, (_, i) => i);
    expect(siphash(message, ...key)).toBe(0xa129ca6149be45e5n);
    expect(siphash(new Uint8Array(0), ...key)).toBe(0x726fdb47dd0e0e31n);
  });

  it.each([
    ['ipv4', 20, 536n],
    ['ipv6', 40, 1220n],
  ] as const)('of %s are known again, for a while', (family, ipBytes, least) => {
    const env = new TestHelperEnv();
    const ip = env.memory(Uint8Array.from({ length: ipBytes }, (_, i) => 3 * i)).start;
    const tcp = env.memory(24).start;
    env.mem.write(tcp, fromHex('303100500000100000000000602000000000000002040578'));
    const generate = (): bigint => env.call(`bpf_tcp_raw_gen_syncookie_${family}`, ip, tcp, 24);
    const cookie = generate();
    expect(cookie >> 32n).toBe(family === 'ipv4' ? 1300n : 1220n);
    expect(generate()).toBe(cookie);
    const check = (acknowledged: bigint): bigint => {
      env.mem.view.setUint32(tcp + 4, 0x1001, false);
      env.mem.view.setUint32(tcp + 8, Number(BigInt.asUintN(32, acknowledged)), false);
      return env.call(`bpf_tcp_raw_check_syncookie_${family}`, ip, tcp);
    };
    expect(check(cookie + 1n)).toBe(0n);
    expect(check(cookie + 0x1000001n)).toBe(E('EACCES'));
    env.time += 60_000_000_000n;
    expect(check(cookie + 1n)).toBe(0n);
    env.time += 60_000_000_000n;
    expect(check(cookie + 1n)).toBe(E('EACCES'));
    env.mem.u8[tcp + 20] = 0;
    expect(generate() >> 32n).toBe(least);
    expect(env.call(`bpf_tcp_raw_gen_syncookie_${family}`, ip, tcp, 20)).toBe(E('EINVAL'));
  });
});

describe('messages', () => {
  const setting = () => {
    const env = new TestHelperEnv().begin(
      T.BPF_PROG_TYPE_SK_MSG,
      Uint8Array.from({ length: 10 }, (_, i) => i),
    );
    const shown = (): number[] => [...env.mem.read(env.packet!.data, env.packet!.dataEnd - env.packet!.data)];
    const call = (name: string, start: number, size: number, flags = 0): bigint =>
      env.call(`bpf_msg_${name}_data`, env.ctxAddr, start, size, flags);
    return { env, shown, call };
  };

  it('are shown whole, then the part that was pulled', () => {
    const { env, shown, call } = setting();
    expect(shown()).toHaveLength(10);
    expect(Number(env.mem.view.getBigUint64(env.ctxAddr + 8, true))).toBe(env.packet?.dataEnd);
    expect(call('pull', 2, 5)).toBe(0n);
    expect(shown()).toEqual([2, 3, 4]);
    expect([call('pull', 5, 5), call('pull', 10, 11), call('pull', 0, 11), call('pull', 0, 1, 1)]).toEqual(
      [1, 2, 3, 4].map(() => E('EINVAL')),
    );
  });

  it('grow and shrink where a program says', () => {
    const { shown, call } = setting();
    expect(call('push', 4, 3)).toBe(0n);
    expect(shown()).toEqual([0, 1, 2, 3]);
    expect(call('pull', 0, 13)).toBe(0n);
    expect(shown()).toEqual([0, 1, 2, 3, 0, 0, 0, 4, 5, 6, 7, 8, 9]);
    expect(call('pop', 1, 8)).toBe(0n);
    expect(shown()).toEqual([0]);
    expect(call('pull', 0, 5)).toBe(0n);
    expect(shown()).toEqual([0, 6, 7, 8, 9]);
    expect([call('push', 6, 1), call('pop', 5, 1), call('pop', 0, 6)]).toEqual([1, 2, 3].map(() => E('EINVAL')));
    expect([call('push', 0, 0), call('pop', 0, 0), call('pop', 0, 5)]).toEqual([0n, 0n, 0n]);
    expect(shown()).toEqual([]);
  });
});

describe('sockets of programs on their operations', () => {
  const setting = (op: number, fullsock: number) => {
    const env = new TestHelperEnv().begin(T.BPF_PROG_TYPE_SOCK_OPS, new Uint8Array(0));
    env.mem.view.setUint32(env.ctxAddr, op, true);
    env.mem.view.setUint32(env.ctxAddr + 72, fullsock, true);
    return env;
  };

  it('take callback flags, and say which nobody knows', () => {
    const env = setting(0, 1);
    expect(env.call('bpf_sock_ops_cb_flags_set', env.ctxAddr, 0x183)).toBe(0x180n);
    expect(env.mem.view.getUint32(env.ctxAddr + 84, true)).toBe(3);
    const request = setting(0, 0);
    expect(request.call('bpf_sock_ops_cb_flags_set', request.ctxAddr, 1)).toBe(E('EINVAL'));
  });

  it('go into maps when they are established', () => {
    const env = setting(5, 1);
    const map = env.create({ type: bpf_map_type.BPF_MAP_TYPE_SOCKMAP, valueSizeBytes: 4, maxEntries: 4 });
    const key = env.memory(bytes(2, 0, 0, 0)).start;
    expect(env.call('bpf_sock_map_update', env.ctxAddr, map.addr, key, 0)).toBe(0n);
    const early = setting(1, 1);
    const other = early.create({ type: bpf_map_type.BPF_MAP_TYPE_SOCKMAP, valueSizeBytes: 4, maxEntries: 4 });
    const place = early.memory(bytes(2, 0, 0, 0)).start;
    expect(early.call('bpf_sock_map_update', early.ctxAddr, other.addr, place, 0)).toBe(E('EOPNOTSUPP'));
  });

  it('have no options of headers', () => {
    const env = setting(15, 1);
    const option = env.memory(bytes(5, 0, 0, 0)).start;
    expect(env.call('bpf_load_hdr_opt', env.ctxAddr, option, 4, 0)).toBe(E('EPERM'));
    expect(env.call('bpf_load_hdr_opt', env.ctxAddr, option, 4, 1)).toBe(E('ENOENT'));
    expect(env.call('bpf_load_hdr_opt', env.ctxAddr, option, 4, 2)).toBe(E('EINVAL'));
    expect(env.call('bpf_store_hdr_opt', env.ctxAddr, option, 4, 0)).toBe(E('ENOSPC'));
    expect(env.call('bpf_reserve_hdr_opt', env.ctxAddr, 4, 0)).toBe(E('EPERM'));
  });

  it('keep the options they are given', () => {
    const env = setting(0, 1);
    const value = env.memory(bytes(0, 16, 0, 0, 0, 0, 0, 0)).start;
    const set = (level: number, name: number, size = 4): bigint =>
      env.call('bpf_setsockopt', env.ctxAddr, level, name, value, size);
    const get = (level: number, name: number, size = 4): bigint | number => {
      const error = env.call('bpf_getsockopt', env.ctxAddr, level, name, value, size);
      return error === 0n ? env.mem.view.getInt32(value, true) : error;
    };
    expect([set(1, 8), get(1, 8)]).toEqual([0n, 8192]);
    expect([get(6, 2), get(6, 1), get(41, 67)]).toEqual([536, 0, 0]);
    expect([set(1, 99), set(1, 8, 8), get(7, 7), get(6, 28)]).toEqual([1, 2, 3, 4].map(() => E('EINVAL')));
    env.mem.write(value, encodeText('reno\0'));
    expect(set(6, 13, 5)).toBe(0n);
    env.mem.u8.fill(1, value, value + 8);
    expect(get(6, 13, 8)).toBe(0x6f6e6572);
    env.mem.write(value, encodeText('bbr\0'));
    expect(set(6, 13, 4)).toBe(E('ENOENT'));
  });

  it('bind to addresses there are', () => {
    const env = setting(0, 1);
    const bind = (address: Uint8Array): bigint =>
      env.call('bpf_bind', env.ctxAddr, env.memory(address).start, address.length);
    const ipv4 = (...ip: number[]): Uint8Array => bytes(2, 0, 0, 0, ...ip, 0, 0, 0, 0, 0, 0, 0, 0);
    expect([bind(ipv4(127, 0, 0, 9)), bind(ipv4(0, 0, 0, 0)), bind(ipv4(10, 0, 0, 1))]).toEqual([
      0n,
      0n,
      E('EADDRNOTAVAIL'),
    ]);
    expect([bind(ipv4(127, 0, 0, 1).subarray(0, 8)), bind(bytes(1)), bind(bytes(9, 0))]).toEqual([
      E('EINVAL'),
      E('EINVAL'),
      E('EAFNOSUPPORT'),
    ]);
  });
});

describe('settings', () => {
  const setting = (write: number) => {
    const env = new TestHelperEnv().begin(T.BPF_PROG_TYPE_CGROUP_SYSCTL, new Uint8Array(0), bytes(write));
    runAttributes(env).sysctl = { name: 'net/ipv4/tcp_mem', current: encodeText('1 2 3\n'), next: encodeText('4') };
    const to = env.memory(32).start;
    const text = (name: string, size: number, ...more: number[]): [bigint, string] => {
      const result = env.call(`bpf_sysctl_${name}`, env.ctxAddr, to, size, ...more);
      const found = env.mem.read(to, size);
      return [result, decodeText(found.subarray(0, found.indexOf(0)))];
    };
    return { env, text };
  };

  it('have names and values', () => {
    const { text } = setting(0);
    expect(text('get_name', 32, 0)).toEqual([16n, 'net/ipv4/tcp_mem']);
    expect(text('get_name', 32, 1)).toEqual([7n, 'tcp_mem']);
    expect(text('get_name', 8, 0)).toEqual([E('E2BIG'), 'net/ipv']);
    expect(text('get_current_value', 32)).toEqual([6n, '1 2 3\n']);
    expect(text('get_current_value', 4)).toEqual([E('E2BIG'), '1 2']);
    expect(text('get_new_value', 4)).toEqual([E('EINVAL'), '']);
  });

  it('are given others while they are written', () => {
    const { env, text } = setting(1);
    expect(text('get_new_value', 4)).toEqual([1n, '4']);
    expect(env.call('bpf_sysctl_set_new_value', env.ctxAddr, env.memory(encodeText('5')).start, 1)).toBe(0n);
    expect(text('get_new_value', 4)).toEqual([1n, '5']);
    const reading = setting(0).env;
    expect(reading.call('bpf_sysctl_set_new_value', reading.ctxAddr, reading.memory(4).start, 4)).toBe(E('EINVAL'));
  });
});

describe('files', () => {
  it('iterators are read through collect text and bytes', () => {
    const env = new TestHelperEnv();
    const format = env.memory(encodeText('%d of %s\n\0')).start;
    const name = env.memory(encodeText('x\0')).start;
    const args = env.memory(new Uint8Array(new BigUint64Array([3n, BigInt(name)]).buffer)).start;
    expect(env.call('bpf_seq_printf', 0, format, 10, args, 16)).toBe(0n);
    expect(env.call('bpf_seq_write', 0, format, 2)).toBe(0n);
    expect(env.call('bpf_seq_printf', 0, format, 10, args, 15)).toBe(E('EINVAL'));
    expect(decodeText(takeSequence(env))).toBe('3 of x\n%d');
    expect(takeSequence(env)).toHaveLength(0);
    const large = env.memory(1 << 20).start;
    expect([env.call('bpf_seq_write', 0, large, 1 << 20), env.call('bpf_seq_write', 0, large, 1)]).toEqual([
      0n,
      E('EOVERFLOW'),
    ]);
  });

  it('of tasks have a path', () => {
    const env = new TestHelperEnv();
    const task = env.call('bpf_get_current_task');
    const file = env.call('bpf_get_task_exe_file', task);
    const to = env.memory(32).start;
    expect(env.call('bpf_path_d_path', file + 64n, to, 32)).toBe(8n);
    expect(decodeText(env.mem.read(to, 7))).toBe('/a-task');
    expect(env.call('bpf_path_d_path', file + 64n, to, 7)).toBe(E('ENAMETOOLONG'));
    expect(env.call('bpf_d_path', 0, to, 32)).toBe(E('EFAULT'));
    expect(env.call('bpf_get_task_exe_file', 0)).toBe(0n);
  });
});

describe('kernel functions', () => {
  it('iterate over the one task and cgroup', () => {
    const env = new TestHelperEnv();
    const at = env.memory(24).start;
    const task = env.call('bpf_get_current_task');
    const all = (kind: string, ...args: number[]): bigint[] => {
      const started = env.call(`bpf_iter_${kind}_new`, at, ...args);
      return [started, env.call(`bpf_iter_${kind}_next`, at), env.call(`bpf_iter_${kind}_next`, at)];
    };
    expect(all('task', 0, 0)).toEqual([0n, task, 0n]);
    expect(all('task', 0, 2)).toEqual([E('EINVAL'), 0n, 0n]);
    expect(all('task', 0, 3)).toEqual([E('EINVAL'), 0n, 0n]);
    expect(all('css', 0x1234, 2)).toEqual([0n, 0x1234n, 0n]);
    expect(all('css', 0x1234, 1)).toEqual([E('EINVAL'), 0n, 0n]);
    expect(all('css_task', 1, 0)).toEqual([0n, task, 0n]);
    expect(all('task_vma', Number(task), 0)).toEqual([E('ENOENT'), 0n, 0n]);
  });

  it('put work off', () => {
    const env = new TestHelperEnv();
    const map = env.create({ type: bpf_map_type.BPF_MAP_TYPE_ARRAY, valueSizeBytes: 16 });
    const wq = env.memory(16).start;
    const func = env.memory(8, { kind: 'func' }).start;
    expect(env.call('bpf_wq_start', wq, 0)).toBe(E('EINVAL'));
    expect([env.call('bpf_wq_init', wq, map.addr, 0), env.call('bpf_wq_init', wq, map.addr, 0)]).toEqual([
      0n,
      E('EBUSY'),
    ]);
    expect(env.call('bpf_wq_set_callback_impl', wq, func, 0, 0)).toBe(0n);
    expect(env.call('bpf_wq_start', wq, 1)).toBe(E('EINVAL'));
    expect([env.call('bpf_wq_start', wq, 0), env.timers.get(wq)]).toEqual([0n, env.time]);
  });

  it('find no connection, and say why', () => {
    const env = new TestHelperEnv().begin(T.BPF_PROG_TYPE_SCHED_CLS, frame());
    const tuple = env.memory(36).start;
    const opts = env.memory(16).start;
    const lookup = (netns: number, protocol: number, size = 12, optsSize = 12): number => {
      env.mem.view.setInt32(opts, netns, true);
      env.mem.u8[opts + 8] = protocol;
      expect(env.call('bpf_skb_ct_lookup', env.ctxAddr, tuple, size, opts, optsSize)).toBe(0n);
      return env.mem.view.getInt32(opts + 4, true);
    };
    expect(lookup(-1, 6)).toBe(-ERRNO.ENOENT);
    expect([lookup(-1, 6, 36, 16), env.mem.u8[opts + 12]]).toEqual([-ERRNO.ENOENT, 3]);
    expect([lookup(-1, 1), lookup(-2, 6), lookup(-1, 17, 20), lookup(0, 6), lookup(-1, 6, 12, 13)]).toEqual(
      [ERRNO.EPROTO, ERRNO.EINVAL, ERRNO.EAFNOSUPPORT, 64, ERRNO.EINVAL].map(errno => -errno),
    );
  });
});
