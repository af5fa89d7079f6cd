import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';
import { assemble } from '../src/asm/index.ts';
import { capstoneDisassembler } from '../src/cli/inspect/disassembler.ts';
import type { Insn } from '../src/isa/index.ts';
import { plainFunc } from '../src/jit/func-input.ts';
import { findTarget, JitError, type JitedProgram, jitProgram } from '../src/jit/index.ts';
import { createKernelSpace, defaultKernelImage, findLayout } from '../src/kernels/index.ts';
import type { Disassembler } from '../src/machine/index.ts';
import { xlateUnverified } from '../src/verifier/index.ts';
import { generateFunctions } from './support/ppc64/own-programs.ts';
import { Random } from './support/random.ts';
import { i } from './support/x86_64/forms.ts';

// What own mode of x86-64 looks like; what it does is test/differential/native-x86_64.test.ts.

const GOLDEN = new URL('../testdata/jit/x86_64-functions.txt', import.meta.url);
const TARGET = findTarget('x86_64');
const CPUS = ['x86-64-v1', 'x86-64-v3'] as const;

/** Small functions that between them show each kind of choice. */
const SOURCES: readonly (readonly [name: string, source: string])[] = [
  ['nothing saved', 'r0 = 1\nexit'],
  ['all kept registers', 'r6 = 1\nr7 = 2\nr8 = 3\nr9 = 4\nr0 = r6\nexit'],
  [
    'small stack, address in one instruction',
    '*(u64 *)(r10 - 8) = r1\nr2 = r10\nr2 += -8\nr0 = *(u32 *)(r2 + 0)\nexit',
  ],
  ['larger stack', '*(u8 *)(r10 - 200) = 1\nr0 = *(u8 *)(r10 - 200)\nexit'],
  ['constants', 'r0 = 0\nr1 = 5\nr2 = -1\nr3 = -5\nr4 = 0xffffffff ll\nr5 = 0x1234567890 ll\nexit'],
  ['sums', 'r0 += 1\nr0 -= 1\nr0 += 128\nr0 += 1000\nw0 += 1\nr1 = r2\nr1 += r3\nw1 = w2\nw1 += 7\nexit'],
  ['products', 'r0 *= 3\nr0 *= 8\nr0 *= 100\nr1 = r0\nr1 *= 1000\nr0 *= r1\nexit'],
  ['masks', 'r0 &= 255\nr0 &= 65535\nr0 &= 15\nr0 &= -16\nw0 &= 256\nexit'],
  ['zero extensions', 'w0 = w1\nw0 = w0\nw0 += w2\nw0 = w0\nr3 <<= 32\nr3 >>= 32\nexit'],
  ['shifts', 'r0 <<= r1\nr0 >>= r4\nr4 <<= r0\nexit'],
  ['shifts with R4 in use', 'r4 = r1\nr0 <<= r1\nr0 += r4\nexit'],
  ['divisions', 'r0 = r1\nr0 /= 10\nr1 %= 7\nr1 /= 16\nr1 %= 16\nexit'],
  ['division with everything in use', 'r0 = 1\nr3 = 2\nr5 = r1\nr5 /= 3\nr0 += r3\nr0 += r5\nexit'],
  ['byte order', 'r0 = be16 r0\nr0 = be32 r0\nr0 = bswap64 r0\nr2 = *(u64 *)(r1 + 0)\nr2 = be64 r2\nexit'],
  [
    'comparisons',
    'r0 = 1\nif r1 == 0 goto e\nif r1 > 127 goto e\nif r1 >= 128 goto e\nif w1 s< -5 goto e\nif r1 & 4 goto e\nif r1 & 0x10000 goto e\nr0 = 2\ne:\nexit',
  ],
  ['two exits', 'r6 = r1\nr0 = 1\nif r6 == 1 goto a\nexit\na:\nr0 = 2\nr0 += r6\nexit'],
  ['helpers', 'r6 = 3\ncall 5\nr0 += r6\nexit'],
  ['functions', 'call f\nr0 += 1\nexit\nf:\nr0 = r1\nexit'],
  [
    'atomics',
    'lock *(u64 *)(r1 + 0) += r2\nr2 = atomic_fetch_add((u64 *)(r1 + 0), r2)\nr2 = atomic_fetch_or((u64 *)(r1 + 0), r2)\nr2 = xchg_64(r1 + 0, r2)\nr0 = cmpxchg_64(r1 + 0, r0, r2)\nexit',
  ],
];

function compile(insns: readonly Insn[], cpu: string, layout = 'x86_64'): JitedProgram {
  const kernel = defaultKernelImage('x86_64', 'little');
  const space = createKernelSpace(findLayout(layout), kernel);
  const result = jitProgram(xlateUnverified({ name: 'test', type: 6, insns }, { kernel }), {
    target: TARGET,
    space,
    cpu,
  });
  if (!result.ok || !result.prog.jited) throw new Error('not compiled');
  return result.prog;
}

const insnsOf = (text: string): readonly Insn[] => assemble(text, { dialect: 'llvm' });

const space = createKernelSpace(findLayout('x86_64'), defaultKernelImage('x86_64', 'little'));

let disassemble: Disassembler;
beforeAll(async () => {
  const capstone = await capstoneDisassembler(TARGET);
  if (capstone === undefined) throw new Error('capstone is not installed');
  disassemble = capstone;
});

/** Lines of code and text; throws where nothing decodes. */
function listing(bytes: Uint8Array, addr: bigint): string[] {
  const lines: string[] = [];
  for (let off = 0; off < bytes.length; ) {
    const insn = disassemble(bytes, off, addr);
    if (insn === undefined) throw new Error(`nothing decodes at ${off} of ${Buffer.from(bytes).toString('hex')}`);
    const code = Buffer.from(bytes.subarray(off, off + insn.sizeBytes)).toString('hex');
    lines.push(`  ${code.padEnd(20)} ${insn.mnemonic.trim()} ${insn.operands}`.trimEnd());
    off += insn.sizeBytes;
  }
  return lines;
}

describe('code', () => {
  it('of small functions is as it was', () => {
    const text = SOURCES.flatMap(([name, source]) => [
      `# ${name}`,
      ...source.split('\n').map(line => `; ${line}`),
      ...CPUS.flatMap(cpu => [
        `${cpu}:`,
        ...compile(insnsOf(source), cpu).funcs.flatMap(func => [
          `func ${func.index}:`,
          ...listing(func.bytes, func.addr),
        ]),
      ]),
      '',
    ]).join('\n');
    if (process.env.BLESS === '1' || !existsSync(GOLDEN)) writeFileSync(GOLDEN, text);
    expect(text).toBe(readFileSync(GOLDEN, 'utf8'));
  });

  it('decodes to its last byte, and every slot begins an instruction', () => {
    const helperImms = [0, 1, 2, 3, 4, 5].map(n => 64 * n);
    for (const cpu of CPUS) {
      const env = { cpu, mode: 'own', space, userLimit: 0xffffn, pcrel: false } as const;
      const callees = Array.from({ length: 8 }, (_, n) => {
        const bpfFunc = 0xffffffffa0100000n + BigInt(n << 30);
        return { bpfFunc, entry: bpfFunc, localEntry: bpfFunc };
      });
      for (let seed = 1; seed <= 60; seed++) {
        const options = { verifierZext: false, helperImms, userLimit: 0xffff, ctxAddr: 0x1000n };
        for (const func of generateFunctions(seed, options)) {
          const made = TARGET.compiler({ ...plainFunc(func.insns), ...func }, env).emit(0xffffffffa0000000n, callees);
          let off = 0;
          const starts = new Set<number>();
          for (const line of listing(made.bytes, 0n)) {
            starts.add(off);
            off += line.trim().split(' ')[0].length / 2;
          }
          starts.add(off);
          expect(off).toBe(made.bytes.length);
          expect([...made.slotOffs].filter(slot => !starts.has(slot))).toEqual([]);
        }
      }
    }
  });

  it('has short jumps exactly as far as they reach', () => {
    for (const count of [60, 63, 64, 65, 120]) {
      // inc rax: three bytes.
      const between = Array.from({ length: count }, () => 'r0 += 1').join('\n');
      for (const pad of ['', 'w0 += 1\n']) {
        const insns = insnsOf(`if r1 == 0 goto e\n${between}\n${pad}e:\nr0 += 3\nexit`);
        const { bytes, slotOffs } = compile(insns, 'x86-64-v1').funcs[0];
        const [jump, target] = [slotOffs[0] + 3, slotOffs[insns.length - 2]];
        const distance = target - slotOffs[1];
        expect(bytes[jump]).toBe(distance <= 127 ? 0x74 : 0x0f);
      }
    }
  });

  it('stays short where jumps depend on each other, and settles', () => {
    // Each jump reaches just over the next ones: growing one pushes others out of reach.
    const lines = Array.from({ length: 400 }, (_, n) => `l${n}:\nif r1 == ${n % 100} goto l${Math.min(399, n + 24)}`);
    const { bytes } = compile(insnsOf(`${lines.join('\n')}\nr0 = 0\nexit`), 'x86-64-v1').funcs[0];
    expect(bytes.length).toBeLessThan(400 * 10 + 16);
  });

  it('reaches kernel and functions by 32 bits on every layout of Linux', () => {
    for (const layout of ['x86_64', 'x86_64-kaslr']) {
      const prog = compile(insnsOf('call f\ncall 5\nexit\nf:\nr0 = r1\nexit'), 'x86-64-v1', layout);
      expect(prog.funcs[0].sites.map(({ form, kind }) => [kind, form])).toEqual([
        ['subprog', 'rel32'],
        ['helper', 'rel32'],
      ]);
    }
  });
});

describe('refusals', () => {
  const exit = i(0x95, 0, 0, 0, 0);

  it.each<[string, Insn[]]>([
    ['a register there is none of', [i(0xbf, 12, 1, 0, 0), exit]],
    ['R10 written', [i(0xb7, 10, 0, 0, 1), exit]],
    ['a jump out of the function', [i(0x05, 0, 0, 7, 0), exit]],
    ['a jump before it', [i(0x05, 0, 0, -7, 0), exit]],
    ['an unknown operation', [i(0xe7, 1, 0, 0, 1), exit]],
    ['an unknown size of a swap', [i(0xdc, 1, 0, 0, 8), exit]],
    ['an unknown atomic operation', [i(0xdb, 1, 2, 0, 0x30), exit]],
    ['an atomic operation on bytes', [i(0xd3, 1, 2, 0, 0), exit]],
    ['a load of packets', [i(0x20, 0, 0, 0, 1), exit]],
    ['half of a constant', [i(0x18, 0, 0, 0, 1)]],
    ['a kernel function nobody knows', [i(0x85, 0, 2, 0, 77), exit]],
    ['a call through a register', [i(0x8d, 1, 0, 0, 0), exit]],
    ['a jump through a register', [i(0x0d, 1, 0, 0, 0), exit]],
  ])('%s', (_, insns) => {
    const env = { cpu: 'x86-64-v1', mode: 'own', space, userLimit: 0n, pcrel: false } as const;
    expect(() => TARGET.compiler(plainFunc(insns), env).emit(undefined, undefined)).toThrow(JitError);
  });

  it('of whatever slots hold: code that decodes, or a JitError', () => {
    const random = new Random(7);
    const codes = Array.from({ length: 256 }, (_, code) => code);
    let compiled = 0;
    for (let n = 0; n < 3000; n++) {
      const insns = Array.from({ length: random.between(1, 6) }, () => {
        const imm = random.chance(50) ? random.pick([0, 1, 16, 32, 64, 0xf1, 0x100, 0x110]) : random.edgeI32();
        const registers = random.chance(95) ? 11 : 15;
        return i(
          random.pick(codes),
          random.below(registers),
          random.below(registers),
          random.chance(70) ? random.between(-2, 3) : random.between(-0x8000, 0x7fff),
          imm,
        );
      });
      const arena = { kernVmStart: random.edgeU64(), userVmStart: random.edgeU64() };
      const env = { cpu: random.pick(CPUS), mode: 'own', space, userLimit: random.edgeU64(), pcrel: false } as const;
      try {
        const { bytes } = TARGET.compiler({ ...plainFunc([...insns, exit]), arena }, env).emit(undefined, undefined);
        listing(bytes, 0n);
        compiled++;
      } catch (error) {
        if (!(error instanceof JitError)) throw error;
      }
    }
    expect(compiled).toBeGreaterThan(100);
  });
});
