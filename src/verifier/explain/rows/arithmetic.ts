import { baseType, PTR_TO_PACKET_END } from '../../../helpers/index.ts';
import { BPF_REG_FP } from '../../../isa/index.ts';
import type { ExplainCase } from '../case.ts';
import { numberText, rangeOf } from '../number-words.ts';
import { hasRegOperand } from '../operands.ts';
import { targetWords } from '../value-words.ts';
import { reg, type Subject, type TellRow, type Told } from './row.ts';

/** The pointer and the number of a refused sum. */
function operandsOf(c: ExplainCase): { pointer: number; number: number | undefined } {
  const { insn } = c;
  if (insn === undefined) return { pointer: 0, number: undefined };
  if (!hasRegOperand(insn)) return { pointer: insn.dst, number: undefined };
  const first = c.reg(insn.dst);
  const swap = first !== undefined && first.type === 1;
  return swap ? { pointer: insn.src, number: insn.dst } : { pointer: insn.dst, number: insn.src };
}

const both = (c: ExplainCase): Subject[] => {
  const { pointer, number } = operandsOf(c);
  return [...(pointer === BPF_REG_FP ? [] : [reg(pointer)]), ...(number === undefined ? [] : [reg(number)])];
};

const LIMIT_REMEDY = 'Limit the number before it is added, as an unsigned one: `if (n > MAX) return 0; p += n;`.';

const unbounded: TellRow = c => {
  const { pointer, number } = operandsOf(c);
  const held = number === undefined ? undefined : c.reg(number);
  const target = c.reg(pointer);
  const where = target === undefined ? 'memory' : targetWords(target);
  const range = held === undefined ? undefined : rangeOf(held.scalar);
  const low = range === undefined ? '' : ` It may be as low as ${numberText(range.min)}.`;
  return {
    title: `A pointer into ${where} is moved by a number that may be hugely negative`,
    attempted: `r${pointer} is moved by r${number ?? '?'}, ${number === undefined ? 'a number' : c.regWords(number)}.${low} That could lead anywhere, so the verifier does not compute on with it.`,
    remedies: [
      LIMIT_REMEDY,
      'A signed variable needs a check of both ends: `if (n < 0 || n > MAX) return 0;`; with an unsigned one the upper end is enough.',
    ],
    subjects: both(c),
  };
};

const outOfBounds: TellRow = c => ({
  title: 'A pointer is moved further than any memory reaches',
  attempted: `The number ${c.str(0)} takes the ${c.str(1)} pointer more than 2^29 bytes away from where it began.`,
  remedies: [LIMIT_REMEDY],
  subjects: both(c),
});

const constant: TellRow = c => ({
  title: 'A pointer is moved by a number that is far too large',
  attempted: `${c.str(1)} is added to (or taken from) a ${c.str(0)} pointer; at most 2^29 may be.`,
  remedies: ['Use an offset that lies within the object pointed to.'],
  subjects: both(c),
});

const nullMath: TellRow = c => {
  const regno = c.num(0);
  return {
    title: 'A pointer that may be NULL is computed with',
    attempted: `r${regno} is ${c.regWords(regno)}. Adding to it before it is checked would make a NULL pointer look like a valid one.`,
    remedies: [
      'Check it first, then compute: `if (!p) return 0; p += n;`.',
      'Where the compiler moves the sum before the check, keep it from it: `asm volatile("" : "+r"(p));` after the check.',
    ],
    subjects: [reg(regno)],
  };
};

const typeMath: TellRow = c => {
  const regno = c.num(0);
  const held = c.reg(regno);
  const end = held !== undefined && baseType(held.type) === PTR_TO_PACKET_END;
  return {
    title: 'Pointers of this kind cannot be computed with',
    attempted: `r${regno} is ${c.regWords(regno)}. It can only be used as it is${end ? ', in comparisons' : ''}.`,
    remedies: end
      ? ['Add on the other side of the comparison: `if (data + 14 > data_end)` instead of `if (data > data_end - 14)`.']
      : ['Compute with plain numbers, or with the pointer it was made from.'],
    subjects: [reg(regno)],
  };
};

const operator =
  (title: string, why: string, remedy: string): TellRow =>
  (c): Told => ({ title, attempted: why, remedies: [remedy], subjects: both(c) });

const KEEP_64 =
  'Use 64-bit variables for addresses (`long`, `__u64`, `void *`), and compute with offsets instead of addresses.';

export const ARITHMETIC_ROWS = {
  ptrMathUnbounded: unbounded,
  ptrMathOutOfBounds: outOfBounds,
  ptrMathConst: constant,
  ptrMathOff: constant,
  ptrMathNull: nullMath,
  ptrMathType: typeMath,
  ptrMath32: operator(
    'A pointer is computed with in 32 bits',
    'A 32-bit operation would cut off the upper half of the address.',
    KEEP_64,
  ),
  ptrFromScalar: operator(
    'A pointer is subtracted from a number',
    'The result would be neither a pointer nor a number that can be known.',
    'Subtract the other way round, or subtract two pointers into the same packet: `data_end - data`.',
  ),
  ptrWithPtr: operator(
    'Two pointers are combined',
    'Two addresses are added (or combined otherwise); only pointers into the same packet may be subtracted from each other.',
    KEEP_64,
  ),
  ptrBitwise: operator(
    'Bits of a pointer are changed',
    'A bitwise operation (and, or, xor) on an address would make an address nobody has checked.',
    'Align or mask the offset before it is added to the pointer, not the pointer.',
  ),
  ptrOperator: operator(
    'A pointer is multiplied, divided or shifted',
    'Only addition and subtraction lead from one address into the same memory.',
    'Compute the offset first, then add it to the pointer.',
  ),
} satisfies Record<string, TellRow>;
