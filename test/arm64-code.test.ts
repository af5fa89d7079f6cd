import { readFileSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { assembleSource } from '../src/asm/index.ts';
import { capstoneDisassembler } from '../src/cli/inspect/disassembler.ts';
import { emulatorEngine, type JitLoadedProgram } from '../src/engine/index.ts';
import type { Insn } from '../src/isa/index.ts';
import { findTarget } from '../src/jit/index.ts';
import { createMachine } from '../src/machine/index.ts';
import type { MapDef } from '../src/maps/index.ts';
import { generateCallProgram } from './support/call-generator.ts';

// The code of small functions, to be read; and that a disassembler knows every instruction of generated ones.

const GOLDEN = new URL('../testdata/jit/arm64-code.txt', import.meta.url);
const CPUS = ['armv8-a', 'armv8.1-a'];
const target = findTarget('arm64');
const disassemble = (await capstoneDisassembler(target))!;

/** Lines of each function; distances instead of addresses. */
function codeOf(insns: readonly Insn[], cpu: string, maps: readonly MapDef[] = []): string[] {
  const machine = createMachine({ engine: emulatorEngine({ target: 'arm64', cpu }) });
  const made = maps.map(def => machine.createMap(def));
  const { outcome } = machine.loadInsns('main', 6, insns, made).loaded as JitLoadedProgram;
  if (!outcome.jited) throw new Error(outcome.reason?.message);
  return outcome.funcs.flatMap(({ bytes }, index) => {
    const lines = index > 0 ? ['function'] : [];
    for (let off = 0; off < bytes.length; off += 4) {
      const insn = disassemble(bytes, off, 0x1000000n);
      const operands = insn?.operands.replace(/#0x([0-9a-f]{6,})$/, (_, addr) => {
        const distance = Number.parseInt(addr, 16) - 0x1000000 - off;
        return Math.abs(distance) > 0x10000 ? 'kernel' : `.${distance < 0 ? '' : '+'}${distance}`;
      });
      lines.push(insn === undefined ? `nothing at ${off}` : `${insn.mnemonic} ${operands}`.trim());
    }
    return lines;
  });
}

const cases = readFileSync(GOLDEN, 'utf8')
  .split(/^## /m)
  .filter(block => block.trim() !== '')
  .map(block => {
    const [name, ...lines] = block.trimEnd().split('\n');
    const text = lines.filter(line => !line.startsWith('  ') && !line.startsWith('@')).join('\n');
    return { name, text, block: `## ${block.trimEnd()}\n` };
  });

/** The case with its code: for the first CPU, and for others where it is another. */
function blockOf(name: string, text: string): string {
  const insns = assembleSource(text, { dialect: 'llvm' }).insns as Insn[];
  const codes = CPUS.map(cpu =>
    codeOf(insns, cpu)
      .map(line => `  ${line}`)
      .join('\n'),
  );
  const parts = codes.map((code, i) => (i > 0 && code === codes[0] ? '' : `@ ${CPUS[i]}\n${code}\n`));
  return `## ${name}\n${text.trimEnd()}\n${parts.join('')}`;
}

if (process.env.BLESS === '1') writeFileSync(GOLDEN, cases.map(({ name, text }) => blockOf(name, text)).join('\n'));

describe('code', () => {
  it.each(cases.map(each => [each.name, each] as const))('%s', (name, { text, block }) => {
    if (process.env.BLESS !== '1') expect(blockOf(name, text)).toBe(block);
  });

  it.each(CPUS)('a disassembler knows all of it, %s', cpu => {
    for (let seed = 0; seed < 20; seed++) {
      const { insns, maps } = generateCallProgram(seed);
      const code = codeOf(insns, cpu, maps);
      expect(code.filter(line => line.startsWith('nothing'))).toEqual([]);
    }
  });
});
