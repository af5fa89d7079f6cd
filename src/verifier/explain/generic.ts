import type { ExplainCase } from './case.ts';
import { reg, type Subject, type Told } from './rows/row.ts';

/** Registers a message names: `R1`, `arg#0`. */
function namedRegs(message: string): Subject[] {
  const found = new Set<number>();
  for (const match of message.matchAll(/\bR(\d+)\b/g)) found.add(Number(match[1]));
  for (const match of message.matchAll(/\barg#(\d+)/g)) found.add(Number(match[1]) + 1);
  return [...found].filter(regno => regno <= 9).map(reg);
}

/** What can be said of a message that has no row of its own. */
export function genericTold(c: ExplainCase): Told {
  const { message, stage } = c.verdict;
  const subjects = namedRegs(message);
  return {
    title: message === '' ? `Refused without a word, in ${stage}` : 'Refused',
    attempted:
      message === '' ? `The kernel gives no reason; it was decided in ${stage}.` : `The verifier says: ${message}`,
    remedies: [],
    subjects,
  };
}
