import { describe, expect, it } from 'vitest';
import { assembleSource } from '../../../asm/index.ts';
import type { Insn } from '../../../isa/index.ts';
import { createKernelSpace, defaultKernelImage, findLayout } from '../../../kernels/index.ts';
import { plainFunc } from '../../func-input.ts';
import type { FuncInput, TargetEnv } from '../../types.ts';
import { RISCV64 } from '../target.ts';

const space = createKernelSpace(findLayout('riscv64'), defaultKernelImage('riscv64', 'little'));
const envOf = (cpu: string, mode: TargetEnv['mode'] = 'own'): TargetEnv => ({
  cpu,
  mode,
  space,
  userLimit: space.layout.userLimit,
  pcrel: false,
});
const funcOf = (text: string, more: Partial<FuncInput> = {}): FuncInput =>
  plainFunc(assembleSource(text, { dialect: 'llvm' }).insns as Insn[], { index: 1, isFunc: true, ...more });
/** Halves of the code, in hex. */
function code(text: string, more: Partial<FuncInput> = {}, cpu = 'rv64gc'): string {
  const at = 0xffffffff79000000n;
  const { bytes } = RISCV64.compiler(funcOf(text, more), envOf(cpu)).emit(at, []);
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  return Array.from({ length: bytes.length / 2 }, (_, k) => view.getUint16(2 * k, true).toString(16)).join(' ');
}

describe('code of small functions', () => {
  it.each([
    // li a0,0; ret: R0 is in a0 where R1 is not needed at the same time.
    ['r0 = 0\nexit', '4501 8082'],
    ['r0 = r1\nr0 *= 3\nexit', '478d 533 2f5 8082'],
    // Only results somebody reads all of are zero-extended: addw, and slli, srli behind the last.
    ['w0 = w1\nw0 += w2\nw0 += 1\nexit', '9d2d 2505 1502 9101 8082'],
    // lw is shorter than lwu, where the high half is not read.
    ['r2 = *(u32 *)(r1 + 4)\nr0 = 1\nif w2 == 0 goto +1\nr0 = 2\nexit', '414c 4505 c191 4509 8082'],
  ])('%j', (text, halves) => {
    expect(code(text)).toBe(halves);
  });

  it('uses Zba and Zbb where the CPU has them', () => {
    const text = 'w0 = w1\nr0 += r2\nr0 = bswap64 r0\nexit';
    expect(code(text, {}, 'rv64gc_zba_zbb')).toBe('53b 805 952e 5513 6b85 8082');
    expect(code(text).split(' ').length).toBeGreaterThan(20);
  });

  it('has a frame only for what is kept', () => {
    // Four registers of a leaf are in volatile ones.
    expect(code('r6 = r1\nr7 = r2\nr6 += r7\nr0 = r6\nexit')).not.toContain('1101');
    // addi sp,-16; sd zero,8(sp); ld a0,8(sp); addi sp,16; ret
    expect(code('*(u64 *)(r10 - 8) = 0\nr0 = *(u64 *)(r10 - 8)\nexit', { stackDepthBytes: 8 })).toBe(
      '1141 e402 6522 141 8082',
    );
  });

  it('a first pass is as long as any later one', () => {
    const func = funcOf('call 1\nr1 = r0\ncall 2\nexit');
    const compiler = RISCV64.compiler(func, envOf('rv64gc'));
    const first = compiler.emit(undefined, undefined).bytes.length;
    for (const at of [space.callBase + 0x1000n, 0xffffffff79000000n, 0xffff800000000000n]) {
      expect(compiler.emit(at, []).bytes.length).toBeLessThanOrEqual(first);
    }
  });
});
