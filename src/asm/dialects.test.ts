import { describe, expect, it } from 'vitest';
import { encodeInsns, type Insn, makeInsn } from '../isa/index.ts';
import { toHex } from '../util/index.ts';
import { assemble, type DialectName, disassemble, type PrintOptions, printInsn } from './index.ts';

const HELPERS: Readonly<Record<string, number>> = { bpf_map_lookup_elem: 1, bpf_trace_printk: 6 };
const helperId = (name: string): number | undefined => HELPERS[name];
const helperName = (id: number): string | undefined => Object.keys(HELPERS).find(name => HELPERS[name] === id);

const hex = (insns: readonly Insn[]): string => toHex(encodeInsns(insns));
const bytes = (text: string, dialect: DialectName): string => hex(assemble(text, { dialect, helperId }));

/** bytes, then the text of llvm, conformance and kernel. */
const SPELLINGS: readonly [string, string, string, string][] = [
  ['0702000005000000', 'r2 += 0x5', 'add %r2, 5', '(07) r2 += 5'],
  ['c7020000fbffffff', 'r2 s>>= -0x5', 'arsh %r2, -5', '(c7) r2 s>>= -5'],
  ['0c12000000000000', 'w2 += w1', 'add32 %r2, %r1', '(0c) w2 += w1'],
  ['3702010002000000', 'r2 s/= 0x2', 'sdiv %r2, 2', '(37) r2 s/= 2'],
  ['9c12010000000000', 'w2 s%= w1', 'smod32 %r2, %r1', '(9c) w2 s%= w1'],
  ['8703000000000000', 'r3 = -r3', 'neg %r3', '(87) r3 = -r3'],
  ['bf12080000000000', 'r2 = (s8)r1', 'movsx864 %r2, %r1', '(bf) r2 = (s8)r1'],
  ['bc12100000000000', 'w2 = (s16)w1', 'movsx1632 %r2, %r1', '(bc) w2 = (s16)w1'],
  ['dc01000010000000', 'r1 = be16 r1', 'be16 %r1', '(dc) r1 = be16 r1'],
  ['d701000040000000', 'r1 = bswap64 r1', 'bswap64 %r1', '(d7) r1 = bswap64 r1'],
  [
    'bf12010001000000',
    'r2 = addr_space_cast(r1, 0x0, 0x1)',
    'addr_space_cast_kern %r2, %r1',
    '(bf) r2 = addr_space_cast(r1, 0, 1)',
  ],
  ['6112040000000000', 'r2 = *(u32 *)(r1 + 0x4)', 'ldxw %r2, [%r1+4]', '(61) r2 = *(u32 *)(r1 +4)'],
  ['91a2f8ff00000000', 'r2 = *(s8 *)(r10 - 0x8)', 'ldxsb %r2, [%r10-8]', '(91) r2 = *(s8 *)(r10 -8)'],
  ['7a0a0000ffffffff', '*(u64 *)(r10 + 0x0) = -0x1', 'stdw [%r10], -1', '(7a) *(u64 *)(r10 +0) = -1'],
  ['db1af8ff00000000', 'lock *(u64 *)(r10 - 0x8) += r1', 'lock add [%r10-8], %r1', '(db) lock *(u64 *)(r10 -8) += r1'],
  [
    'c31af8ff00000000',
    'lock *(u32 *)(r10 - 0x8) += r1',
    'lock add32 [%r10-8], %r1',
    '(c3) lock *(u32 *)(r10 -8) += r1',
  ],
  [
    'db1af8ff41000000',
    'r1 = atomic_fetch_or((u64 *)(r10 - 0x8), r1)',
    'lock fetch or [%r10-8], %r1',
    '(db) r1 = atomic64_fetch_or((u64 *)(r10 -8), r1)',
  ],
  [
    'c31af8ff41000000',
    'w1 = atomic_fetch_or((u32 *)(r10 - 0x8), w1)',
    'lock fetch or32 [%r10-8], %r1',
    '(c3) r1 = atomic_fetch_or((u32 *)(r10 -8), r1)',
  ],
  [
    'db1af8ffe1000000',
    'r1 = xchg_64(r10 - 0x8, r1)',
    'lock xchg [%r10-8], %r1',
    '(db) r1 = atomic64_xchg((u64 *)(r10 -8), r1)',
  ],
  [
    'c31af8fff1000000',
    'w0 = cmpxchg32_32(r10 - 0x8, w0, w1)',
    'lock cmpxchg32 [%r10-8], %r1',
    '(c3) r0 = atomic_cmpxchg((u32 *)(r10 -8), r0, r1)',
  ],
  [
    'd312040000010000',
    'w2 = load_acquire((u8 *)(r1 + 0x4))',
    'load_acq8 %r2, [%r1+4]',
    '(d3) r2 = load_acquire((u8 *)(r1 +4))',
  ],
  [
    'db12040010010000',
    'store_release((u64 *)(r2 + 0x4), r1)',
    'store_rel64 [%r2+4], %r1',
    '(db) store_release((u64 *)(r2 +4), r1)',
  ],
  ['300000001a000000', 'r0 = *(u8 *)skb[0x1a]', 'ldabsb 26', '(30) r0 = *(u8 *)skb[26]'],
  ['4810000000000000', 'r0 = *(u16 *)skb[r1]', 'ldindh %r1, 0', '(48) r0 = *(u16 *)skb[r1 + 0]'],
  ['48100000f8ffffff', 'r0 = *(u16 *)skb[r1 - 0x8]', 'ldindh %r1, -8', '(48) r0 = *(u16 *)skb[r1 + -8]'],
  ['18010000ffffffff00000000ffffffff', 'r1 = -0x1 ll', 'lddw %r1, 0xffffffffffffffff', '(18) r1 = 0xffffffffffffffff'],
  ['18110000050000000000000000000000', 'ld_pseudo\tr1, 0x1, 0x5', 'lddw_map_fd %r1, 5', '(18) r1 = map[id:5]'],
  [
    '18210000050000000000000008000000',
    'ld_pseudo\tr1, 0x2, 0x800000005',
    'lddw_map_value %r1, 5, 8',
    '(18) r1 = map[id:5][0]+8',
  ],
  ['18410000050000000000000000000000', 'ld_pseudo\tr1, 0x4, 0x5', 'lddw_func %r1, +5', '(18) r1 = subprog[+5]'],
  ['18510000050000000000000000000000', 'ld_pseudo\tr1, 0x5, 0x5', 'lddw_map_idx %r1, 5', '(18) r1 = map[idx:5]'],
  ['0500030000000000', 'goto +0x3', 'ja +3', '(05) goto pc+3'],
  ['06000000ffffffff', 'gotol -0x1', 'ja32 -1', '(06) gotol pc-1'],
  ['0d02000000000000', 'gotox r2', 'gotox %r2', '(0d) gotox r2'],
  ['e500020000000000', 'may_goto +0x2', 'may_goto +2', '(e5) may_goto pc+2'],
  ['65010200feffffff', 'if r1 s> -0x2 goto +0x2', 'jsgt %r1, -2, +2', '(65) if r1 s> 0xfffffffe goto pc+2'],
  ['4e21feff00000000', 'if w1 & w2 goto -0x2', 'jset32 %r1, %r2, -2', '(4e) if w1 & w2 goto pc-2'],
  ['8500000001000000', 'call 0x1', 'call 1', '(85) call bpf_map_lookup_elem#1'],
  ['85000000e7030000', 'call 0x3e7', 'call 999', '(85) call unknown#999'],
  ['8510000002000000', 'call pc+0x2', 'call local +2', '(85) call pc+2'],
  ['8520000007000000', 'call kfunc(0x7, 0x0)', 'call runtime 7', '(85) call kernel-function#7'],
  ['8d02000000000000', 'callx r2', 'call %r2', '(8d) callx r2'],
  ['9500000000000000', 'exit', 'exit', '(95) exit'],
];

describe('spelling', () => {
  it.each(SPELLINGS)('%s', (want, llvm, conformance, kernel) => {
    const texts = { llvm, conformance, kernel } as const;
    for (const dialect of ['llvm', 'conformance', 'kernel'] as const) {
      const insns = assemble(texts[dialect], { dialect });
      expect(hex(insns), dialect).toBe(want);
      expect(printInsn(insns, 0, { dialect, helperName })).toBe(texts[dialect]);
    }
  });

  it('names 32-bit registers in narrow loads and stores when asked to', () => {
    const options = { dialect: 'llvm', alu32: true } as const;
    const print = (text: string): string => printInsn(assemble(text, { dialect: 'llvm' }), 0, options);
    expect(print('r1 = *(u32 *)(r2 + 4)')).toBe('w1 = *(u32 *)(r2 + 0x4)');
    expect(print('*(u8 *)(r2 + 4) = r1')).toBe('*(u8 *)(r2 + 0x4) = w1');
    expect(print('lock *(u32 *)(r2 + 4) += r1')).toBe('lock *(u32 *)(r2 + 0x4) += w1');
    expect(print('r1 = *(u64 *)(r2 + 4)')).toBe('r1 = *(u64 *)(r2 + 0x4)');
  });
});

describe('tolerance', () => {
  const CASES: readonly [DialectName, string, string][] = [
    ['llvm', 'r1=5', 'b701000005000000'],
    ['llvm', '  R1  =  5  ', 'b701000005000000'],
    ['llvm', 'r1 = 0xffffffff', 'b7010000ffffffff'],
    ['llvm', 'r1 = 4294967295', 'b7010000ffffffff'],
    ['llvm', 'r1 = 010', 'b701000008000000'],
    ['llvm', 'r1 = 0b11', 'b701000003000000'],
    ['llvm', 'r1 = 2 + 3 * 4', 'b70100000e000000'],
    ['llvm', 'r1 = -(1 << 3) | 1', 'b7010000f9ffffff'],
    ['llvm', 'r1=-r1', '8701000000000000'],
    ['llvm', '*(u32*)(r1+4+4)=7', '6201080007000000'],
    ['llvm', 'r1 = *(u8 *)(r2)', '7121000000000000'],
    ['llvm', 'w1 = *(u8 *)(r2 + 0)', '7121000000000000'],
    ['llvm', 'r1 = 5; r2 = 6 // two', 'b701000005000000b702000006000000'],
    ['llvm', '/* a\n b */ exit # done', '9500000000000000'],
    ['llvm', 'goto +0x0 <prog+0x8>', '0500000000000000'],
    ['llvm', 'if r1 > 7 goto +1 <L1>', '2501010007000000'],
    ['llvm', 'goto 3', '0500030000000000'],
    ['llvm', 'call +2', '8500000002000000'],
    ['llvm', 'call bpf_trace_printk', '8500000006000000'],
    ['llvm', 'a: goto b; b: goto a', '05000000000000000500feff00000000'],
    [
      'llvm',
      '1: r1 = 1\nif r1 > 1 goto 1b\ngoto 1f\n1: exit',
      'b701000001000000' + '2501feff01000000' + '0500000000000000' + '9500000000000000',
    ],
    ['llvm', 'call f; exit; f: exit', '851000000100000095000000000000009500000000000000'],
    ['llvm', 'r1 = f ll; exit; f: exit', '1841000002000000000000000000000095000000000000009500000000000000'],
    ['llvm', '.globl f\n.p2align 3\n.quad 0x95, 0x95', '95000000000000009500000000000000'],
    ['conformance', 'MOV: mov32 %r1 , 0x87654321 # comment', 'b401000021436587'],
    [
      'conformance',
      'ja exit\nmov %r0, 1\nexit\nexit',
      '0500010000000000' + 'b700000001000000' + '9500000000000000' + '9500000000000000',
    ],
    ['conformance', 'lock fetch_add32 [%r10-8], %r1', 'c31af8ff01000000'],
    ['conformance', 'swap16 %r0', 'd700000010000000'],
    ['conformance', 'call helper 5', '8500000005000000'],
    ['conformance', 'call bpf_map_lookup_elem', '8500000001000000'],
    ['conformance', 'call local f\nf:\nexit', '85100000000000009500000000000000'],
    ['conformance', 'lddw %r0, 18446744073709551615', '18000000ffffffff00000000ffffffff'],
    ['kernel', '  12: (b7) r0 = 0          ; R0_w=0', 'b700000000000000'],
    ['kernel', 'r0 = 0', 'b700000000000000'],
    ['kernel', '(18) r0 = 0x0', '18000000000000000000000000000000'],
    ['kernel', 'int prog(struct xdp_md * ctx):\n; return 0;\n   0: (95) exit\n', '9500000000000000'],
    ['kernel', '(85) call pc+2#bpf_prog_cf418ac8b67bebd9_f', '8510000002000000'],
    ['kernel', '(1e) if w1 == w2 goto pc-1', '1e21ffff00000000'],
  ];
  it.each(CASES)('%s: %s', (dialect, text, want) => expect(bytes(text, dialect)).toBe(want));
});

describe('programs', () => {
  const source = 'r0 = 0\nr1 = 1 ll\nif r1 > 5 goto +1\ncall pc+2\ngoto -6\ngoto +100\nexit\n';

  it('numbers slots in the kernel dialect', () => {
    const text = disassemble(assemble(source, { dialect: 'llvm' }), { dialect: 'kernel' });
    expect(text).toBe(
      [
        '   0: (b7) r0 = 0',
        '   1: (18) r1 = 0x1',
        '   3: (25) if r1 > 0x5 goto pc+1',
        '   4: (85) call pc+2',
        '   5: (05) goto pc-6',
        '   6: (05) goto pc+100',
        '   7: (95) exit',
        '',
      ].join('\n'),
    );
  });

  it('labels targets inside the program and leaves the others as numbers', () => {
    const insns = assemble(source, { dialect: 'llvm' });
    const text = disassemble(insns, {
      dialect: 'conformance',
      labels: true,
      labelName: i => (i === 7 ? 'end' : undefined),
    });
    expect(text).toBe(
      'L1:\n\tmov %r0, 0\n\tlddw %r1, 0x1\n\tjgt %r1, 5, L2\n\tcall local end\nL2:\n\tja L1\n\tja +100\nend:\n\texit\n',
    );
  });

  it('has a spelling for what is no instruction', () => {
    const insns = [makeInsn(0x07, 1, 0, 1, 5), makeInsn(0xff, 15, 15, -1, -1)];
    expect(disassemble(insns, { dialect: 'llvm' })).toBe('.8byte 0x0000000500010107\n.8byte 0xffffffffffffffff\n');
    expect(disassemble(insns, { dialect: 'kernel' })).toBe(
      '   0: .8byte 0x0000000500010107 ; (07) r1 += 5\n   1: .8byte 0xffffffffffffffff ; BUG_ff\n',
    );
    expect(disassemble(insns, { dialect: 'kernel', exact: false })).toBe('   0: (07) r1 += 5\n   1: BUG_ff\n');
  });
});

describe('the text of Linux', () => {
  const print = (insn: Insn, options: Omit<PrintOptions, 'dialect'> = {}): string =>
    printInsn([insn, makeInsn(0, 0, 0, 0, 1)], 0, { ...options, dialect: 'kernel' });

  it('is what it prints for illegal and internal instructions', () => {
    expect(print(makeInsn(0xbf, 1, 2, -1, 0))).toBe('(bf) r1 = &(void __percpu *)(r2)');
    expect(print(makeInsn(0xbf, 1, 2, 1, 0x20003))).toBe('(bf) r1 = addr_space_cast(r2, 2, 3)');
    expect(print(makeInsn(0xdc, 1, 0, 0, 24))).toBe('(dc) r1 = be24 r1');
    expect(print(makeInsn(0xc3, 1, 2, 0, 0x33))).toBe('BUG_c3');
    expect(print(makeInsn(0xb7, 12, 3, 4, 5))).toBe('(b7) r12 = 5');
    expect(print(makeInsn(0x85, 0, 9, 0, 5))).toBe('(85) call unknown#5');
  });

  it('knows what a release does not have yet', () => {
    const insn = makeInsn(0xdb, 1, 2, 0, 0x100);
    expect(print(insn)).toBe('(db) r1 = load_acquire((u64 *)(r2 +0))');
    expect(print(insn, { linux: '6.12' })).toBe('BUG_db');
  });

  it('takes names from hooks', () => {
    const cbCall = (insn: Insn): string => (insn.src === 1 ? `+${insn.off}#f` : 'bpf_foo');
    expect(print(makeInsn(0x85, 0, 1, 4, 2), { cbCall })).toBe('(85) call pc+4#f');
    expect(print(makeInsn(0x85, 0, 2, 0, 9), { cbCall })).toBe('(85) call bpf_foo#9');
    expect(print(makeInsn(0x85, 0, 0, 0, 1), { cbCall, helperName })).toBe('(85) call bpf_map_lookup_elem#1');
    const cbImm = (_: Insn, imm64: bigint): string => `0x${imm64.toString(16)}`;
    expect(print(makeInsn(0x18, 1, 1, 0, 5), { cbImm })).toBe('(18) r1 = 0x100000005');
    expect(print(makeInsn(0x18, 1, 1, 0, 5), { cbImm, allowPtrLeaks: false })).toBe('(18) r1 = 0x0');
  });

  it('is replaced by bytes where a hook took away what the text needs', () => {
    const insns = [makeInsn(0x18, 1, 1, 0, 5), makeInsn(0, 0, 0, 0, 0)];
    const text = disassemble(insns, { dialect: 'kernel', cbImm: () => '0x5' });
    expect(text).toContain('; (18) r1 = 0x5');
    expect(assemble(text, { dialect: 'kernel' })).toEqual(insns);
  });
});
