import { describe, expect, it } from 'vitest';
import { assemble } from '../src/asm/index.ts';
import { type Insn, makeInsn } from '../src/isa/index.ts';
import { plainFunc } from '../src/jit/func-input.ts';
import { type CompiledFunc, type FuncInput, findTarget, JitError } from '../src/jit/index.ts';
import { createKernelSpace, defaultKernelImage, defaultLayout } from '../src/kernels/index.ts';
import { toHex } from '../src/util/index.ts';

// What recorded images of compatible modes cannot show: exception tables, CPUs no lab has, and what is refused.

const insnsOf = (text: string): readonly Insn[] => assemble(text, { dialect: 'llvm' });

function compile(name: string, insns: readonly Insn[], cpu?: string, more: Partial<FuncInput> = {}): CompiledFunc {
  const target = findTarget(name);
  const space = createKernelSpace(defaultLayout(target.arch), defaultKernelImage(target.arch, target.order));
  const func = plainFunc(insns, { verifierZext: true, ...more });
  const { userLimit } = space.layout;
  const env = { cpu: cpu ?? target.cpus[0], mode: 'compat', space, userLimit, pcrel: false } as const;
  return target.compiler(func, env).emit(space.layout.images.start + 0x10000n, []);
}

/** Bytes of one slot. */
const codeOf = ({ bytes, slotOffs }: CompiledFunc, slot: number): string =>
  toHex(bytes.subarray(slotOffs[slot], slotOffs[slot + 1]));

const probe = (insn: Insn): Insn => ({ ...insn, code: (insn.code & 0x1f) | 0x20 });
const PROBES = insnsOf('r7 = *(u64 *)(r1 + 8)\nr2 = *(u8 *)(r6 - 3)\nr0 = 0\nexit').map((insn, slot) =>
  slot < 2 ? probe(insn) : insn,
);

describe('exception tables', () => {
  it.each([
    // Length of the instruction, and where struct pt_regs has r13 and rsi.
    ['x86_64', 7, [4 | (16 << 8), 5 | (104 << 8)]],
    ['arm64', 1, [20, 1]],
    ['riscv64', 2, [18, 11]],
  ] as const)('of %s: instruction, way out, cleared register', (name, type, wanted) => {
    const { bytes, jitedLen, extable } = compile(name, PROBES);
    const view = new DataView(bytes.buffer);
    const table = bytes.length - 24;
    expect(table).toBeGreaterThanOrEqual(jitedLen!);
    expect(extable).toHaveLength(2);
    for (const [i, { insnOff, fixupOff }] of extable.entries()) {
      const at = table + 12 * i;
      expect(at + view.getInt32(at, true)).toBe(insnOff);
      const fixup = view.getInt32(at + 4, true);
      if (name === 'x86_64') {
        expect(fixup).toBe(wanted[i]);
        expect(fixupOff - insnOff).toBe(wanted[i] & 0xff);
      } else {
        expect(at + 4 - (fixup & 0x7ffffff)).toBe(fixupOff);
        expect(fixup >>> 27).toBe(wanted[i]);
      }
      expect(view.getInt32(at + 8, true)).toBe(type);
    }
  });

  it('x86-64 compares addresses with both ends of the kernel’s', () => {
    // mov r10,VSYSCALL_ADDR; mov r11,rdi; add r11,8; sub r11,r10; movabs r10,limit; cmp r11,r10; ja; xor; jmp; mov
    expect(codeOf(compile('x86_64', PROBES), 0)).toBe(
      '49c7c2000060ff4989fb4981c3080000004d29d349ba0000a00000800000' + '4d39d377054531edeb044c8b6f08',
    );
  });
});

describe('CPUs no lab has', () => {
  it('x86-64 without BMI2 shifts through rcx', () => {
    const made = compile('x86_64', insnsOf('r1 <<= r2\nw4 >>= w1\nr3 s>>= r4\nexit'), 'x86-64-v1');
    // push rcx; mov rcx,rsi; shl rdi,cl; pop rcx
    expect(codeOf(made, 0)).toBe('514889f148d3e759');
    // mov r11,rcx; mov rcx,rdi; shr r11d,cl; mov rcx,r11
    expect(codeOf(made, 1)).toBe('4989cb4889f941d3eb4c89d9');
    expect(codeOf(made, 2)).toBe('48d3fa');
  });

  it('arm64 without Armv8.1 loops', () => {
    const made = compile('arm64', insnsOf('lock *(u64 *)(r1 + 8) += r2\nw2 = xchg32_32(r1 + 0, w2)\nexit'), 'armv8-a');
    // mov x10,8; add x10,x10,x0; ldxr x11,[x10]; add x11,x11,x1; stxr w12,x11,[x10]; cbnz w12,-12
    expect(codeOf(made, 0)).toBe('0a0180d24a01008b4b7d5fc86b01018b4b7d0cc8acffff35');
    // add w11,w1,0; ldxr w1,[x0]; stlxr w12,w11,[x0]; cbnz w12,-8; dmb ish
    expect(codeOf(made, 1)).toBe('2b000011017c5f880bfc0c88ccffff35bf3b03d5');
  });

  it('riscv64 without Zba and Zbb shifts twice', () => {
    const made = compile('riscv64', insnsOf('w6 = w6\nr1 = be16 r1\nr2 = (s8)r2\nexit'), 'rv64gc', {
      verifierZext: false,
    });
    // c.mv s1,s1; c.slli s1,32; c.srli s1,32
    expect(codeOf(made, 0)).toBe('a68482148190');
    // li t2,0; andi t1,a0,255; add t2,t2,t1; slli t2,8; srli a0,8; andi t1,a0,255; add t2,t2,t1; mv a0,t2
    expect(codeOf(made, 1)).toBe('81431373f50f9a93a20321811373f50f9a931e85');
    expect(codeOf(made, 2)).toBe('e215e195');
  });
});

describe('what is refused', () => {
  const acquire = makeInsn(0xdb, 1, 2, 0, 0x100);
  it.each(['x86_64', 'arm64'])('%s: atomics it does not know', name => {
    expect(() => compile(name, [acquire, ...insnsOf('exit')])).toThrow(JitError);
  });

  it.each(['x86_64', 'arm64', 'riscv64'])('%s: codes it does not know', name => {
    for (const code of [0x8e, 0xe5, 0x20, 0x40]) {
      expect(() => compile(name, [makeInsn(code, 0, 0, 0, 0), ...insnsOf('exit')])).toThrow(JitError);
    }
  });
});
