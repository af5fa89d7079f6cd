import { reg, type TellRow } from './row.ts';

const backEdge: TellRow = c => ({
  title: 'A loop, which only privileged programs may have',
  attempted: `${capital(c.where(c.num(0)))} jumps back to ${c.where(c.num(1))}. A program loaded without CAP_BPF may not jump back at all; no kernel before 5.3 allows it to anybody.`,
  remedies: [
    'Load the program with CAP_BPF (as root).',
    'Or have the compiler unroll the loop: `#pragma clang loop unroll(full)` above it, with a constant number of rounds.',
  ],
});

const capital = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);

const unreachable: TellRow = c => ({
  title: 'An instruction that no path reaches',
  attempted: `${capital(c.where(c.num(0)))} can never run: no path from the beginning leads there. The kernel takes no dead code of this kind.`,
  remedies: [
    'Compilers remove such code, so it is mostly made by hand: remove it, or jump to it.',
    'After `__builtin_unreachable()` or a call the compiler believes not to return, add a `return`.',
  ],
  insnIdx: c.num(0),
});

const lastInsn: TellRow = c => ({
  title: 'A function runs past its end',
  attempted:
    'The last instruction of a function is neither `exit` nor a jump, so control would run into whatever comes next.',
  remedies: [
    'End every function with `return`. The compiler leaves it out where it takes the end for unreachable: after `__builtin_unreachable()`, an endless loop, or undefined behaviour.',
  ],
  ...(c.insnIdx === undefined ? {} : { insnIdx: c.insnIdx }),
});

const jumpOut: TellRow = c => ({
  title: 'A jump out of the function',
  attempted: `${capital(c.where(c.num(0)))} jumps to instruction ${c.num(1)}, which does not belong to the same function.`,
  remedies: ['Jump only within a function; call another one instead of jumping into it.'],
  insnIdx: c.num(0),
});

const divByZero: TellRow = () => ({
  title: 'A division by the constant 0',
  attempted: 'The divisor is written in the instruction, and it is 0.',
  remedies: [
    'Divide by something else. A divisor in a variable may be 0 at run time: the result is 0 then, and nothing fails.',
  ],
});

const framePointer: TellRow = c => ({
  title: 'r10, the frame pointer, cannot be changed',
  attempted: 'r10 always points to the top of the stack of the function; no instruction may write to it.',
  remedies: ['Copy it first and change the copy: `r2 = r10; r2 += -8`.'],
  subjects: c.insn === undefined ? [] : [reg(c.insn.dst)],
});

export const STRUCTURE_ROWS = {
  backEdge,
  unreachable,
  lastInsn,
  jumpOutOfRange: jumpOut,
  divByZero,
  framePointerReadOnly: framePointer,
} satisfies Record<string, TellRow>;
