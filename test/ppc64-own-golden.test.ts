import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';
import { assemble } from '../src/asm/index.ts';
import { capstoneDisassembler } from '../src/cli/inspect/disassembler.ts';
import { makeInsn, TAIL_CALL } from '../src/isa/index.ts';
import { plainFunc } from '../src/jit/func-input.ts';
import type { Callee, CompiledFunc, FuncInput } from '../src/jit/index.ts';
import { createKernelSpace, findLayout, kernelImage } from '../src/kernels/index.ts';
import type { Disassembler } from '../src/machine/index.ts';
import { configName, OWN_CONFIGS, type OwnConfig } from './support/ppc64/own-machine.ts';
import { generateFunctions } from './support/ppc64/own-programs.ts';

// Small functions as own mode compiles them, to be read. BLESS=1 writes the file anew; read the difference.

const GOLDEN = new URL('../testdata/jit/ppc64-own.txt', import.meta.url);
const SHOWN = ['ppc64le power8', 'ppc64le power10', 'ppc64 power8'];
const AT = 0xc008000000014000n;

interface Case {
  readonly name: string;
  /** In the kernel's spelling; `CALL n` of a helper stands for its distance. */
  readonly text: readonly string[];
  readonly setup?: Partial<FuncInput>;
  /** Distance of the callee of local calls. */
  readonly callee?: bigint;
  readonly tail?: number;
}

const CASES: readonly Case[] = [
  { name: 'a constant', text: ['r0 = 2', 'exit'] },
  { name: 'a comparison', text: ['r0 = *(u32 *)(r1 + 0)', 'if r0 > 14 goto +1', 'r0 = 0', 'exit'] },
  {
    name: 'a packet field: swapped load, shift and mask in one',
    text: [
      'r2 = *(u16 *)(r1 + 12)',
      'r2 = be16 r2',
      'r3 = *(u8 *)(r1 + 14)',
      'r3 >>= 2',
      'r3 &= 60',
      'r0 = r2',
      'r0 += r3',
      'exit',
    ],
  },
  {
    name: 'stack without a frame',
    text: [
      'r2 = 7',
      '*(u64 *)(r10 - 8) = r2',
      'r1 = r10',
      'r1 += -8',
      'lock *(u64 *)(r1 + 0) += r2',
      'r0 = *(u64 *)(r10 - 8)',
      'exit',
    ],
    setup: { stackDepthBytes: 8 },
  },
  {
    name: 'helpers: the first alone, the second through a stub',
    text: ['r6 = r1', 'call 160', 'r7 = r0', 'call 512', 'r1 = r6', 'call 512', 'r0 += r7', 'exit'],
  },
  {
    name: 'a value only copied lies in the frame',
    text: ['r6 = r1', 'call 512', 'r1 = r6', 'call 160', 'exit'],
  },
  {
    name: 'a local call in reach',
    text: ['r6 = r1', 'r1 = 1', 'call pc+0', 'r0 += 1', 'exit'],
    callee: 0x1000n,
  },
  {
    name: 'a local call 2 GB away',
    text: ['r1 = 1', 'call pc+0', 'exit'],
    callee: 0x70000000n,
  },
  {
    name: 'a local call 2^40 bytes away',
    text: ['r1 = 1', 'call pc+0', 'exit'],
    callee: 1n << 40n,
  },
  {
    name: 'a map near the TOC, a variable near the code',
    text: ['r1 = 0xc000000004a12340 ll', 'r2 = 0xc008000000300014 ll', 'r2 = *(u32 *)(r2 + 0)', 'call 160', 'exit'],
  },
  { name: 'a probe load', text: ['r0 = *(u64 *)(r1 + 8)', 'r0 = *(u32 *)(r0 + 16)', 'exit'], setup: {} },
  {
    name: 'a tail call',
    text: ['r2 = 0xc000000004a12340 ll', 'r3 = 1', 'r9 = r9', 'r0 = 0', 'exit'],
    setup: { tailCallReachable: true },
    tail: 3,
  },
  {
    name: 'narrow arithmetic: extended where it is read',
    text: ['w2 = w1', 'w2 += 5', 'w2 *= 3', 'r0 = r2', 'r0 >>= 1', 'exit'],
  },
  {
    name: 'a result compared with 0 on the way',
    text: ['r0 = r1', 'r0 += -34', 'if r0 s< 0 goto +1', 'r0 = 1', 'exit'],
  },
  { name: 'a remainder', text: ['r0 = r1', 'r0 %= 10', 'exit'] },
];

/** Turns the load at slot 1 into a probe load, or slot `tail` into a tail call. */
function insnsOf({ name, text, tail }: Case) {
  const insns = assemble(text.join('\n'), { dialect: 'llvm' });
  if (name.startsWith('a probe')) insns[1] = makeInsn(0x21, 0, 0, 16, 0);
  if (tail !== undefined) insns[tail] = makeInsn(TAIL_CALL, 0, 0, 0, 0);
  return insns.map(insn => (insn.code === 0x85 && insn.src === 1 ? makeInsn(0x85, 0, 1, 1, 1) : insn));
}

function compile(config: OwnConfig, one: Case): CompiledFunc {
  const kernel = kernelImage(config.target.order === 'little' ? '6.12-ppc64el' : 'generic-ppc64');
  const space = createKernelSpace(findLayout('ppc64-radix'), kernel);
  const input = plainFunc(insnsOf(one), { isFunc: one.callee !== undefined, ...one.setup });
  const { userLimit } = space.layout;
  const compiler = config.target.compiler(input, { cpu: config.cpu, mode: 'own', space, userLimit, pcrel: false });
  const first = compiler.emit(undefined, undefined);
  const entry = AT + BigInt(first.entryOff);
  const own: Callee = { bpfFunc: AT, entry, localEntry: entry };
  const far = AT + (one.callee ?? 0n);
  const callees = [own, { bpfFunc: far, entry: far, localEntry: far }];
  const second = compiler.emit(AT, callees);
  expect(second.bytes.length).toBeLessThanOrEqual(first.bytes.length);
  const third = compiler.emit(AT, callees);
  expect(third.bytes).toEqual(second.bytes);
  return third;
}

function listing(disassemble: Disassembler, { bytes, entryOff }: CompiledFunc, little: boolean): string[] {
  const lines: string[] = [];
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const word = (off: number): string => view.getUint32(off, little).toString(16).padStart(8, '0');
  for (let off = 0; off < bytes.length; ) {
    const insn = off < entryOff ? undefined : disassemble(bytes, off, AT + BigInt(off));
    const size = insn?.sizeBytes ?? 4;
    const words = [word(off), ...(size === 8 ? [word(off + 4)] : [])].join(' ');
    const text = off < entryOff ? 'descriptor' : `${insn?.mnemonic ?? '?'} ${insn?.operands ?? ''}`.trimEnd();
    lines.push(`${off.toString(16).padStart(6)}:  ${words.padEnd(17)}  ${text}`);
    off += size;
  }
  return lines;
}

const disassemblers = new Map<string, Disassembler>();
beforeAll(async () => {
  for (const { target } of OWN_CONFIGS) {
    const one = await capstoneDisassembler(target);
    if (one === undefined) throw new Error('capstone is not installed');
    disassemblers.set(target.name, one);
  }
});

describe('own mode, to be read', () => {
  it('is as it was', () => {
    const configs = OWN_CONFIGS.filter(config => SHOWN.includes(configName(config)));
    const text = CASES.map(one => {
      const parts = configs.map(config => {
        const little = config.target.order === 'little';
        const lines = listing(disassemblers.get(config.target.name)!, compile(config, one), little);
        return [`  ${configName(config)}`, ...lines].join('\n');
      });
      return [`${one.name}:`, ...one.text.map(line => `    ${line}`), ...parts].join('\n');
    }).join('\n\n');
    if (process.env.BLESS === '1') writeFileSync(GOLDEN, `${text}\n`);
    expect(existsSync(GOLDEN), 'no golden: run with BLESS=1').toBe(true);
    expect(`${text}\n`).toBe(readFileSync(GOLDEN, 'utf8'));
  });

  it.each(OWN_CONFIGS.map(config => [configName(config), config] as const))(
    '%s: every word of generated functions is an instruction',
    (_, config) => {
      const unknown: string[] = [];
      for (let seed = 1; seed <= 25; seed++) {
        const options = { verifierZext: false, helperImms: [0, 8, 16, 24, 32, 40], userLimit: 0, ctxAddr: AT };
        const [{ insns, stackDepthBytes }] = generateFunctions(seed, options);
        const plain = insns.map(insn => (insn.code === 0x85 ? makeInsn(0x85, 0, 0, 0, 8 * (insn.off + 1)) : insn));
        const one = { name: `seed ${seed}`, text: [], setup: { insns: plain, stackDepthBytes } };
        const disassemble = disassemblers.get(config.target.name)!;
        const { bytes, entryOff } = compile(config, one);
        for (let off = entryOff; off < bytes.length; ) {
          const insn = disassemble(bytes, off, AT + BigInt(off));
          if (insn === undefined) unknown.push(`seed ${seed} +${off.toString(16)}`);
          off += insn?.sizeBytes ?? 4;
        }
      }
      expect(unknown).toEqual([]);
    },
  );
});
