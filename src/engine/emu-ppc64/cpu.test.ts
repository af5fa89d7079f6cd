import { describe, expect, it } from 'vitest';
import { LinearMemory } from '../../mem/index.ts';
import type { KernelGate } from '../emu-types.ts';
import { createPpc64Cpu, type Ppc64CpuOptions } from './index.ts';

const TOC = 0xc000000002000000n;
const BASE = 0xc008000000010000n;
const HELPER = 0xc000000000123400n;

interface Setup extends Partial<Ppc64CpuOptions> {
  readonly gates_?: ReadonlyMap<bigint, KernelGate>;
  readonly at?: bigint;
}

/** A CPU with one image of the given words. */
function cpuWith(words: readonly number[], setup: Setup = {}) {
  const order = setup.order ?? 'little';
  const mem = setup.mem ?? new LinearMemory(order);
  const bytes = new Uint8Array(4 * words.length);
  const view = new DataView(bytes.buffer);
  words.forEach((word, i) => {
    view.setUint32(4 * i, word >>> 0, order === 'little');
  });
  const addr = setup.at ?? BASE;
  const cpu = createPpc64Cpu({
    mem,
    order,
    abi: 'elfv2',
    cpu: 'power8',
    kernelToc: TOC,
    userLimit: 0xffffn,
    code: { imageAt: at => (at >= addr && at < addr + BigInt(bytes.length) ? { addr, bytes } : undefined) },
    gates: { gateAt: at => setup.gates_?.get(at) },
    ...setup,
  });
  return { cpu, mem, addr };
}

const BLR = 0x4e800020;
const addi = (rt: number, ra: number, si: number): number => (14 << 26) | (rt << 21) | (ra << 16) | (si & 0xffff);

describe('a function', () => {
  it('gets arguments and returns a value', () => {
    const { cpu, addr } = cpuWith([(31 << 26) | (3 << 21) | (3 << 16) | (4 << 11) | (266 << 1), BLR]);
    expect(cpu.call(addr, [40n, 2n])).toEqual({ ok: true, value: 42n, insnCount: 2 });
  });

  it('loops', () => {
    // mtctr r4; addi r3,r3,3; bdnz -4; blr
    const { cpu, addr } = cpuWith([0x7c8903a6, addi(3, 3, 3), 0x4200fffc, BLR]);
    expect(cpu.call(addr, [0n, 1000n])).toEqual({ ok: true, value: 3000n, insnCount: 2002 });
  });
});

describe('a gate', () => {
  it('is called by the ABI', () => {
    const gate: KernelGate = {
      name: 'helper',
      call(cpu, out) {
        out[0] = cpu.argLo(0) + cpu.argLo(1);
        out[1] = 0;
      },
    };
    const words = [
      0xe84d0010, // ld r2,16(r13)
      0x7c0802a6, // mflr r0
      0xf8010010, // std r0,16(r1)
      0xf821ffa1, // stdu r1,-96(r1)
      0x3d82fe12, // addis r12,r2,-494
      0x398c3408, // addi r12,r12,0x3408
      0x7d8903a6, // mtctr r12
      0x4e800421, // bctrl
      0x38210060, // addi r1,r1,96
      0xe8010010, // ld r0,16(r1)
      0x7c0803a6, // mtlr r0
      BLR,
    ];
    const { cpu, addr } = cpuWith(words, { gates_: new Map([[HELPER, gate]]) });
    expect(cpu.call(addr, [40n, 2n])).toMatchObject({ ok: true, value: 42n, insnCount: 12 });
  });
});
