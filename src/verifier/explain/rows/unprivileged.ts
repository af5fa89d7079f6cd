import type { ExplainCase } from '../case.ts';
import { hasRegOperand } from '../operands.ts';
import { calleeOf } from './access.ts';
import { reg, type Subject, type TellRow } from './row.ts';

const ROOT = 'Load the program with CAP_BPF and CAP_PERFMON (as root): these rules are for other users only.';

/** Both operands of a sum. */
function operands(c: ExplainCase): Subject[] {
  const { insn } = c;
  if (insn === undefined) return [];
  const regs = hasRegOperand(insn) ? [insn.dst, insn.src] : [insn.dst];
  return regs.filter(regno => regno < 10).map(reg);
}

const sum =
  (why: string, remedy: string): TellRow =>
  c => ({
    title: 'Pointer arithmetic that only privileged programs may do',
    attempted: `${why} The program was loaded without CAP_PERFMON, where a CPU that runs ahead by mistake (speculation) must not be led out of the object either.`,
    remedies: [remedy, ROOT],
    subjects: operands(c),
  });

const INSIDE = 'Keep every pointer inside its object at every step, not only where it is used.';
const ONE_WAY =
  'Limit the number on both ends before it is added, and let every path that comes here use the same pointer and limits.';

export const UNPRIVILEGED_ROWS = {
  mapMathRange: sum('The result would point outside of the map value, if only for a moment.', INSIDE),
  stackMathRange: sum('The result would point outside of the stack, if only for a moment.', INSIDE),
  stackMathVariable: sum(
    'A stack address is moved by a number only known at run time.',
    'Use constant offsets into the stack: unroll the loop, or keep the array in a map.',
  ),
  sanitizeBounds: sum('A pointer is moved by a number that may be negative or positive.', ONE_WAY),
  sanitizeType: sum('A pointer is moved by an operation that cannot be made safe.', ONE_WAY),
  sanitizePaths: sum('One instruction moves different pointers, or by different limits, on different paths.', ONE_WAY),
  sanitizeLimit: sum('A pointer is moved further than its object reaches.', INSIDE),
  argLeak: c => ({
    title: `An address would be passed to ${calleeOf(c)}()`,
    attempted: `Argument ${c.num(0)} takes any number. It is ${c.regWords(c.num(0))}, and the program was loaded without CAP_PERFMON, so addresses must not leave it.`,
    remedies: ['Pass a number instead of a pointer.', ROOT],
    subjects: [reg(c.num(0))],
  }),
  stackCorruptSpill: () => ({
    title: 'A pointer kept on the stack is written over in part',
    attempted:
      'A pointer was stored at this place of the stack. Writing only some of its 8 bytes would make an address nobody has checked; without CAP_PERFMON that is refused at once.',
    remedies: ['Write all 8 bytes, or use another variable.', ROOT],
  }),
} satisfies Record<string, TellRow>;
