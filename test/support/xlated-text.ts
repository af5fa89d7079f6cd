import { disassemble } from '../../src/asm/index.ts';
import type { Insn } from '../../src/isa/index.ts';

/** The kernel's text of each instruction, internal ones included; AX is r11. */
export function kernelLines(insns: readonly Insn[]): string[] {
  return disassemble(insns, { dialect: 'kernel', exact: false })
    .trim()
    .split('\n')
    .map(line => line.replace(/^\s*\d*:?\s*(\([0-9a-f]{2}\)\s)?/, '').trim());
}
