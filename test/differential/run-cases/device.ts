import { R0, R1, R2, R3, R4, R5, R6, R7, R10 } from '../../../src/isa/index.ts';
import { call, FRAMES, id, pad, plain, type RunCase, stackAddr, TC, tc, V4, XDP } from './shared.ts';

export function others(): RunCase[] {
  const cases: RunCase[] = [];
  for (const [frame, data] of Object.entries(FRAMES)) {
    cases.push(
      plain(`ecn_set_ce of ${frame}`, TC, b => call(b, 'skb_ecn_set_ce'), data),
      plain(`set_hash, hash of ${frame}`, TC, b => call(call(b, 'set_hash', 0x1234), 'get_hash_recalc'), data),
      plain(
        `change_type of ${frame}`,
        TC,
        b => call(b, 'skb_change_type', 0).mov(R7, R0).load('w', R0, R6, 4).alu64('add', R0, R7),
        data,
      ),
      plain(`set_tstamp real of ${frame}`, TC, b => call(b, 'skb_set_tstamp', 5, 0), data),
      plain(`set_tstamp mono of ${frame}`, TC, b => call(b, 'skb_set_tstamp', 5, 1), data),
    );
  }
  cases.push(
    plain('change_type 4', TC, b => call(b, 'skb_change_type', 4)),
    plain('set_tstamp mono 0', TC, b => call(b, 'skb_set_tstamp', 0, 1)),
    plain('set_tstamp clock 3', TC, b => call(b, 'skb_set_tstamp', 5, 3)),
    plain('pull_data 0', TC, b => call(b, 'skb_pull_data', 0)),
    plain('pull_data 160', TC, b => call(b, 'skb_pull_data', 160)),
    plain('pull_data 161', TC, b => call(b, 'skb_pull_data', 161)),
    plain('set_hash_invalid, hash', TC, b => {
      call(call(b, 'set_hash', 7), 'set_hash_invalid').load('w', R0, R6, 68);
    }),
    plain('get_cgroup_classid', TC, b => call(b, 'get_cgroup_classid')),
    plain('get_route_realm', TC, b => call(b, 'get_route_realm')),
    plain('get_socket_uid', TC, b => call(b, 'get_socket_uid')),
    plain('clone_redirect flags', TC, b => call(b, 'clone_redirect', 1, 2)),
    plain('clone_redirect nowhere', TC, b => call(b, 'clone_redirect', 99, 0)),
    plain('skb_cgroup_classid', TC, b => call(b, 'skb_cgroup_classid')),
  );
  for (const flags of [0, 1, 2, 3]) {
    cases.push(plain(`tc redirect ${flags}`, TC, b => b.mov(R1, 1).mov(R2, flags).helper(id('redirect'))));
    cases.push(plain(`xdp redirect ${flags}`, XDP, b => b.mov(R1, 1).mov(R2, flags).helper(id('redirect'))));
    cases.push(plain(`redirect_peer ${flags}`, TC, b => b.mov(R1, 1).mov(R2, flags).helper(id('redirect_peer'))));
  }
  for (const [flags, size] of [
    [0, 0],
    [0, 0],
    [1, 0],
  ]) {
    cases.push(
      plain(`redirect_neigh ${flags} ${size}`, TC, b =>
        b.mov(R1, 1).mov(R2, 0).mov(R3, size).mov(R4, flags).helper(id('redirect_neigh')),
      ),
    );
  }
  for (const [helper, size, extra] of [
    ['skb_get_tunnel_key', 44, true],
    ['skb_get_tunnel_opt', 16, false],
  ] as const) {
    cases.push(
      tc(helper, b => {
        b.store('dw', R10, -64, -1).mov(R1, R6);
        stackAddr(b, R2, -80);
        b.mov(R3, size);
        if (extra) b.mov(R4, 0);
        b.helper(id(helper));
      }),
    );
  }
  for (const [type, label] of [
    [TC, 'tc'],
    [XDP, 'xdp'],
  ] as const) {
    for (const [ifindex, given, diff, flags] of [
      [0, 0, 0, 0],
      [1, 0, 0, 0],
      [0, 65536, 1, 0],
      [0, 65536, 0, 0],
      [9, 0, 0, 0],
      [0, 0, 0, 1],
      [0, 7, 0, 1],
      [0, 0, 0, 2],
    ]) {
      cases.push(
        plain(`${label} check_mtu ${ifindex} ${given} ${diff} ${flags}`, type, b => {
          b.store('dw', R10, -8, given).mov(R1, R6).mov(R2, ifindex);
          stackAddr(b, R3, -8);
          b.mov(R4, diff)
            .mov(R5, flags)
            .helper(id('check_mtu'))
            .load('w', R1, R10, -8)
            .alu64('lsh', R1, 3)
            .alu64('add', R0, R1);
        }),
      );
    }
    for (const [family, ifindex, size, flags] of [
      [2, 1, 64, 0],
      [10, 1, 64, 0],
      [2, 9, 64, 0],
      [5, 1, 64, 0],
      [2, 1, 63, 0],
      [2, 1, 64, 64],
    ]) {
      cases.push(
        plain(`${label} fib_lookup ${family} ${ifindex} ${size} ${flags}`, type, b => {
          for (let at = -64; at < 0; at += 8) b.store('dw', R10, at, 0);
          b.store('b', R10, -64, family).store('w', R10, -56, ifindex).mov(R1, R6);
          stackAddr(b, R2, -64);
          b.mov(R3, size).mov(R4, flags).helper(id('fib_lookup'));
        }),
      );
    }
  }
  return cases;
}

export function xdp(): RunCase[] {
  const cases: RunCase[] = [];
  for (const by of [0, 1, 14, 100, 146, 147, 160, 4000, -1, -14, -100, -215, -216, -217, -256]) {
    cases.push(plain(`xdp_adjust_head ${by}`, XDP, b => call(b, 'xdp_adjust_head', by)));
  }
  for (const by of [0, 1, 100, 3000, 3360, 3361, 4000, -1, -100, -146, -147, -160]) {
    cases.push(plain(`xdp_adjust_tail ${by}`, XDP, b => call(b, 'xdp_adjust_tail', by)));
  }
  for (const by of [0, -1, -4, -16, -32, -128, -212, -216, -220, -252, -256, 4]) {
    cases.push(plain(`xdp_adjust_meta ${by}`, XDP, b => call(b, 'xdp_adjust_meta', by)));
  }
  cases.push(
    plain('meta then head', XDP, b => call(call(b, 'xdp_adjust_meta', -8), 'xdp_adjust_head', -20)),
    plain('meta then head too far', XDP, b => call(call(b, 'xdp_adjust_meta', -32), 'xdp_adjust_head', -190)),
    plain('meta then meta back', XDP, b => call(call(b, 'xdp_adjust_meta', -8), 'xdp_adjust_meta', 4)),
    plain('buff_len', XDP, b => call(b, 'xdp_get_buff_len')),
    plain('data_end - data', XDP, b => b.load('w', R0, R6, 4).load('w', R1, R6, 0).alu64('sub', R0, R1)),
    plain('data - data_meta', XDP, b => b.load('w', R0, R6, 0).load('w', R1, R6, 8).alu64('sub', R0, R1)),
    plain('ingress_ifindex', XDP, b => b.load('w', R0, R6, 12)),
    plain('rx_queue_index', XDP, b => b.load('w', R0, R6, 16)),
  );
  for (const size of [3519, 3520, 3521, 5000, 9000]) {
    const data = pad('', size);
    cases.push(
      plain(`${size} bytes: buff_len`, XDP, b => call(b, 'xdp_get_buff_len'), data),
      plain(
        `${size} bytes: data_end - data`,
        XDP,
        b => b.load('w', R0, R6, 4).load('w', R1, R6, 0).alu64('sub', R0, R1),
        data,
      ),
    );
  }
  for (const [off, size] of [
    [0, 8],
    [152, 8],
    [153, 8],
    [3516, 8],
    [4992, 8],
    [4993, 8],
    [65536, 8],
  ]) {
    for (const [label, data] of [
      ['small', V4],
      ['large', pad('', 5000)],
    ] as const) {
      cases.push(
        plain(
          `xdp_load_bytes ${label} ${off}`,
          XDP,
          b => {
            b.store('dw', R10, -8, 0).mov(R1, R6).mov(R2, off);
            stackAddr(b, R3, -8);
            b.mov(R4, size)
              .helper(id('xdp_load_bytes'))
              .load('w', R1, R10, -8)
              .alu64('add', R0, R1)
              .load('w', R1, R10, -4)
              .alu64('xor', R0, R1);
          },
          data,
        ),
        plain(
          `xdp_store_bytes ${label} ${off}`,
          XDP,
          b => {
            b.store('dw', R10, -8, 0x55667788).mov(R1, R6).mov(R2, off);
            stackAddr(b, R3, -8);
            b.mov(R4, size).helper(id('xdp_store_bytes'));
          },
          data,
        ),
      );
    }
  }
  for (const [meta, end] of [
    [0, 160],
    [4, 160],
    [16, 160],
    [216, 260],
  ]) {
    const data = pad('', end);
    const ctx = new Uint8Array(24);
    new DataView(ctx.buffer).setUint32(0, meta, true);
    new DataView(ctx.buffer).setUint32(4, end, true);
    cases.push(
      plain(
        `ctx data ${meta} data_end ${end}`,
        XDP,
        b => {
          b.load('w', R0, R6, 0).load('w', R1, R6, 8).alu64('sub', R0, R1).alu64('lsh', R0, 16);
          b.load('w', R1, R6, 4).load('w', R2, R6, 0).alu64('sub', R1, R2).alu64('add', R0, R1);
        },
        data,
        ctx,
      ),
    );
  }
  return cases;
}
