import { assembleSource } from '../../src/asm/index.ts';
import { encodeInsns } from '../../src/isa/index.ts';
import { helperId } from '../../src/uapi/index.ts';
import { toHex } from '../../src/util/index.ts';

/** A program for a kernel's JIT to compile, in LLVM's spelling. */
export interface JitProgram {
  readonly name: string;
  /** `BPF_PROG_TYPE_*`; default socket filter. */
  readonly type?: number;
  readonly text: string;
  /** type, key bytes, value bytes, entries, flags */
  readonly maps?: readonly (readonly [number, number, number, number, number])[];
  /** Label of a `ld_imm64` → map, and the offset into its value where it is an address of that. */
  readonly refs?: Readonly<Record<string, readonly [map: number, valueOff?: number]>>;
}

const XDP = 6;
const HASH = 1;
const ARRAY = 2;
const PROG_ARRAY = 3;

/** Around every limit an immediate field has, and patterns whose halves are 0. */
const IMMEDIATES = [
  0, 1, -1, 2, 255, 32767, 32768, 32769, -32767, -32768, -32769, 65535, 65536, 65537, 0x12345678, 0x12340000,
  0x7fff8000, 2147483647, -65536, -2147483647, -2147483648,
];

const lines = (...parts: (string | readonly string[])[]) => parts.flat().join('\n');

const aluImmediates = (letter: 'r' | 'w') =>
  lines(
    `${letter}6 = 7`,
    ['+=', '-=', '*=', '&=', '|=', '^='].flatMap(op => IMMEDIATES.map(imm => `${letter}6 ${op} ${imm}`)),
    ['/=', '%=', 's/=', 's%='].flatMap(op => IMMEDIATES.filter(imm => imm !== 0).map(imm => `${letter}6 ${op} ${imm}`)),
    ['<<=', '>>=', 's>>='].flatMap(op => [0, 1, 7, 16, 31].map(imm => `${letter}6 ${op} ${imm}`)),
    IMMEDIATES.map(imm => `${letter}7 = ${imm}`),
    `${letter}6 = -${letter}6`,
    'r0 = r6',
    'r0 += r7',
    'exit',
  );

const aluRegisters = (letter: 'r' | 'w') =>
  lines(
    'call bpf_get_prandom_u32',
    'r6 = r0',
    'r7 = r0',
    ['+=', '-=', '*=', '&=', '|=', '^=', '/=', '%=', 's/=', 's%='].flatMap(op => [
      `${letter}6 ${op} ${letter}7`,
      `${letter}0 ${op} ${letter}6`,
      `${letter}7 ${op} ${letter}7`,
    ]),
    `${letter}7 &= 31`,
    ['<<=', '>>=', 's>>='].map(op => `${letter}6 ${op} ${letter}7`),
    `${letter}6 = ${letter}7`,
    `${letter}6 = ${letter}6`,
    `${letter}6 = (s8)${letter}7`,
    `${letter}6 = (s16)${letter}7`,
    letter === 'r' ? 'r6 = (s32)r7' : '',
    'r0 += r6',
    'exit',
  );

const jumps = (letter: 'r' | 'w') =>
  lines(
    'call bpf_get_prandom_u32',
    'r6 = r0',
    'call bpf_get_prandom_u32',
    'r7 = r0',
    'r0 = 0',
    ['==', '!=', '>', '>=', '<', '<=', 's>', 's>=', 's<', 's<=', '&'].flatMap((op, i) => [
      ...[0, 1, -1, 32767, 32768, -32768, -32769, 65535, 0x12340000].map(
        (imm, j) => `if ${letter}6 ${op} ${imm} goto k${i}_${j}\nr0 += 1\nk${i}_${j}:`,
      ),
      `if ${letter}6 ${op} ${letter}7 goto x${i}\nr0 += 2\nx${i}:`,
    ]),
    'exit',
  );

/** `count` slots of five instructions each. */
const bulk = (count: number) => Array.from({ length: count }, (_, i) => `r0 %= ${0x10001 + i}`);

const stackAndSwaps = lines(
  'r1 = 0x1122334455667788 ll',
  ['be16', 'be32', 'be64', 'le16', 'le32', 'le64', 'bswap16', 'bswap32', 'bswap64'].map(op => `r1 = ${op} r1`),
  'r0 = r1',
  'exit',
);

const mapAccess = lines(
  'm0: r6 = 0 ll',
  'm1: r7 = 0 ll',
  'r8 = 5',
  ['u8', 'u16', 'u32', 'u64'].flatMap(size =>
    [0, 1, 2, 3, 4, 5, 8, 40].flatMap(off => [
      `*(${size} *)(r6 + ${off}) = ${off === 1 ? -3 : 0x12345}`,
      `*(${size} *)(r7 + ${off}) = ${size === 'u64' ? 'r8' : 'w8'}`,
      size === 'u64' ? `r1 = *(u64 *)(r6 + ${off})` : `w1 = *(${size} *)(r6 + ${off})`,
      'r8 += r1',
    ]),
  ),
  ['s8', 's16', 's32'].flatMap(size => [0, 1, 2, 4, 12].flatMap(off => [`r1 = *(${size} *)(r7 + ${off})`, 'r8 += r1'])),
  'r0 = r8',
  'exit',
);

const atomics = lines(
  'r1 = 3',
  '*(u64 *)(r10 - 8) = r1',
  '*(u64 *)(r10 - 16) = r1',
  ['u64', 'u32'].flatMap(size => {
    const r = size === 'u64' ? 'r' : 'w';
    return [
      ...['+=', '&=', '|=', '^='].map(op => `lock *(${size} *)(r10 - 8) ${op} ${r}1`),
      ...['add', 'and', 'or', 'xor'].map(
        op => `${r}1 = atomic_fetch_${op}((${size} *)(r10 - 16), ${r}1)\nr2 = r1\nr1 = r2`,
      ),
      size === 'u64' ? 'r1 = xchg_64(r10 - 8, r1)' : 'w1 = xchg32_32(r10 - 8, w1)',
      size === 'u64' ? 'r0 = 3\nr0 = cmpxchg_64(r10 - 8, r0, r1)' : 'w0 = 3\nw0 = cmpxchg32_32(r10 - 8, w0, w1)',
      'r6 = r0',
    ];
  }),
  'r0 += r1',
  'exit',
);

/** `count` functions: the first calls four, those the one four further on. */
const manyFunctions = (count: number) =>
  lines(
    Array.from({ length: count }, (_, i) => {
      const body = [`f${i}:`];
      if (i % 3 === 1) body.push(`*(u64 *)(r10 - ${8 * (1 + (i % 5))}) = r1`);
      if (i % 4 === 2) body.push('r6 = r1', 'r7 = r1');
      for (const step of i === 0 ? [1, 2, 3, 4] : [4]) {
        if (i + step < count) body.push('r1 = 5', `call f${i + step}`);
      }
      body.push(`r0 = ${i}`);
      if (i % 4 === 2) body.push('r0 += 1');
      body.push('exit');
      return body;
    }).flat(),
  );

/** main calls each of the others; each of those has another shape. */
const shapes = (count: number) =>
  lines(
    'r6 = r1',
    'r7 = 0',
    Array.from({ length: count - 1 }, (_, i) => ['r1 = r6', `call g${i}`, 'r7 += r0']).flat(),
    'r0 = r7',
    'exit',
    Array.from({ length: count - 1 }, (_, i) => [
      `g${i}:`,
      `r0 = ${i}`,
      ...(i & 1 ? ['r9 = r1', 'r0 += r9', 'r0 = 1'] : []),
      ...(i & 2 ? [`*(u8 *)(r10 - ${1 + 24 * i}) = 1`] : []),
      ...(i & 4 ? ['call bpf_get_prandom_u32', 'w8 = w0', 'r0 = r8'] : []),
      'exit',
    ]).flat(),
  );

const tailCall = (before: string, after: string) =>
  lines(before, 'm0: r2 = 0 ll', 'r3 = 1', 'call bpf_tail_call', after, 'r0 = 1', 'exit');

/** Programs that between them use every instruction and form the JIT has for what an unattached program may do. */
export const JIT_PROGRAMS: readonly JitProgram[] = [
  { name: 'alu64-immediates', text: aluImmediates('r') },
  { name: 'alu32-immediates', text: aluImmediates('w') },
  { name: 'alu64-registers', text: aluRegisters('r') },
  { name: 'alu32-registers', text: aluRegisters('w') },
  { name: 'jumps64', text: jumps('r') },
  { name: 'jumps32', text: jumps('w') },
  { name: 'swaps-in-red-zone', text: stackAndSwaps },
  { name: 'swaps-in-frame', text: lines('*(u64 *)(r10 - 24) = 1', stackAndSwaps) },
  {
    name: 'constants',
    text: lines(
      [
        '0',
        '1',
        '-1',
        '0x7fff',
        '0x8000',
        '-0x8000',
        '0x7fffffff',
        '0x80000000',
        '-0x80000000',
        '0xffffffff',
        '0x100000000',
        '0x7fff00000000',
        '0x7fff00010000',
        '0x800000000000',
        '0xc000000000000000',
        '0xc008000000000000',
        '0xffff000000000000',
        '0x0001000000000001',
        '0x1234000000005678',
        '0x0000123456780000',
        '-0x100000000',
      ].map((value, i) => `r${6 + (i % 4)} = ${value} ll`),
      'r0 = 0',
      'exit',
    ),
  },
  {
    name: 'map-access',
    text: mapAccess,
    maps: [[ARRAY, 4, 64, 1, 0]],
    refs: { m0: [0, 0], m1: [0, 9] },
  },
  { name: 'atomics', text: atomics },
  {
    name: 'far-forward',
    text: lines(
      'call bpf_get_prandom_u32',
      'if r0 == 0 goto end',
      'if w0 s> 5 goto end',
      bulk(1640),
      'end:',
      'r0 = 0',
      'exit',
    ),
  },
  {
    name: 'far-backward',
    text: lines(
      'call bpf_get_prandom_u32',
      'r6 = 3',
      'again:',
      bulk(1636),
      'r6 += -1',
      'if r6 != 0 goto again',
      'if r6 == 1 goto again',
      'r0 = 0',
      'exit',
    ),
  },
  { name: 'long-jumps', text: lines('r0 = 0', 'gotol a', 'b:', 'goto c', 'a:', 'gotol b', 'c:', 'exit') },
  {
    name: 'exits',
    text: lines(
      'call bpf_get_prandom_u32',
      'r6 = r0',
      'if r6 > 7 goto a',
      'r0 = 1',
      'exit',
      'a:',
      'if r6 > 9 goto b',
      'r0 = 2',
      'exit',
      'b:',
      'r0 = 3',
      'exit',
    ),
  },
  {
    name: 'helpers',
    text: lines(
      '*(u32 *)(r10 - 4) = 1',
      'call bpf_ktime_get_ns',
      'r6 = r0',
      'call bpf_get_smp_processor_id',
      'r6 += r0',
      'call bpf_get_prandom_u32',
      'r6 += r0',
      ['m0', 'm1'].flatMap(map => [
        `${map}: r1 = 0 ll`,
        'r2 = r10',
        'r2 += -4',
        'call bpf_map_lookup_elem',
        `if r0 == 0 goto no_${map}`,
        'r1 = *(u64 *)(r0 + 0)',
        'r6 += r1',
        `no_${map}:`,
      ]),
      'm2: r1 = 0 ll',
      'r2 = r10',
      'r2 += -4',
      'r3 = r10',
      'r3 += -16',
      '*(u64 *)(r10 - 16) = r6',
      'r4 = 0',
      'call bpf_map_update_elem',
      'r0 = r6',
      'exit',
    ),
    maps: [
      [ARRAY, 4, 8, 4, 0],
      [HASH, 4, 8, 4, 0],
    ],
    refs: { m0: [0], m1: [1], m2: [1] },
  },
  { name: 'tail-call', text: tailCall('', ''), maps: [[PROG_ARRAY, 4, 4, 4, 0]], refs: { m0: [0] } },
  {
    name: 'tail-call-kept-registers',
    text: tailCall('r6 = r1\nr9 = 4', 'r6 = r9'),
    maps: [[PROG_ARRAY, 4, 4, 4, 0]],
    refs: { m0: [0] },
  },
  {
    name: 'tail-call-in-frame',
    text: tailCall(
      '*(u64 *)(r10 - 40) = r1\nr8 = r1\ncall bpf_get_prandom_u32\nr1 = r8',
      'r7 = *(u64 *)(r10 - 40)\nr8 = be64 r8',
    ),
    maps: [[PROG_ARRAY, 4, 4, 4, 0]],
    refs: { m0: [0] },
  },
  {
    name: 'packet-loads',
    text: lines('r6 = r1', 'r7 = 2', 'r0 = *(u8 *)skb[12]', 'r0 = *(u16 *)skb[12]', 'r0 = *(u32 *)skb[r7 + 3]', 'exit'),
  },
  {
    name: 'xdp-packet',
    type: XDP,
    text: lines(
      'r2 = *(u32 *)(r1 + 4)',
      'r3 = *(u32 *)(r1 + 0)',
      'r4 = r3',
      'r4 += 14',
      'r0 = 2',
      'if r4 > r2 goto out',
      'w5 = *(u16 *)(r3 + 12)',
      'r5 = be16 r5',
      'if w5 != 2048 goto out',
      'r0 = 1',
      'out:',
      'exit',
    ),
  },
  {
    name: 'call-last',
    text: lines(
      'r1 = 1',
      'goto over',
      'back:',
      'exit',
      'over:',
      'call f',
      'goto back',
      'f:',
      'w0 = w1',
      'w0 *= 3',
      'w0 s>>= 2',
      'w0 = -w0',
      'w1 = (s8)w0',
      'exit',
    ),
  },
  { name: 'functions-12', text: manyFunctions(12) },
  { name: 'functions-17', text: shapes(17) },
  {
    name: 'eight-frames',
    text: lines(
      Array.from({ length: 8 }, (_, i) => [
        `f${i}:`,
        `*(u64 *)(r10 - ${8 + 8 * i}) = ${i}`,
        ...(i < 7 ? [`call f${i + 1}`] : ['r0 = 1']),
        'exit',
      ]).flat(),
    ),
  },
  {
    name: 'swaps-and-atomics-in-function',
    text: lines(
      'call f',
      'r0 = 0',
      'exit',
      'f:',
      stackAndSwaps.replace('exit', ''),
      '*(u64 *)(r10 - 8) = 0',
      'w1 = 1',
      'lock *(u32 *)(r10 - 8) += w1',
      'w0 = 5',
      'w0 = cmpxchg32_32(r10 - 8, w0, w1)',
      'w1 = atomic_fetch_add((u32 *)(r10 - 4), w1)',
      'exit',
    ),
  },
  {
    name: 'large-function',
    text: lines('r6 = 1', 'call f', 'r0 = 0', 'exit', 'f:', 'r0 = 5', 'if r0 == 0 goto end', bulk(40), 'end:', 'exit'),
  },
];

const PERCPU_ARRAY = 6;

/** What ppc64's JIT refuses, or makes nothing of its own of. */
export const MORE_JIT_PROGRAMS: readonly JitProgram[] = [
  {
    name: 'tail-call-anywhere',
    text: lines(
      'r6 = r1',
      'call bpf_get_prandom_u32',
      'r3 = r0',
      'r1 = r6',
      'm0: r2 = 0 ll',
      'call bpf_tail_call',
      'r0 = 1',
      'exit',
    ),
    maps: [[PROG_ARRAY, 4, 4, 4, 0]],
    refs: { m0: [0] },
  },
  {
    name: 'tail-calls-in-functions',
    text: lines(
      '*(u64 *)(r10 - 24) = r1',
      'r6 = r1',
      'call f',
      'r1 = r6',
      'call g',
      'r1 = *(u64 *)(r10 - 24)',
      'm0: r2 = 0 ll',
      'r3 = 2',
      'call bpf_tail_call',
      'r0 = 1',
      'exit',
      'f:',
      '*(u64 *)(r10 - 8) = 0',
      'r7 = r1',
      'call h',
      'r3 = r0',
      'r1 = r7',
      'm1: r2 = 0 ll',
      'call bpf_tail_call',
      'r0 = 2',
      'exit',
      'g:',
      'm2: r2 = 0 ll',
      'r3 = 1',
      'call bpf_tail_call',
      'call bpf_get_prandom_u32',
      'exit',
      'h:',
      'call bpf_get_prandom_u32',
      'exit',
    ),
    maps: [[PROG_ARRAY, 4, 4, 4, 0]],
    refs: { m0: [0], m1: [0], m2: [0] },
  },
  {
    name: 'per-cpu',
    text: lines(
      '*(u32 *)(r10 - 4) = 1',
      'm0: r1 = 0 ll',
      'r2 = r10',
      'r2 += -4',
      'call bpf_map_lookup_elem',
      'if r0 == 0 goto out',
      'r6 = r0',
      'call bpf_get_smp_processor_id',
      '*(u64 *)(r6 + 0) += r0',
      'r7 = r0',
      'call bpf_get_smp_processor_id',
      'r0 += r7',
      'r0 = *(u64 *)(r6 + 0)',
      'out:',
      'r0 = 0',
      'exit',
    ).replace('*(u64 *)(r6 + 0) += r0', 'lock *(u64 *)(r6 + 0) += r0'),
    maps: [[PERCPU_ARRAY, 4, 8, 4, 0]],
    refs: { m0: [0] },
  },
  {
    name: 'tasks',
    type: 5,
    text: lines('call bpf_get_current_task', 'r6 = r0', 'call bpf_get_current_task', 'r0 += r6', 'exit'),
  },
  {
    name: 'atomics-everywhere',
    text: lines(
      'r6 = 7',
      'r7 = r10',
      'r7 += -40',
      '*(u64 *)(r7 + 0) = 1',
      '*(u64 *)(r7 + 8) = 1',
      ['r6', 'r1', 'r5', 'r0'].flatMap(reg => [
        `${reg} = 3`,
        ...['add', 'and', 'or', 'xor'].flatMap(op => [
          `${reg} = atomic_fetch_${op}((u64 *)(r7 + 8), ${reg})`,
          `${reg.replace('r', 'w')} = atomic_fetch_${op}((u32 *)(r7 + 0), ${reg.replace('r', 'w')})`,
        ]),
        `${reg} = xchg_64(r7 + 8, ${reg})`,
      ]),
      'r0 = 0',
      'exit',
    ),
  },
  {
    name: 'shifts-everywhere',
    text: lines(
      'call bpf_get_prandom_u32',
      'r4 = r0',
      'r4 &= 7',
      'r6 = r4',
      'r8 = 100',
      ['r', 'w'].flatMap(letter =>
        ['<<=', '>>=', 's>>='].flatMap(op => [
          `${letter}8 ${op} ${letter}4`,
          `${letter}8 ${op} ${letter}6`,
          `${letter}4 ${op} ${letter}6`,
          `${letter}0 ${op} ${letter}6`,
        ]),
      ),
      'r0 = r8',
      'exit',
    ),
  },
];

/** Lines of a kernel lab's `.prog` file. */
export function labText({ name, type, text, maps, refs }: JitProgram): string {
  const { insns, labels, errors } = assembleSource(text, { dialect: 'llvm', helperId, file: name });
  if (errors.length > 0) throw errors[0];
  const code = toHex(encodeInsns(insns)).match(/.{16}/g) ?? [];
  const out = [`name ${name}`, `type ${type ?? 1}`, 'log 4'];
  for (let i = 0; i < code.length; i += 1000) out.push(`insn ${code.slice(i, i + 1000).join(' ')}`);
  for (const map of maps ?? []) out.push(`map ${map.join(' ')}`);
  for (const [label, [map, valueOff]] of Object.entries(refs ?? {})) {
    const slot = labels.get(label);
    if (slot === undefined) throw new Error(`${name}: no label ${label}`);
    out.push(`ldmap ${slot} ${map} ${valueOff === undefined ? 1 : 2} ${valueOff ?? 0}`);
  }
  out.push(`data ${'00'.repeat(64)}`, 'end');
  return out.join('\n');
}
