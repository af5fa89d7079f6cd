import { progTypeName } from '../../../uapi/index.ts';
import { reg, type TellRow } from './row.ts';

const returnRange: TellRow = c => {
  const [where, name, min, max] = [c.str(0), c.str(1), c.num(3), c.num(4)];
  const regno = name === 'R1' ? 1 : 0;
  const range = min === max ? `only ${min}` : `${min} to ${max}`;
  const what = where.startsWith('At program exit')
    ? `A program of type ${progTypeName(c.input.type)}`
    : 'The function called back';
  return {
    title: `The result has to be ${range}`,
    attempted: `${what} may return ${range} here; the kernel gives other numbers no meaning. r${regno} is ${c.regWords(regno)} on this path.`,
    remedies: [
      min === 0 && max === 1
        ? 'Return 0 (refuse) or 1 (allow) on every path.'
        : `Return ${min === max ? String(min) : `a number from ${min} to ${max}`} on every path.`,
      'If the result comes from somewhere else, make it one of these: `return result ? 1 : 0;`.',
    ],
    subjects: [reg(regno)],
  };
};

const returnUnknown: TellRow = c => ({
  title: 'The result is not a number',
  attempted: `r${c.num(1)} holds the result: ${c.regWords(c.num(1))}. It has to be a plain number.`,
  remedies: ['Return a constant, or a number computed from data.'],
  subjects: [reg(c.num(1))],
});

const leaksReturn: TellRow = c => ({
  title: 'The program would return an address',
  attempted: `r${c.num(0)} holds the result: ${c.regWords(c.num(0))}. User space must not learn addresses of the kernel.`,
  remedies: ['Return a number: `return ptr != NULL;`.', 'Loaded with CAP_PERFMON it is allowed.'],
  subjects: [reg(c.num(0))],
});

const LEAK_WORDS: Readonly<Record<string, string>> = {
  map: 'a map',
  ctx: 'the context',
  mem: 'memory',
  packet: 'the packet',
};
const leakTarget = (where: string): string => LEAK_WORDS[where] ?? where;

const leaksAddr: TellRow = c => ({
  title: `An address of the kernel would be written to ${leakTarget(c.str(1))}`,
  attempted: `r${c.num(0)} is a pointer, and what is written to ${leakTarget(c.str(1))} can be read by user space. The program was loaded without CAP_PERFMON, so addresses must not leave it.`,
  remedies: [
    'Store a number instead of a pointer: an index, an id, a counter.',
    'Loaded with CAP_PERFMON (as root) it is allowed.',
  ],
  ...(c.insn === undefined ? {} : { subjects: [reg(c.insn.src)] }),
});

const compares: TellRow = c => ({
  title: 'Addresses are compared in a way that would give them away',
  attempted: `The program was loaded without CAP_PERFMON; r${c.num(0)} is ${c.regWords(c.num(0))}, and comparing that with a number would tell something of an address.`,
  remedies: [
    'Compare pointers only with NULL or, into a packet, with its end.',
    'Loaded with CAP_PERFMON (as root) it is allowed.',
  ],
  subjects: [reg(c.num(0))],
});

const subprogReturn: TellRow = c => ({
  title: 'A global function returns something that is not a number',
  attempted: `Functions that are not static are verified on their own, and only numbers may come back from them. r0 is ${c.regWords(0)}.`,
  remedies: ['Make the function `static`, or return a number and pass pointers as arguments.'],
  subjects: [reg(0)],
});

export const RETURN_ROWS = {
  returnRange,
  returnUnknown,
  leaksReturn,
  leaksAddr,
  ptrComparison: compares,
  subprogReturn,
} satisfies Record<string, TellRow>;
