import type { ExplainCase } from './case.ts';
import { accessBytes, roleOf } from './operands.ts';
import { bytesWords, calleeOf } from './rows/access.ts';
import { reg, type Subject, type Told } from './rows/row.ts';

/** Registers a message names (`R1`, `arg#0`), or else those the instruction goes through. */
function subjectsOf(c: ExplainCase): Subject[] {
  const { message } = c.verdict;
  const found = new Set<number>();
  for (const match of message.matchAll(/\bR(\d+)\b/g)) found.add(Number(match[1]));
  for (const match of message.matchAll(/\barg#(\d+)/g)) found.add(Number(match[1]) + 1);
  const { insn } = c;
  if (found.size === 0 && insn !== undefined) {
    const role = roleOf(insn);
    if (role === 'load') found.add(insn.src);
    else if (role === 'store' || role === 'atomic' || role === 'alu') found.add(insn.dst);
    else if (role === 'exit') found.add(0);
  }
  return [...found].filter(regno => regno <= 9).map(reg);
}

/** What the refused instruction does. */
function doing(c: ExplainCase): string {
  const { insn } = c;
  if (!c.inWalk || insn === undefined) return 'The program was refused before any path was looked at';
  switch (roleOf(insn)) {
    case 'load':
      return `The instruction reads ${bytesWords(accessBytes(insn))} through r${insn.src}, which is ${c.regWords(insn.src)}`;
    case 'store':
    case 'atomic':
      return `The instruction writes ${bytesWords(accessBytes(insn))} through r${insn.dst}, which is ${c.regWords(insn.dst)}`;
    case 'call':
      return `The program calls ${calleeOf(c)}() here`;
    case 'exit':
      return 'The function ends here';
    case 'alu':
    case 'mov':
      return `The instruction computes r${insn.dst}, which is ${c.regWords(insn.dst)}`;
    case 'branch':
      return `The instruction compares r${insn.dst}, which is ${c.regWords(insn.dst)}`;
    default:
      return 'The verifier stopped here';
  }
}

/** What can be said of a message that has no row of its own. */
export function genericTold(c: ExplainCase): Told {
  const { message, stage } = c.verdict;
  if (message === '') {
    return {
      title: 'Refused without a word',
      attempted: `The kernel gives no reason; it was decided in the step that is called ${stage} in its source.`,
      remedies: [],
      subjects: [],
    };
  }
  const [first] = message.split('\n');
  return {
    title: `Not allowed: ${first}`,
    attempted: `${doing(c)}. The verifier says: ${first}`,
    remedies: [],
    subjects: subjectsOf(c),
  };
}
