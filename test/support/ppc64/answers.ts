import { type Case, REG_NAMES } from './cases.ts';
import type { Outcome } from './run-emulated.ts';

/**
 * Recorded outcomes of cases, one a line: name, words, what changed. Registers are `name=value`, `taken` says the branch
 * was, `@off=bytes` is memory.
 *
 * ```
 *   addi 3aa55a9e 4bfff7fc | r21=8f0c3ee2
 * ```
 */
export function printAnswer(one: Case, outcome: Outcome): string {
  const changes = REG_NAMES.flatMap((name, n) =>
    outcome.regs[n] === one.regs[n] ? [] : [`${name}=${outcome.regs[n].toString(16)}`],
  );
  if (outcome.taken) changes.push('taken');
  const first = outcome.memory.findIndex((byte, i) => byte !== one.memory[i]);
  if (first >= 0) {
    const last = outcome.memory.findLastIndex((byte, i) => byte !== one.memory[i]);
    changes.push(`@${first}=${Buffer.from(outcome.memory.subarray(first, last + 1)).toString('hex')}`);
  }
  return `${heading(one)} | ${changes.join(' ')}`;
}

/** Name and words, by which an answer is known to be of a case. */
export function heading(one: Case): string {
  return [one.name, ...one.words.map(word => (word >>> 0).toString(16).padStart(8, '0'))].join(' ');
}

/** The outcome a line tells of; undefined when the line is not of this case. */
export function parseAnswer(line: string, one: Case): Outcome | undefined {
  const [head, changes] = line.split(' | ');
  if (head !== heading(one)) return undefined;
  const regs = [...one.regs];
  const memory = one.memory.slice();
  let taken = false;
  for (const change of changes.split(' ').filter(text => text !== '')) {
    const [name, value] = change.split('=');
    if (name === 'taken') taken = true;
    else if (name.startsWith('@')) memory.set(Buffer.from(value, 'hex'), Number(name.slice(1)));
    else regs[REG_NAMES.indexOf(name)] = BigInt(`0x${value}`);
  }
  return { regs, memory, taken };
}
