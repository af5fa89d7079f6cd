import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { flowProgram, startRegs } from '../../test/support/flow-programs.ts';
import { evaluate, garbageSource, tryEvaluate } from '../../test/support/xlated-eval.ts';
import { kernelLines } from '../../test/support/xlated-text.ts';
import { assemble } from '../asm/index.ts';
import { type Insn, ProgramBuilder, R0, R1, R6, R10 } from '../isa/index.ts';
import { kernelImage } from '../kernels/index.ts';
import { bpf_prog_type } from '../uapi/index.ts';
import { FarcallError } from '../util/index.ts';
import { type XlateInput, type XlateOptions, xlateUnverified } from './xlate.ts';

const kernel = kernelImage('6.12-ppc64el');
const llvm = (text: string): Insn[] => assemble(text, { dialect: 'llvm' });

function xlate(insns: readonly Insn[], input: Partial<XlateInput> = {}, options: Partial<XlateOptions> = {}) {
  return xlateUnverified(
    { name: 'prog', type: bpf_prog_type.BPF_PROG_TYPE_XDP, insns, ...input },
    { kernel, ...options },
  );
}
const distance = (symbol: string): number => kernel.symbolOffset(symbol);

describe('calls', () => {
  it('become distances, and the ids behind them are kept', () => {
    const x = xlate(llvm('call 5\ncall 7\ncall 5\nexit'));
    const ktime = distance('bpf_ktime_get_ns');
    const random = distance(kernel.helperSymbol(7, bpf_prog_type.BPF_PROG_TYPE_XDP));
    expect(x.insns.map(insn => insn.imm)).toEqual([ktime, random, ktime, 0]);
    expect([...x.helpers]).toEqual([
      [ktime, 5],
      [random, 7],
    ]);
  });

  it('of bpf_tail_call are instructions of their own', () => {
    const x = xlate(llvm('call 12\nr0 = 0\nexit'));
    expect(x.insns[0]).toEqual({ code: 0xf5, dst: 0, src: 0, off: 0, imm: 0 });
    expect(x.subprogs[0]).toMatchObject({ hasTailCall: true, tailCallReachable: true });
    expect(x.helpers.size).toBe(0);
  });

  it('of kernel functions keep their numbers, local ones their distance', () => {
    const insns = new ProgramBuilder().call('f').raw({ code: 0x85, dst: 0, src: 2, off: 1, imm: 77 }).exit().label('f');
    insns.alu64('div', R0, R1).exit();
    const kfuncs = [{ imm: 77, off: 1, name: 'bpf_something' }];
    const x = xlate(insns.build(), { kfuncs });
    expect(x.insns[0].imm).toBe(2);
    expect(x.insns[1]).toMatchObject({ src: 2, off: 1, imm: 77 });
    expect(x.kfuncs).toBe(kfuncs);
  });

  it('of storage helpers pass allocation flags', () => {
    expect(kernelLines(xlate(llvm('call 107\nexit')).insns)[0]).toBe('r5 = 2080');
    expect(kernelLines(xlate(llvm('call 156\nexit'), { sleepable: true }).insns)[0]).toBe('r5 = 3264');
  });
});

describe('packet loads', () => {
  it.each([
    ['r0 = *(u16 *)skb[12]', 'r2 = 12 | r1 = r6', 'bpf_skb_load_helper_16_no_cache'],
    ['r0 = *(u8 *)skb[r3 + 0]', 'r2 = r3 | r1 = r6', 'bpf_skb_load_helper_8_no_cache'],
    ['r0 = *(u32 *)skb[r3 + 4]', 'r2 = r3 | r2 += 4 | r1 = r6', 'bpf_skb_load_helper_32_no_cache'],
    ['r0 = *(u32 *)skb[r1 + 4]', 'r2 = r1 | r2 += 4 | r1 = r6', 'bpf_skb_load_helper_32_no_cache'],
  ])('%s', (text, arguments_, symbol) => {
    const insns = assemble(text, { dialect: 'kernel' });
    const x = xlate([...insns, { code: 0x95, dst: 0, src: 0, off: 0, imm: 0 }]);
    const lines = kernelLines(x.insns);
    const call = lines.findIndex(line => line.startsWith('call'));
    expect(lines.slice(0, call).join(' | ')).toBe(arguments_);
    expect(lines.slice(call + 1)).toEqual(['if r0 s>= 0x0 goto pc+2', 'w0 ^= w0', 'exit', 'exit']);
    expect(x.insns[call].imm).toBe(distance(symbol));
    expect([...x.internalCalls]).toEqual([[distance(symbol), symbol]]);
  });
});

describe('may_goto', () => {
  it('counts below the stack the function uses, set at its entry, jumps to the start staying behind', () => {
    const x = xlate(llvm('*(u64 *)(r10 - 16) = r1\nr0 = 0\nmay_goto +1\ngoto -4\nexit'));
    expect(kernelLines(x.insns)).toEqual([
      '*(u64 *)(r10 -24) = 8388608',
      '*(u64 *)(r10 -16) = r1',
      'r0 = 0',
      'r11 = *(u64 *)(r10 -24)',
      'if r11 == 0x0 goto pc+3',
      'r11 -= 1',
      '*(u64 *)(r10 -24) = r11',
      'goto pc-7',
      'exit',
    ]);
    expect(x.subprogs[0].stackDepthBytes).toBe(24);
  });

  it('jumps backwards too, to itself even, and only in functions that have it', () => {
    const x = xlate(llvm('call f\nexit\nf:\nr0 = 0\nmay_goto -2\nmay_goto -1\nexit'));
    expect(kernelLines(x.insns)).toEqual([
      'call pc+1',
      'exit',
      '*(u64 *)(r10 -8) = 8388608',
      'r0 = 0',
      'r11 = *(u64 *)(r10 -8)',
      'if r11 == 0x0 goto pc-3',
      'r11 -= 1',
      '*(u64 *)(r10 -8) = r11',
      'r11 = *(u64 *)(r10 -8)',
      'if r11 == 0x0 goto pc-2',
      'r11 -= 1',
      '*(u64 *)(r10 -8) = r11',
      'exit',
    ]);
    expect(x.subprogs.map(s => [s.start, s.end, s.stackDepthBytes])).toEqual([
      [0, 2, 0],
      [2, 13, 8],
    ]);
  });
});

describe('loads and arenas', () => {
  it('probe when asked, but for those of the own frame', () => {
    const x = xlate(
      llvm('r1 = *(u32 *)(r1 + 4)\nr2 = *(s8 *)(r1 + 0)\nr3 = *(u64 *)(r10 - 8)\nr0 = 0\nexit'),
      {},
      {
        probeReads: true,
      },
    );
    expect(x.insns.slice(0, 3).map(insn => insn.code.toString(16))).toEqual(['21', '51', '79']);
  });

  it('test for user space where the kernel has them do so', () => {
    const insns = llvm('r1 = *(u32 *)(r2 + 4)\nr1 = *(u8 *)(r1 + 0)\nexit');
    const lines = kernelLines(
      xlate(insns, {}, { probeReads: true, userLimitHigh: 0xffff }).insns.map(insn =>
        (insn.code & 0xe7) === 0x21 ? { ...insn, code: insn.code ^ 0x40 } : insn,
      ),
    );
    expect(lines).toEqual([
      'r11 = r2',
      'r11 += 4',
      'r11 >>= 32',
      'if r11 <= 0xffff goto pc+2',
      'r1 = *(u32 *)(r2 +4)',
      'goto pc+1',
      'r1 = 0',
      'r11 = r1',
      'r11 >>= 32',
      'if r11 <= 0xffff goto pc+2',
      'r1 = *(u8 *)(r1 +0)',
      'goto pc+1',
      'r1 = 0',
      'exit',
    ]);
  });

  const arena = { kernVmStart: 0xc008_0000_1000_0000n, userVmStart: 0x7f00_0000_0000n };
  const castKern = { code: 0xbf, dst: 1, src: 1, off: 1, imm: 1 };
  const castUser = { code: 0xbf, dst: 1, src: 1, off: 1, imm: 0x10000 };

  it('cast to the kernel is the low half; to user space is left to the JIT', () => {
    const insns = [castKern, castUser, ...llvm('r0 = 0\nexit')];
    const x = xlate(insns, { arena });
    expect(x.insns.slice(0, 2)).toEqual([{ code: 0xbc, dst: 1, src: 1, off: 0, imm: 0 }, castUser]);
    expect(x.arena).toBe(arena);
    expect(xlate(insns).insns[1].code).toBe(0xbc);
  });
});

describe('constants', () => {
  it('are arena pointers only as whole user space addresses of it', () => {
    const arena = { kernVmStart: 0n, userVmStart: 0x7f00_0000_2000n, sizeBytes: 4096 };
    const codeAfter = (value: bigint): number =>
      xlate(new ProgramBuilder().imm64(R1, value).load('w', R0, R1).exit().build(), { arena }).insns[2].code;
    expect(codeAfter(0x7f00_0000_2000n).toString(16)).toBe('a1');
    expect(codeAfter(0x7f00_0000_2fffn).toString(16)).toBe('a1');
    for (const other of [0x7f00_0000_1fffn, 0x7f00_0000_3000n, 0x2000n, 0n]) {
      expect(codeAfter(other).toString(16)).toBe('61');
    }
  });
});

describe('exceptions', () => {
  const kfuncs = [{ imm: 9, off: 0, name: 'bpf_throw' }];
  const throwing = [...llvm('r1 = 1'), { code: 0x85, dst: 0, src: 2, off: 0, imm: 9 }];

  it('get a hidden function to end in', () => {
    const x = xlate(throwing, { kfuncs });
    expect(kernelLines(x.insns).slice(2)).toEqual(['r0 = r1', 'exit']);
    expect(x.hiddenSubprogCount).toBe(1);
    expect(x.subprogs).toMatchObject([
      { start: 0, end: 2, isExceptionCallback: false },
      { start: 2, end: 4, isExceptionCallback: true, isCallback: false },
    ]);
  });

  it('end in the function that is named', () => {
    const x = xlate([...throwing, ...llvm('r0 = 5\nexit')], { kfuncs, exceptionCallback: 2 });
    expect(x.hiddenSubprogCount).toBe(0);
    expect(x.subprogs[1]).toMatchObject({ start: 2, end: 4, isExceptionCallback: true });
  });
});

describe('records', () => {
  it('of functions and lines follow the instructions, names the functions', () => {
    const insns = new ProgramBuilder().alu64('mod', R0, R1).call('f').func(R1, 'g').exit();
    insns.label('f').alu64('div', R0, R6).mayGoto('end').label('end').exit();
    insns.label('g').store('dw', R10, -8, R1).exit();
    const line = { fileNameOff: 0, lineOff: 0, line: 1, column: 1 };
    const x = xlate(insns.build(), {
      subprogNames: new Map([
        [0, 'main'],
        [5, 'f'],
      ]),
      funcInfo: [
        { insnIdx: 0, typeId: 1 },
        { insnIdx: 5, typeId: 2 },
        { insnIdx: 8, typeId: 3 },
      ],
      lineInfo: [0, 1, 5, 6, 8].map(insnIdx => ({ ...line, insnIdx })),
    });
    // 0: 2 slots, 1: call, 2-3: ld_imm64, 4: exit, 5: counter and 4 slots, 6: 4 slots, 7: exit, 8
    expect(x.funcInfo.map(info => info.insnIdx)).toEqual([0, 6, 16]);
    expect(x.lineInfo.map(info => info.insnIdx)).toEqual([0, 2, 6, 11, 16]);
    expect(x.subprogs).toMatchObject([
      { start: 0, end: 6, name: 'main' },
      { start: 6, end: 16, name: 'f', stackDepthBytes: 8 },
      { start: 16, end: 18, name: '', isCallback: true, stackDepthBytes: 8 },
    ]);
    expect(x.insns[2].imm).toBe(3);
    expect(x.insns[3].imm).toBe(12);
    expect(x.verified).toBe(false);
    expect(x.original).toHaveLength(10);
  });
});

describe('what is no program', () => {
  const codeOf = (insns: readonly Insn[]): string => {
    try {
      xlate(insns);
    } catch (error) {
      if (error instanceof FarcallError) return `${error.where?.name} ${error.code}`;
      throw error;
    }
    return '';
  };
  it.each([
    [[], 'prog insn.no-instructions'],
    [[{ code: 0xf5, dst: 0, src: 0, off: 0, imm: 0 }], 'prog insn.unknown-opcode'],
    [[{ code: 0xb7, dst: 11, src: 0, off: 0, imm: 0 }], 'prog insn.bad-register'],
    [[{ code: 0x21, dst: 1, src: 1, off: 0, imm: 0 }], 'prog insn.unknown-opcode'],
    [[{ code: 0x05, dst: 0, src: 0, off: 7, imm: 0 }], 'prog insn.jump-target'],
    [
      [
        { code: 0x18, dst: 1, src: 1, off: 0, imm: 3 },
        { code: 0, dst: 0, src: 0, off: 0, imm: 0 },
      ],
      'prog insn.unresolved',
    ],
  ])('%j is refused', (insns, code) => {
    expect(codeOf(insns)).toBe(code);
  });
});

describe('what comes out', () => {
  it('computes what went in, on CPUs that trap on divisions and on those that leave upper halves undefined', () => {
    let count = 0;
    fc.assert(
      fc.property(flowProgram, startRegs, (insns, regs) => {
        const call = (_: Insn, args: readonly bigint[]): bigint => BigInt.asUintN(64, args[0] * 31n + args[1]);
        const want = tryEvaluate(insns, { divisions: 'rfc', call, budget: 300 }, regs);
        if (want === undefined) return;
        count++;
        const plain = xlate(insns);
        expect(evaluate(plain.insns, { divisions: 'cpu', call }, regs)).toBe(want);
        const extended = xlate(insns, {}, { zext: true });
        expect(evaluate(extended.insns, { divisions: 'cpu', call, garbage: garbageSource() }, regs)).toBe(want);
        expect(extended.verifierZext).toBe(true);
      }),
      { numRuns: 400, seed: 11 },
    );
    expect(count).toBeGreaterThan(100);
  });
});

it('takes time in proportion to the program', () => {
  const builder = new ProgramBuilder();
  for (let i = 0; i < 8_000; i++)
    builder.alu64('div', R0, R1).alu32('smod', R6, R0).helper(5).jumpLong(`l${i}`).label(`l${i}`);
  const insns = builder.exit().build();
  const x = xlate(insns, {}, { zext: true });
  expect(x.insns.length).toBeGreaterThan(insns.length * 3);
});
