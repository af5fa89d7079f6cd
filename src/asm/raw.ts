import { type Insn, makeInsn } from '../isa/index.ts';
import { parseExpression } from './expression.ts';
import type { Token } from './lexer.ts';
import type { Problem } from './problem.ts';

/**
 * `.8byte 0x…`: one slot as a number, in every dialect the spelling of what is no instruction. The value is the slot
 * read as a little-endian 64-bit number: code in the low byte, then registers, off, and imm in the high half.
 */
export function rawSlot({ code, dst, src, off, imm }: Insn): string {
  const low = ((off & 0xffff) << 16) | (src << 12) | (dst << 8) | code;
  const hex = (value: number): string => (value >>> 0).toString(16).padStart(8, '0');
  return `.8byte 0x${hex(imm)}${hex(low)}`;
}

function slotOf(value: bigint): Insn {
  const low = Number(BigInt.asUintN(32, value));
  const imm = Number(BigInt.asIntN(32, value >> 32n));
  return makeInsn(low & 0xff, (low >>> 8) & 15, (low >>> 12) & 15, low >>> 16, imm);
}

/** Directives that hold data, all of one slot an element. */
const DATA = ['.8byte', '.quad'];
/** Directives of compiler output that say nothing about the instructions of one section. */
const IGNORED =
  /^\.(?:text|globl|global|local|weak|hidden|protected|type|size|p2align|balign|align|file|ident|addrsig|addrsig_sym|loc|cfi_\w+)$/;

/** The slots a directive stands for, or what is wrong with it. */
export function directiveSlots(tokens: readonly Token[], end: number): Insn[] | Problem {
  const [directive] = tokens;
  if (IGNORED.test(directive.text)) return [];
  if (!DATA.includes(directive.text)) {
    const expected = `${DATA.join(' or ')} with slots`;
    return {
      code: 'asm.directive',
      message: 'unknown directive',
      expected,
      found: `'${directive.text}'`,
      at: directive.at,
    };
  }
  const slots: Insn[] = [];
  for (let i = 1; ; i++) {
    const read = parseExpression(tokens, i, false);
    const at = tokens[i]?.at ?? end;
    if (read === undefined || read.value < -(1n << 63n) || read.value >= 1n << 64n) {
      const code = read === undefined ? 'asm.syntax' : 'asm.range';
      return { code, message: `${directive.text} needs 64-bit numbers`, expected: 'a 64-bit number', at };
    }
    slots.push(slotOf(read.value));
    i = read.next;
    if (i === tokens.length) return slots;
    if (tokens[i].text !== ',') {
      return { code: 'asm.syntax', message: 'not a list of numbers', expected: "','", at: tokens[i].at };
    }
  }
}
