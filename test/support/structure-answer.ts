import { MESSAGES } from '../../src/verifier/index.ts';

/** A line of a kernel lab's answers, as far as it is looked at here. */
export interface LabAnswer {
  readonly file?: string;
  readonly prog?: string;
  readonly sec?: string;
  readonly errno?: number;
  readonly btf_errno?: number;
  readonly log?: string;
  readonly libbpf?: string;
}

const STATS = /verification time \d+ usec|processed \d+ insns /;

/** The kernel's last line before its statistics: why it refused. Empty where it gave no reason. */
export function refusalOf(log: string): string {
  const at = log.search(STATS);
  const text = at < 0 ? log : log.slice(0, at);
  const last = text.trimEnd().split('\n').at(-1) ?? '';
  return /^func#\d+ @\d+$/.test(last) ? '' : last;
}

/** Our messages as patterns, numbers and names left open. */
const PATTERNS: readonly RegExp[] = Object.values(MESSAGES)
  .map(({ text }) => (text as (...args: string[]) => string)(...new Array<string>(text.length).fill('\u0001')))
  .map(text => text.replace(/NaN/g, '\u0001'))
  .filter(text => text !== '')
  .map(
    text => new RegExp(`^${text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&').replace(/\u0001|0(?= in func info)/g, '.*')}$`),
  );

/** Whether a refusal of the kernel is one of those that `checkStructure` gives. */
export const isStructural = (message: string): boolean => PATTERNS.some(pattern => pattern.test(message));
