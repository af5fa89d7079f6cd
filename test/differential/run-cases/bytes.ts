import { ProgramBuilder, R0, R1, R2, R3, R4, R5, R6, R7, R10 } from '../../../src/isa/index.ts';
import { call, id, plain, put, type RunCase, SOCKET, stackAddr, T, TC, tc, V4 } from './shared.ts';

export function checksums(): RunCase[] {
  const cases: RunCase[] = [];
  for (const [from, to, seed] of [
    [0, 16, 0],
    [16, 0, 0x1234],
    [16, 16, -1],
    [8, 16, 0x7fffffff],
    [2, 4, 0],
    [0, 0, 77],
  ]) {
    cases.push(
      tc(`csum_diff ${from} ${to} ${seed}`, b => {
        put(b, -112, V4.subarray(14, 46));
        stackAddr(b, R1, -112);
        stackAddr(b, R3, -96);
        b.mov(R2, from).mov(R4, to).alu32('mov', R5, seed).helper(id('csum_diff'));
      }),
    );
  }
  const replace = (helper: string, off: number, from: number, to: number, flags: number): RunCase =>
    plain(`${helper} ${off} ${from} ${to} ${flags}`, TC, b => call(b, helper, off, from, to, flags));
  for (const flags of [0, 1, 2, 4, 3, 16, 18, 20, 32, 34, 36, 64, 98, 100, 128, 146, 256]) {
    cases.push(replace('l3_csum_replace', 24, 0x0a00, 0x0b01, flags));
    cases.push(replace('l4_csum_replace', 50, 0x0100000a, 0x0200010b, flags));
    cases.push(replace('l4_csum_replace', 50, 0, 0x1234567, flags));
  }
  cases.push(replace('l3_csum_replace', 25, 1, 2, 2), replace('l3_csum_replace', 159, 1, 2, 2));
  cases.push(replace('l3_csum_replace', 158, 1, 2, 2), replace('l4_csum_replace', 0x10000, 1, 2, 2));
  // Zero checksums: mangled to all ones where asked.
  const zero = V4.slice();
  zero.fill(0, 50, 52);
  for (const flags of [34, 98, 2]) {
    cases.push(plain(`l4_csum_replace of zero ${flags}`, TC, b => call(b, 'l4_csum_replace', 50, 1, 2, flags), zero));
  }
  for (let level = 0; level < 5; level++)
    cases.push(plain(`csum_level ${level}`, TC, b => call(b, 'csum_level', level)));
  cases.push(
    plain('csum_level up, query', TC, b => call(call(call(b, 'csum_level', 1), 'csum_level', 1), 'csum_level', 0)),
    plain('csum_level up, down, query', TC, b =>
      call(call(call(b, 'csum_level', 1), 'csum_level', 2), 'csum_level', 0),
    ),
    plain('csum_level up, reset, query', TC, b =>
      call(call(call(b, 'csum_level', 1), 'csum_level', 3), 'csum_level', 0),
    ),
    plain('csum_update', TC, b => call(b, 'csum_update', 5)),
  );
  return cases;
}

/** load_bytes into the stack, from programs that see the link layer and from those that do not. */
export function loads(): RunCase[] {
  const cases: RunCase[] = [];
  const types = { tc: TC, socket: SOCKET, cgroup: T.BPF_PROG_TYPE_CGROUP_SKB, lwt: T.BPF_PROG_TYPE_LWT_XMIT };
  for (const [label, type] of Object.entries(types)) {
    for (const off of [0, 1, 12, 30, 142, 146, 156, 157, -1]) {
      cases.push(
        plain(`${label} skb_load_bytes ${off}`, type, b => {
          b.store('dw', R10, -8, -1).mov(R1, R6).alu32('mov', R2, off);
          stackAddr(b, R3, -8);
          // The result is the bytes mixed with the return value.
          b.mov(R4, 4).helper(id('skb_load_bytes')).load('w', R1, R10, -8).alu64('add', R0, R1).load('w', R1, R10, -4);
          b.alu64('xor', R0, R1);
          if (type === T.BPF_PROG_TYPE_CGROUP_SKB) b.alu64('and', R0, 1);
        }),
      );
      for (const start of [0, 1, 2]) {
        if (type !== TC && type !== SOCKET) continue;
        cases.push(
          plain(`${label} skb_load_bytes_relative ${off} ${start}`, type, b => {
            b.store('dw', R10, -8, -1).mov(R1, R6).alu32('mov', R2, off);
            stackAddr(b, R3, -8);
            b.mov(R4, 4)
              .mov(R5, start)
              .helper(id('skb_load_bytes_relative'))
              .load('w', R1, R10, -8)
              .alu64('add', R0, R1);
          }),
        );
      }
    }
    if (type !== TC && type !== SOCKET) continue;
    for (const [size, off] of [
      ['w', 0],
      ['h', 12],
      ['b', 140],
      ['w', 142],
      ['w', 143],
      ['w', 156],
      ['w', 157],
      ['b', -0x100000],
      ['w', -0x100000 + 12],
      ['h', -0x200000 + 12],
      ['b', -0x200000],
      ['b', -0x200000 + 159],
      ['b', -0x200000 + 160],
      ['b', -0x100000 + 145],
      ['b', -0x100000 + 146],
      ['w', -0x100000 - 1],
      ['b', -1],
    ] as const) {
      cases.push({
        name: `${label} ld_abs ${size} ${off}`,
        type,
        data: V4,
        insns: new ProgramBuilder()
          .mov(R6, R1)
          .mov(R0, 9)
          .emit(`ldabs${size}`, { imm: off })
          .alu64('add', R0, 1)
          .exit()
          .build(),
      });
      cases.push({
        name: `${label} ld_ind ${size} ${off}`,
        type,
        data: V4,
        insns: new ProgramBuilder()
          .mov(R6, R1)
          .mov(R7, off)
          .emit(`ldind${size}`, { src: 7 })
          .alu64('add', R0, 1)
          .exit()
          .build(),
      });
    }
  }
  for (const [off, flags] of [
    [0, 0],
    [12, 1],
    [20, 3],
    [96, 0],
    [97, 0],
    [20, 4],
    [-1, 0],
  ]) {
    cases.push(
      plain(`skb_store_bytes ${off} ${flags}`, TC, b => {
        for (let at = -64; at < 0; at += 8) b.store('dw', R10, at, 0x11223344 + at);
        b.mov(R1, R6).alu32('mov', R2, off);
        stackAddr(b, R3, -64);
        b.mov(R4, 64).mov(R5, flags).helper(id('skb_store_bytes'));
      }),
    );
  }
  return cases;
}
