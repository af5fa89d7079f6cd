import { describe, expect, it } from 'vitest';
import { kernelLines } from '../../test/support/xlated-text.ts';
import { assemble } from '../asm/index.ts';
import { type Insn, makeInsn } from '../isa/index.ts';
import { kernelImage } from '../kernels/index.ts';
import { bpf_prog_type } from '../uapi/index.ts';
import { FarcallError, fromHex } from '../util/index.ts';
import { type KernelDump, xlatedFromKernel } from './from-kernel.ts';

const kernel = kernelImage('6.12-ppc64el');
const text = (lines: string): Insn[] => assemble(lines, { dialect: 'kernel' });

/** What 6.12.107-powerpc64le said of `ingress` in examples/firewall.bpf.o: maps 242, 243 and the values of 244. */
const INGRESS = `b4020000000000008510010001000000950000000000 0000bc27000000000000637afcff00000000b702000020
  0000007b2af0ff00000000b4060000010000006912b40000000000bc220000010000005602300008000000bfa300000000000007030000d8ffffff
  b402000000000000bc22000001000000b404000014000000bc4400000100000085000000d09b9a00c500280000000000bfa1000000000000
  07010000e4ffffff6111000000000000631af4ff00000000bfa200000000000007020000fcffffff18110000f20000000000000000000000
  07010000080100006120000000000000bc00000001000000350005000200000067000000030000000f100000000000007900000000000000
  15000100000000000500010000000000b7000000000000001500150000000000bfa200000000000007020000f0ffffffbf01000000000000
  85000000d0670600b40600000100000018210000f4000000000000000000000015000b0000000000610200000000000056020900
  00000000bfa200000000000007020000f0ffffff18110000f30000000000000000000000b70300000200000085000000109e0600
  b40600000000000018210000f40000000000000008000000b702000001000000db21000000000000bc60000000000000bc00000001000000
  9500000000000000`;
const MAPS = [
  { id: 242, name: 'a', addr: 0xc000_0000_0101_0000n },
  { id: 243, name: 'b', addr: 0xc000_0000_0102_0000n },
  { id: 244, name: 'c', addr: 0xc000_0000_0103_0000n, values: { start: 0xc000_0000_0103_0118n, sizeBytes: 16 } },
];

const ingress = (): KernelDump => ({
  name: 'ingress',
  type: bpf_prog_type.BPF_PROG_TYPE_CGROUP_SKB,
  insns: fromHex(INGRESS),
  kernel,
  stackDepths: [0, 40],
  names: ['ingress', 'filter'],
  maps: MAPS,
});

const codeOf = (run: () => unknown): string => {
  try {
    run();
  } catch (error) {
    if (error instanceof FarcallError) return error.code;
    throw error;
  }
  return 'nothing thrown';
};

describe("a kernel's dump", () => {
  it('becomes what its JIT was given', () => {
    const x = xlatedFromKernel(ingress());
    const lines = kernelLines(x.insns);
    expect(lines).toHaveLength(58);
    expect(lines.slice(0, 4)).toEqual(['w2 = 0', 'call pc+1', 'exit', 'w7 = w2']);
    expect(lines).toContain('r1 = 0xc000000001010000');
    expect(lines).toContain('r1 = 0xc000000001030118');
    expect(lines).toContain('r1 = 0xc000000001030120');
    expect(x.insns.some(insn => insn.code === 0x18 && insn.src !== 0)).toBe(false);
    expect(x.subprogs).toMatchObject([
      { start: 0, end: 3, name: 'ingress', stackDepthBytes: 0 },
      { start: 3, end: 62, name: 'filter', stackDepthBytes: 40 },
    ]);
    expect(x).toMatchObject({ verified: true, verifierZext: true, hiddenSubprogCount: 0 });
  });

  it("names the helpers behind the calls, a map type's own functions too", () => {
    const x = xlatedFromKernel(ingress());
    const calls = x.insns.filter(insn => insn.code === 0x85 && insn.src === 0);
    expect(calls.map(insn => [kernel.symbolAt(insn.imm), x.helpers.get(insn.imm)])).toEqual([
      ['bpf_skb_load_bytes', 26],
      ['trie_lookup_elem', 1],
      ['queue_stack_map_push_elem', 87],
    ]);
  });

  it('has its depths estimated when the log is not at hand', () => {
    const x = xlatedFromKernel({ ...ingress(), stackDepths: undefined });
    expect(x.subprogs.map(s => s.stackDepthBytes)).toEqual([0, 40]);
  });

  it('lists its probes on request, and nothing else can be one', () => {
    const at = 21;
    const load = xlatedFromKernel(ingress()).insns.findIndex(insn => insn.code === 0x61 && insn.src === 1);
    expect(load).toBeGreaterThan(0);
    expect(xlatedFromKernel({ ...ingress(), probes: [load] }).insns[load].code).toBe(0x21);
    expect(xlatedFromKernel({ ...ingress(), arenaAccesses: [load] }).insns[load].code).toBe(0xa1);
    expect(codeOf(() => xlatedFromKernel({ ...ingress(), probes: [0] }))).toBe('arg.probe');
    expect(codeOf(() => xlatedFromKernel({ ...ingress(), probes: [at * 100] }))).toBe('arg.probe');
  });

  it.each<[string, Partial<KernelDump>, string]>([
    ['a map nobody gave', { maps: MAPS.slice(1) }, 'arg.map-id'],
    ['values nobody gave', { maps: MAPS.map(({ values: _, ...map }) => map) }, 'arg.map-id'],
    ['too few depths', { stackDepths: [0] }, 'arg.stack-depths'],
    ['half a slot', { insns: new Uint8Array(12) }, 'insn.truncated'],
  ])('with %s is refused', (_, change, code) => {
    expect(codeOf(() => xlatedFromKernel({ ...ingress(), ...change }))).toBe(code);
  });
});

describe('calls of a dump', () => {
  const dump = (insns: readonly Insn[], more: Partial<KernelDump> = {}): KernelDump => ({
    name: 'p',
    type: 6,
    insns,
    kernel,
    ...more,
  });
  const local = (off: number, imm: number): Insn => makeInsn(0x85, 0, 1, off, imm);

  it('of tail calls are instructions of their own again', () => {
    expect(xlatedFromKernel(dump(text('call bpf_tail_call#12\nexit'))).insns[0]).toEqual(makeInsn(0xf5, 0, 0, 0, 0));
  });

  it('hold distance and number as the release has them', () => {
    const rest = text('exit\nr0 = 0\nexit');
    expect(xlatedFromKernel(dump([local(1, 1), ...rest])).insns[0]).toEqual(local(0, 1));
    expect(xlatedFromKernel(dump([local(1, 1), ...rest], { encoding: '7.1' })).insns[0]).toEqual(local(0, 1));
    const newer = kernelImage('7.2-ppc64el');
    expect(xlatedFromKernel(dump([local(1, 1), ...rest], { kernel: newer })).subprogs).toHaveLength(2);
  });

  it.each([
    ['6.12', local(-32768, -2)],
    ['7.2', local(0, 1)],
  ])('that are too far for 16 bits are found by function records, %s', (_, call) => {
    const far = 0x7fff;
    const insns = [
      call,
      ...Array.from({ length: far }, () => makeInsn(0xb7, 0, 0, 0, 0)),
      ...text('exit\nr0 = 0\nexit'),
    ];
    const funcInfo = [
      { insnIdx: 0, typeId: 1 },
      { insnIdx: far + 2, typeId: 2 },
    ];
    const xlated = xlatedFromKernel(dump(insns, { funcInfo }));
    expect(xlated.insns[0]).toEqual(local(0, far + 1));
    expect(xlated.subprogs.map(({ start }) => start)).toEqual([0, far + 2]);
  });

  it('of programs that are interpreted hold no numbers', () => {
    const insns = [local(1, 12345), ...text('exit\nr0 = 0\nexit')];
    expect(codeOf(() => xlatedFromKernel(dump(insns)))).toBe('insn.call-target');
    expect(xlatedFromKernel(dump(insns, { jited: false })).insns[0]).toEqual(local(0, 1));
  });

  it('farther than 16 bits go where the function records say', () => {
    const far = 70_000;
    const nops = Array.from({ length: far }, (_, i) => makeInsn(0xb7, 0, 0, 0, i));
    const insns = [local((far << 16) >> 16, 1), ...nops, ...text('exit\nr0 = 0\nexit')];
    insns[0] = local(((far + 1) << 16) >> 16, 1);
    const funcInfo = [
      { insnIdx: 0, typeId: 1 },
      { insnIdx: far + 2, typeId: 2 },
    ];
    expect(xlatedFromKernel(dump(insns, { funcInfo })).insns[0]).toEqual(local(0, far + 1));
    const wrong = [funcInfo[0], { insnIdx: far + 3, typeId: 2 }];
    expect(codeOf(() => xlatedFromKernel(dump(insns, { funcInfo: wrong })))).toBe('insn.call-target');
  });

  it('by address get their second half cleared', () => {
    const insns = [makeInsn(0x18, 1, 4, 0, 2), makeInsn(0, 0, 0, 0, 1), ...text('exit\nr0 = 0\nexit')];
    const x = xlatedFromKernel(dump(insns));
    expect(x.insns[1]).toEqual(makeInsn(0, 0, 0, 0, 0));
    expect(x.subprogs[1]).toMatchObject({ start: 3, isCallback: true });
  });

  it('leave the hidden exception callback to be found by the depths', () => {
    const insns = text('r0 = 0\nexit\nr0 = r1\nexit');
    const x = xlatedFromKernel(dump(insns, { stackDepths: [0, 0] }));
    expect(x.hiddenSubprogCount).toBe(1);
    expect(x.subprogs[1]).toMatchObject({ start: 2, isExceptionCallback: true });
    expect(xlatedFromKernel(dump(insns, { stackDepths: [0] })).subprogs).toHaveLength(1);
  });
});
