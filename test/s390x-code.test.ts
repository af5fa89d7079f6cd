import { describe, expect, it } from 'vitest';
import { assembleSource } from '../src/asm/index.ts';
import { capstoneDisassembler } from '../src/cli/inspect/disassembler.ts';
import { emulatorEngine, type JitLoadedProgram } from '../src/engine/index.ts';
import type { Insn } from '../src/isa/index.ts';
import { S390X } from '../src/jit/s390x/index.ts';
import { createMachine } from '../src/machine/index.ts';
import type { MapDef } from '../src/maps/index.ts';
import { generateCallProgram } from './support/call-generator.ts';
import { createS390xCpu } from './support/s390x/cpu.ts';

// The code of small functions, to be read; and that a disassembler knows every instruction of generated ones.

const disassemble = (await capstoneDisassembler(S390X))!;

/** A line an instruction, without where branches and calls go. */
function codeOf(insns: readonly Insn[], cpu: string, maps: readonly MapDef[] = []): string[] {
  const engine = emulatorEngine({ target: 's390x', cpu, wrapCpu: createS390xCpu });
  const machine = createMachine({ order: 'big', engine });
  const made = maps.map(def => machine.createMap(def));
  const { outcome } = machine.loadInsns('main', 6, insns, made).loaded as JitLoadedProgram;
  if (!outcome.jited) throw new Error(outcome.reason?.message);
  return outcome.funcs.flatMap(({ bytes }, index) => {
    const lines = index > 0 ? ['function'] : [];
    for (let off = 0; off < bytes.length; ) {
      const insn = disassemble(bytes, off, 0x1000000n);
      const size = bytes[off] < 0x40 ? 2 : bytes[off] < 0xc0 ? 4 : 6;
      const hex = Buffer.from(bytes.subarray(off, off + size)).toString('hex');
      const text = `${insn?.mnemonic} ${insn?.operands.replace(/(, )?0x[0-9a-f]{6,}$/, '')}`;
      lines.push(insn === undefined ? `nothing: ${hex}` : text.trim());
      off += size;
    }
    return lines;
  });
}

const code = (text: string, cpu = 'z13'): string[] =>
  codeOf(assembleSource(text, { dialect: 'llvm' }).insns as Insn[], cpu);

describe('code of small functions', () => {
  it.each([
    ['r0 = 2\nexit', ['bcr 0, %r0', 'lghi %r2, 2', 'br %r14']],
    ['r0 = r1\nr0 += 8\nexit', ['bcr 0, %r0', 'aghi %r2, 8', 'br %r14']],
    [
      'r0 = *(u32 *)(r1 + 4)\nw0 += 1\nexit',
      ['bcr 0, %r0', 'l %r2, 4(%r2)', 'ahi %r2, 1', 'llgfr %r2, %r2', 'br %r14'],
    ],
    [
      '*(u64 *)(r10 - 8) = r1\nr0 = *(u8 *)(r10 - 1)\nexit',
      ['bcr 0, %r0', 'stg %r2, 0x98(%r15)', 'llgc %r2, 0x9f(%r15)', 'br %r14'],
    ],
    ['w1 &= 255\nr0 = r1\nexit', ['bcr 0, %r0', 'llgcr %r2, %r2', 'br %r14']],
    [
      'r6 = r1\ncall 5\nr0 += r6\nexit',
      [
        'bcr 0, %r0',
        'stmg %r13, %r15, 0x68(%r15)',
        'lgr %r1, %r15',
        'aghi %r15, -0xa0',
        'stg %r1, 0(%r15)',
        'lgr %r13, %r2',
        'brasl %r14',
        'agrk %r2, %r2, %r13',
        'lmg %r13, %r15, 0x108(%r15)',
        'br %r14',
      ],
    ],
  ])('%s', (text, lines) => {
    expect(code(text)).toEqual(lines);
  });
});

describe.each(S390X.cpus)('generated programs on %s', cpu => {
  it('have only instructions a disassembler knows', () => {
    const unknown = new Set<string>();
    for (let seed = 1; seed <= 40; seed++) {
      const { insns, maps } = generateCallProgram(seed);
      for (const line of codeOf(insns, cpu, maps)) {
        if (line.startsWith('nothing')) unknown.add(line);
      }
    }
    expect([...unknown]).toEqual([]);
  });
});
