import { type ProgramBuilder, R0, R1, R2, R3, R4, R6, R7 } from '../../../src/isa/index.ts';
import { ARP, call, FRAMES, id, plain, type RunCase, SKB_FIELDS, TC, V4, V6 } from './shared.ts';

export function rooms(): RunCase[] {
  const cases: RunCase[] = [];
  const flagSets = [0, 1, 2, 4, 6, 10, 12, 18, 20, 26, 32, 64, 66, 128, 256, 384, 512];
  for (const [frame, data] of [
    ['v4', V4],
    ['v6', V6],
    ['arp', ARP],
  ] as const) {
    for (const mode of [0, 1, 2]) {
      for (const diff of [0, 4, 20, -4, -20, -100, -146, 4095, 4096]) {
        for (const flags of diff === 20 || diff === -20 ? flagSets : [0]) {
          cases.push(
            plain(
              `adjust_room ${frame} ${diff} mode ${mode} flags ${flags}`,
              TC,
              b => {
                call(b, 'skb_adjust_room', diff, mode, flags).mov(R7, R0).load('w', R0, R6, 16).alu64('lsh', R0, 16);
                b.alu64('add', R0, R7);
              },
              data,
            ),
          );
        }
      }
    }
    for (const proto of [0x0008, 0xdd86, 0x0608]) {
      cases.push(plain(`change_proto ${frame} ${proto}`, TC, b => call(b, 'skb_change_proto', proto, 0), data));
    }
    for (const size of [0, 13, 14, 15, 100, 160, 161, 300, 16064, 16065]) {
      cases.push(plain(`change_tail ${frame} ${size}`, TC, b => call(b, 'skb_change_tail', size, 0), data));
    }
    for (const size of [0, 1, 14, 3000]) {
      cases.push(
        plain(
          `change_head ${frame} ${size}`,
          TC,
          b => {
            call(b, 'skb_change_head', size, 0).mov(R7, R0).load('w', R0, R6, 0).alu64('add', R0, R7);
          },
          data,
        ),
      );
    }
  }
  cases.push(
    plain('change_tail flags', TC, b => call(b, 'skb_change_tail', 100, 1)),
    plain('change_head flags', TC, b => call(b, 'skb_change_head', 10, 1)),
    plain('change_proto flags', TC, b => call(b, 'skb_change_proto', 0xdd86, 1)),
    plain('encap twice', TC, b => call(call(b, 'skb_adjust_room', 20, 1, 2), 'skb_adjust_room', 20, 1, 2)),
    plain('encap then tail', TC, b => call(call(b, 'skb_adjust_room', 20, 1, 2), 'skb_change_tail', 100, 0)),
    plain('encap, network header', TC, b => {
      call(b, 'skb_adjust_room', 20, 1, 2);
      b.emit('ldabsb', { imm: -0x100000 + 20 });
    }),
    plain('adjust_room mac + vlan', TC, b => call(call(b, 'skb_vlan_push', 0x0081, 5), 'skb_adjust_room', 8, 1, 0)),
  );
  // An inner link-layer header's length is in the flags' top byte.
  for (const inner of [0, 13, 14, 20, 21]) {
    cases.push(
      plain(`adjust_room inner mac ${inner}`, TC, b => {
        b.mov(R1, R6)
          .mov(R2, 20)
          .mov(R3, 1)
          .imm64(R4, (BigInt(inner) << 56n) | 66n)
          .helper(id('skb_adjust_room'));
      }),
    );
  }
  return cases;
}

export function tags(): RunCase[] {
  const cases: RunCase[] = [];
  const sequences: Readonly<Record<string, (b: ProgramBuilder) => void>> = {
    push: b => void call(b, 'skb_vlan_push', 0x0081, 100),
    'push ad': b => void call(b, 'skb_vlan_push', 0xa888, 0x3064),
    'push odd': b => void call(b, 'skb_vlan_push', 0x1234, 0),
    'push push': b => void call(call(b, 'skb_vlan_push', 0x0081, 100), 'skb_vlan_push', 0xa888, 200),
    'push push push': b => {
      for (const tci of [1, 2, 3]) call(b, 'skb_vlan_push', 0x0081, tci);
    },
    pop: b => void call(b, 'skb_vlan_pop'),
    'pop pop': b => void call(call(b, 'skb_vlan_pop'), 'skb_vlan_pop'),
    'pop pop pop': b => void call(call(call(b, 'skb_vlan_pop'), 'skb_vlan_pop'), 'skb_vlan_pop'),
    'push pop': b => void call(call(b, 'skb_vlan_push', 0x0081, 100), 'skb_vlan_pop'),
    'push push pop': b => {
      call(call(call(b, 'skb_vlan_push', 0x0081, 9), 'skb_vlan_push', 0xa888, 8), 'skb_vlan_pop');
    },
  };
  for (const [frame, data] of Object.entries(FRAMES)) {
    for (const [name, body] of Object.entries(sequences)) {
      for (const field of ['protocol', 'vlan_present', 'vlan_tci', 'vlan_proto', 'len'] as const) {
        cases.push(
          plain(
            `vlan ${name} of ${frame}: ${field}`,
            TC,
            b => {
              body(b);
              b.load('w', R0, R6, SKB_FIELDS[field]);
            },
            data,
          ),
        );
      }
    }
  }
  return cases;
}
