import { Random } from './random.ts';

/** A program a kernel accepts and rewrites, in the kernel's own text. */
export interface FixupProgram {
  readonly name: string;
  /** `BPF_PROG_TYPE_*`: 1 socket filter, 6 XDP. */
  readonly type: number;
  readonly text: string;
}

/** Two numbers nobody knows anything about, in R6 and R7. */
const UNKNOWN = `call bpf_ktime_get_ns#5
r6 = r0
call bpf_get_prandom_u32#7
r7 = r0`;
const xdp = (name: string, body: string): FixupProgram => ({ name, type: 6, text: `${UNKNOWN}\n${body}` });

function divisions(): FixupProgram[] {
  const programs: FixupProgram[] = [];
  for (const bits of [64, 32]) {
    const [a, b] = bits === 64 ? ['r6', 'r7'] : ['w6', 'w7'];
    for (const [name, op] of [
      ['div', '/='],
      ['mod', '%='],
      ['sdiv', 's/='],
      ['smod', 's%='],
    ]) {
      for (const [kind, operand] of [
        ['reg', b],
        ['same', a],
        ['minus_one', '-1'],
        ['seven', '7'],
      ]) {
        programs.push(xdp(`${name}${bits}_${kind}`, `${a} ${op} ${operand}\nr0 = r6\nexit`));
      }
    }
  }
  return programs;
}

/** Straight code with forward jumps over registers nobody knows, so that no branch is dead; `ops` as the text has them. */
function generated(name: string, seed: number, ops: readonly string[]): FixupProgram {
  const random = new Random(seed);
  const below = (n: number): number => random.below(n);
  const lines = ['r8 = r6', 'r8 += r7', 'r9 = r7', 'r9 ^= r6', '*(u64 *)(r10 -8) = r6', '*(u64 *)(r10 -16) = r7'];
  const regs = [6, 7, 8, 9];
  const count = 24;
  for (let i = 0; i < count; i++) {
    const dst = below(4);
    const src = (dst + 1 + below(3)) % 4;
    const w = below(2) === 0 ? 'w' : 'r';
    const left = Math.min(4, count - i - 1);
    const slot = below(2) === 0 ? -8 : -16;
    switch (below(8)) {
      case 0:
        lines.push(
          `if ${w}${regs[dst]} ${['>', '==', 's<', '!='][below(4)]} ${w}${regs[src]} goto pc+${below(left + 1)}`,
        );
        break;
      case 1:
        lines.push(`r${regs[dst]} = *(${['u64', 'u32', 'u16', 's32'][below(4)]} *)(r10 ${slot})`);
        break;
      case 2:
        lines.push(`*(${['u64', 'u32', 'u8'][below(3)]} *)(r10 ${slot}) = r${regs[src]}`);
        break;
      case 3:
        lines.push(`${w}${regs[dst]} = ${w}${regs[src]}`);
        break;
      default:
        lines.push(`${w}${regs[dst]} ${ops[below(ops.length)]} ${w}${regs[src]}`);
    }
  }
  lines.push('r0 = r6', 'w0 += w8', 'r0 += r9', 'exit');
  return xdp(`${name}_${seed}`, lines.join('\n'));
}

const SEEDS = Array.from({ length: 24 }, (_, i) => i + 1);

/** Programs whose rewriting by real kernels is recorded in `testdata/kernel/fixups-*.jsonl.gz`. */
export const FIXUP_PROGRAMS: readonly FixupProgram[] = [
  ...divisions(),
  xdp('div_target', 'if r7 > r6 goto pc+1\nr6 = r7\nr6 /= r7\nif r6 > r7 goto pc+1\nw6 %= w7\nr0 = r6\nexit'),
  xdp('may_goto', '*(u64 *)(r10 -16) = r6\nmay_goto pc+2\nr6 += 1\ngoto pc-3\nr0 = 0\nexit'),
  xdp('may_goto_twice', 'may_goto pc+3\nif r6 == r7 goto pc+1\nmay_goto pc+1\ngoto pc-4\nr0 = 0\nexit'),
  xdp('zext', 'w8 = w6\nw8 += w7\nr9 = r8\nw6 <<= 3\nif w6 > 0x7 goto pc+1\nw9 = 2\nr0 = r9\nexit'),
  xdp('cmpxchg', '*(u64 *)(r10 -8) = r6\nr0 = 1\nr0 = atomic_cmpxchg((u32 *)(r10 -8), r0, r7)\nr0 += r7\nexit'),
  xdp('fetch', '*(u64 *)(r10 -8) = r6\nr7 = atomic_fetch_add((u32 *)(r10 -8), r7)\nr0 = r7\nexit'),
  xdp(
    'cmpxchg_low',
    '*(u64 *)(r10 -8) = r6\nr0 = atomic_cmpxchg((u32 *)(r10 -8), r0, r7)\nif w0 == 0x1 goto pc+0\nr0 = 0\nexit',
  ),
  xdp('swap', 'r8 = r7\nr6 = be16 r6\nr7 = bswap32 r7\nr8 = be64 r8\nr0 = r6\nr0 += r7\nr0 += r8\nexit'),
  xdp('call', 'w1 = w6\nw2 = w7\ncall pc+3\nw6 = w0\nr0 = 0\nexit\nr0 = r1\nw0 += w2\nexit'),
  xdp('returned', 'w1 = w6\ncall pc+2\nr0 += 1\nexit\nw0 = w1\nexit'),
  xdp('saved', 'w6 = w7\nw8 = w7\ncall pc+4\nr0 += r6\nw0 += w8\nr0 = r0\nexit\nr0 = 1\nexit'),
  {
    name: 'may_goto_sub',
    type: 6,
    text: 'call pc+2\nr0 = 0\nexit\n*(u32 *)(r10 -4) = 7\nr0 = 1\nmay_goto pc+1\ngoto pc-3\nexit',
  },
  { name: 'may_goto_first', type: 6, text: 'may_goto pc+1\ngoto pc-2\nr0 = 0\nexit' },
  {
    name: 'ld_abs',
    type: 1,
    text: 'r6 = r1\nr0 = *(u8 *)skb[9]\nr7 = r0\nr0 = *(u16 *)skb[12]\nr7 += r0\nr0 = *(u32 *)skb[26]\nr0 += r7\nexit',
  },
  {
    name: 'ld_ind',
    type: 1,
    text: 'r6 = r1\nr7 = 3\nr0 = *(u8 *)skb[r7 + 0]\nr0 = *(u16 *)skb[r7 + 4]\nr1 = 2\nr0 = *(u32 *)skb[r1 + 9]\nexit',
  },
  ...SEEDS.map(seed => generated('divisions', seed, ['/=', '%=', 's/=', 's%=', '+=', '^='])),
  ...SEEDS.map(seed => generated('halves', seed, ['+=', '-=', '^=', '*='])),
];
