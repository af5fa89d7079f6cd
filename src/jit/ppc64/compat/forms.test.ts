import { describe, expect, it } from 'vitest';
import { assemble } from '../../../asm/index.ts';
import { type Insn, makeInsn, NOSPEC, TAIL_CALL } from '../../../isa/index.ts';
import { createKernelSpace, findLayout, kernelImage } from '../../../kernels/index.ts';
import { toHex } from '../../../util/index.ts';
import { plainFunc } from '../../func-input.ts';
import { type Callee, type FuncInput, JitError, type TargetEnv } from '../../types.ts';
import type { CompatAbi } from './abi.ts';
import { compatCompiler } from './compiler.ts';

const V1: CompatAbi = { elf: 1, order: 'big' };
const V2: CompatAbi = { elf: 2, order: 'little' };
const v1 = createKernelSpace(findLayout('ppc64-hash'), kernelImage('generic-ppc64'), { keepOut: [] });
const v2 = createKernelSpace(findLayout('ppc64-radix'), kernelImage('6.12-ppc64el'), { keepOut: [] });

const env = (abi: CompatAbi, more: Partial<TargetEnv> = {}): TargetEnv => ({
  cpu: 'power9',
  mode: 'compat',
  space: abi.elf === 1 ? v1 : v2,
  userLimit: 0xc000000000000000n,
  pcrel: false,
  ...more,
});
const func = (insns: readonly Insn[], more: Partial<FuncInput> = {}): FuncInput =>
  plainFunc(insns, { verifierZext: true, ...more });
const text = (source: string) => assemble(source, { dialect: 'llvm' });
const at = (addr: bigint, entryOff = 0n): Callee => ({
  bpfFunc: addr,
  entry: addr + entryOff,
  localEntry: addr + entryOff,
});
const LOCAL_CALL = makeInsn(0x85, 0, 1, 1, 1);

/** Words of the code, eight hex digits each, whatever the byte order. */
function words(
  insns: readonly Insn[],
  abi = V2,
  more: Partial<FuncInput> = {},
  moreEnv: Partial<TargetEnv> = {},
  callees?: Callee[],
) {
  const { bytes, entryOff, jitedLen } = compatCompiler(func(insns, more), env(abi, moreEnv), abi).emit(0n, callees);
  const digits = toHex(bytes.subarray(entryOff, jitedLen)).match(/.{8}/g) ?? [];
  return abi.order === 'big' ? digits : digits.map(word => (word.match(/../g) ?? []).reverse().join(''));
}

/** Words as `llvm-mc -triple=powerpc64` reads them. */
const ELFV1 = `
    39200000 li 9, 0
    f921ffd0 std 9, -48(1)
    7c0802a6 mflr 0
    f8010010 std 0, 16(1)
    f821ff41 stdu 1, -192(1)
    fb610098 std 27, 152(1)
    fbe100b8 std 31, 184(1)
    3be10080 addi 31, 1, 128
    7c7b1b78 mr 27, 3
    3d82fea9 addis 12, 2, -343
    398c7ce0 addi 12, 12, 31968
    7d8903a6 mtctr 12
    4e800421 bctrl
    7c681b78 mr 8, 3
    3c601122 lis 3, 4386
    60633344 ori 3, 3, 13124
    786307c6 sldi 3, 3, 32
    64635566 oris 3, 3, 21862
    60637788 ori 3, 3, 30600
    f8610080 std 3, 128(1)
    39210080 addi 9, 1, 128
    7c604c28 ldbrx 3, 0, 9
    5469403e rotlwi 9, 3, 8
    5069c00e rlwimi 9, 3, 24, 0, 7
    5069c42e rlwimi 9, 3, 24, 16, 23
    7d234b78 mr 3, 9
    81240024 lwz 9, 36(4)
    54a5003e slwi 5, 5, 0
    7c054840 cmplw 5, 9
    40800050 bf 0, .+80
    e9210090 ld 9, 144(1)
    28090021 cmplwi 9, 33
    40800044 bf 0, .+68
    39290001 addi 9, 9, 1
    1d450008 mulli 10, 5, 8
    7d4a2214 add 10, 10, 4
    e94a0108 ld 10, 264(10)
    282a0000 cmpldi 10, 0
    4182002c bt 2, .+44
    e94a0030 ld 10, 48(10)
    394a0020 addi 10, 10, 32
    7d4903a6 mtctr 10
    f9210090 std 9, 144(1)
    eb610098 ld 27, 152(1)
    ebe100b8 ld 31, 184(1)
    382100c0 addi 1, 1, 192
    e8010010 ld 0, 16(1)
    7c0803a6 mtlr 0
    4e800420 bctr
    3d40d000 lis 10, -12288
    794a07c6 sldi 10, 10, 32
    654a0001 oris 10, 10, 1
    614a0800 ori 10, 10, 2048
    e92a0000 ld 9, 0(10)
    7d2903a6 mtctr 9
    4e800421 bctrl
    7c681b78 mr 8, 3
    7c0004ac sync
    e92d0000 ld 9, 0(13)
    63ff0000 ori 31, 31, 0
    393b0009 addi 9, 27, 9
    3d40c000 lis 10, -16384
    794a07c6 sldi 10, 10, 32
    7c295040 cmpld 9, 10
    4181000c bt 1, .+12
    38600000 li 3, 0
    4800000c b .+12
    39200009 li 9, 9
    7c7b482a ldx 3, 27, 9
    f87ffff8 std 3, -8(31)
    38800003 li 4, 3
    eb610098 ld 27, 152(1)
    ebe100b8 ld 31, 184(1)
    382100c0 addi 1, 1, 192
    e8010010 ld 0, 16(1)
    7c0803a6 mtlr 0
    7d034378 mr 3, 8
    4e800020 blr
    4e800020 blr
`;

describe('ELFv1, big-endian, POWER8', () => {
  const insns = [
    ...text('r6 = r1'),
    makeInsn(0x85, 0, 0, 0, Number(v1.symbolAddr('bpf_ktime_get_ns') - v1.callBase)),
    ...text('r1 = 0x1122334455667788 ll\nr1 = be64 r1\nr1 = le64 r1\nr1 = le32 r1'),
    makeInsn(TAIL_CALL, 0, 0, 0, 0),
    LOCAL_CALL,
    makeInsn(NOSPEC, 0, 0, 0, 0),
    makeInsn(0x39, 1, 6, 9, 0),
    ...text('*(u64 *)(r10 - 8) = r1\nr2 = 3\nexit'),
  ];
  const place = 0xd000000000010010n;
  const compiler = compatCompiler(func(insns, { isFunc: true, stackDepthBytes: 8 }), env(V1, { cpu: 'power8' }), V1);
  const callees = [at(place, 24n), at(0xd000000000010800n, 24n)];
  const image = compiler.emit(place, callees);

  it('emits these words', () => {
    const expected = ELFV1.trim()
      .split('\n')
      .map(line => line.trim().slice(0, 8));
    const found = toHex(image.bytes.subarray(24, image.jitedLen)).match(/.{8}/g);
    expect(found).toEqual(expected);
  });

  it('puts a descriptor of entry and TOC in front', () => {
    expect(toHex(image.bytes.subarray(0, 16))).toBe((place + 24n).toString(16) + v1.kernelToc.toString(16));
    expect(image.entryOff).toBe(24);
    expect(image.tailEntryOff).toBe(32);
  });

  it('puts fixup and table behind', () => {
    const jitedLen = image.jitedLen ?? 0;
    const [{ insnOff, fixupOff }] = image.extable;
    const view = new DataView(image.bytes.buffer);
    expect(image.bytes.length).toBe(jitedLen + 16);
    expect(fixupOff).toBe(jitedLen);
    // ldx 3,27,9
    expect(view.getUint32(insnOff)).toBe(0x7c7b482a);
    expect(view.getUint32(fixupOff)).toBe(0x38600000);
    expect(fixupOff + 4 + (((view.getInt32(fixupOff + 4) << 6) >> 6) & ~3)).toBe(insnOff + 4);
    expect(jitedLen + 8 + view.getInt32(jitedLen + 8)).toBe(insnOff);
    expect(jitedLen + 12 + view.getInt32(jitedLen + 12)).toBe(fixupOff);
  });

  it('is as long with unknown callees', () => {
    const first = compiler.emit(undefined, undefined);
    expect(first.jitedLen).toBe(image.jitedLen);
    expect(first.sites.map(({ form }) => form)).toEqual(['toc', 'tail_call', 'placeholder']);
    expect(image.sites.map(({ form }) => form)).toEqual(['toc', 'tail_call', 'descriptor']);
    expect(compiler.emit(place, callees)).toEqual(image);
  });
});

describe('barriers by CPU', () => {
  it.each([
    ['power10', '7e0006ac'],
    ['power9', '7e0006ac'],
    ['power8', '7c0004ac e92d0000 63ff0000'],
    ['970', ''],
  ])('%s', (cpu, expected) => {
    const [toc, ...rest] = words([makeInsn(NOSPEC, 0, 0, 0, 0), ...text('exit')], V2, {}, { cpu });
    expect(toc).toBe('e84d0010');
    expect(rest.slice(2, -2).join(' ')).toBe(expected);
  });
  it('power7 calls a function', () => {
    const body = words([makeInsn(NOSPEC, 0, 0, 0, 0), ...text('exit')], V2, {}, { cpu: 'power7' });
    expect(body).toContain('4e800421');
    expect(body).toContain('7c0802a6');
  });
});

describe('a kernel without TOC', () => {
  const helper = makeInsn(0x85, 0, 0, 0, Number(v2.symbolAddr('bpf_ktime_get_ns') - v2.callBase));
  const more = { isFunc: true };
  it('reaches helpers from its base', () => {
    const body = words([helper, ...text('exit')], V2, more, { pcrel: true });
    // nop; nop; mflr; std; stdu; ld r12,16(r13); paddi …; mtctr; bctrl
    expect(body.slice(5, 7)).toEqual(['e98d0010', '06000000'.slice(0, 5) + body[6].slice(5)]);
    expect(body[7].slice(0, 4)).toBe('398c');
    expect(body.slice(8, 11)).toEqual(['7d8903a6', '4e800421', '7c681b78']);
  });
  it.each([0n, 4n])('fits whatever the alignment: at %d', base => {
    const compiler = compatCompiler(func(new Array<Insn>(30).fill(helper), more), env(V2, { pcrel: true }), V2);
    const { slotOffs, jitedLen } = compiler.emit(0xc008000000000100n + base, []);
    expect(jitedLen).toBeGreaterThanOrEqual(slotOffs[30]);
    expect(compiler.emit(undefined, undefined).jitedLen).toBe(jitedLen);
  });
  it('reaches images from where it is', () => {
    const near = words([LOCAL_CALL, ...text('exit')], V2, more, { pcrel: true }, [at(0n), at(0x1000n)]);
    expect(near.slice(5, 9)).toEqual(['60000000', '06100000', '39800fe8', '7d8903a6']);
  });
});

describe('kernel functions', () => {
  const call = makeInsn(0x85, 0, 2, 0, 5);
  const kfuncArgs = () => [
    { sizeBytes: 1, signed: false },
    { sizeBytes: 2, signed: true },
    { sizeBytes: 4, signed: false },
    { sizeBytes: 4, signed: true },
    { sizeBytes: 8, signed: true },
  ];
  it('take their arguments extended, and from a module the TOC has to come back', () => {
    const body = words([call, ...text('exit')], V2, { kfuncAddr: () => 0xc008000000123450n, kfuncArgs });
    expect(body.slice(6)).toEqual(
      // clrldi 3,3,56; extsh 4,4; clrldi 5,5,32; extsw 6,6; lis 12; sldi; oris; ori; mtctr; bctrl; ld 2,16(13)
      expect.arrayContaining([
        '78630620',
        '7c840734',
        '78a50020',
        '7cc607b4',
        '3d80c008',
        '798c07c6',
        '658c0012',
        '618c3450',
      ]),
    );
    expect(body).toContain('e84d0010');
    expect(body.filter(word => word === 'e84d0010')).toHaveLength(2);
  });
});

describe('refuses with the errno the kernel has for it', () => {
  const past = Number(v2.symbolAddr('bpf_ktime_get_ns') - v2.callBase);
  it.each<[string, Insn[], number]>([
    ['an unknown code', [makeInsn(0xff, 0, 0, 0, 0)], 524],
    ['a byte-wide atomic', [makeInsn(0xd3, 1, 2, 0, 0)], 524],
    ['an arena load', [makeInsn(0xa1, 1, 2, 0, 0)], 524],
    ['an arena atomic', [makeInsn(0xe3, 1, 2, 0, 0)], 524],
    ['may_goto', [makeInsn(0xe5, 0, 0, 0, 0)], 524],
    ['a load-acquire', [makeInsn(0xdb, 1, 2, 0, 0x100)], 95],
    ['a store-release', [makeInsn(0xc3, 1, 2, 0, 0x110)], 95],
    ['a division by 0', [makeInsn(0x37, 1, 0, 0, 0)], 22],
    ['an address space cast', [makeInsn(0xbf, 1, 2, 1, 0x10000)], 1],
    ['a per-CPU address', [makeInsn(0xbf, 1, 2, -1, 0)], 1],
    ['a kfunc nobody knows', [makeInsn(0x85, 0, 2, 0, past)], 22],
  ])('%s', (_name, insns, errno) => {
    const compiler = compatCompiler(func([...insns, ...text('exit')]), env(V2), V2);
    const error = (() => {
      try {
        return compiler.emit(undefined, undefined);
      } catch (thrown) {
        return thrown;
      }
    })();
    expect(error).toBeInstanceOf(JitError);
    expect((error as JitError).errno).toBe(errno);
  });

  it('a helper the TOC does not reach', () => {
    // The same space with its TOC 4 GB on.
    const space = new Proxy(v2, {
      get(target, key) {
        if (key === 'kernelToc') return target.kernelToc + (1n << 32n);
        const value: unknown = Reflect.get(target, key);
        return typeof value === 'function' ? value.bind(target) : value;
      },
    });
    const far = env(V2, { space });
    const helper = makeInsn(0x85, 0, 0, 0, past);
    expect(() => compatCompiler(func([helper, ...text('exit')]), far, V2).emit(undefined, undefined)).toThrow(
      'eBPF: address of bpf_ktime_get_ns out of range of kernel_toc.',
    );
  });
  it('a call of a function that is not there', () => {
    const compiler = compatCompiler(func([LOCAL_CALL, ...text('exit')], { isFunc: true }), env(V2), V2);
    expect(() => compiler.emit(0n, [at(0n)])).toThrow(JitError);
  });
});

describe('32 MB of code', () => {
  // Nine words each.
  const atomic = text('r1 = atomic_fetch_add((u64 *)(r10 - 8), r1)')[0];
  const body = new Array<Insn>(940_000).fill(atomic);
  it('an early exit gets an epilogue of its own, others near it share that', () => {
    const exit = text('exit')[0];
    const { bytes, slotOffs } = compatCompiler(func([exit, exit, ...body, exit]), env(V2), V2).emit(0n, undefined);
    const view = new DataView(bytes.buffer);
    const word = (off: number) => view.getUint32(off, true);
    expect(word(slotOffs[1] - 4)).toBe(0x4e800020);
    expect(slotOffs[1] + ((word(slotOffs[1]) << 6) >> 6)).toBe(slotOffs[0]);
  });
  it('a jump over it is refused', () => {
    const far = makeInsn(0x06, 0, 0, 0, body.length);
    expect(() => compatCompiler(func([far, ...body, ...text('exit')]), env(V2), V2).emit(0n, undefined)).toThrow(
      /Branch offset 0x[0-9a-f]+ \(@\d+\) out of range/,
    );
  });
});
