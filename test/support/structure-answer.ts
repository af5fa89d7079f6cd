import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { type Btf, openBtf } from '../../src/btf/index.ts';
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

/** A line of testdata/kernel/structure-*.jsonl. */
export interface StructureRecord {
  /** As in a `.prog` file. */
  readonly program: string;
  /** 0: accepted. */
  readonly errno: number;
  readonly message: string;
  /** Refused for something else than its functions and control flow, after those were found good. */
  readonly later?: boolean;
}

const STATS = /verification time \d+ usec|processed \d+ insns /;

/** The kernel's log without its statistics. */
export function logLines(log: string): string {
  const at = log.search(STATS);
  return (at < 0 ? log : log.slice(0, at)).trimEnd();
}

/** The kernel's last line before its statistics: why it refused. Empty where it gave no reason. */
export function refusalOf(log: string): string {
  const last = logLines(log).split('\n').at(-1) ?? '';
  return /^func#\d+ @\d+$/.test(last) ? '' : last;
}

/** Stands for every number and name in a message, and its form in hexadecimal. */
const SAMPLE = 987654;

/** Our messages as patterns, numbers and names left open. */
const PATTERNS: readonly RegExp[] = Object.values(MESSAGES)
  .map(({ text }) => (text as (...args: unknown[]) => string)(...new Array<number>(text.length).fill(SAMPLE)))
  .filter(text => typeof text === 'string' && text !== '')
  .map(text => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&').replace(/987654|f1206/g, '.*'))
  .map(text => new RegExp(`^${text}$`));

/** Whether a refusal of the kernel is one of those that `checkStructure` gives. */
export const isStructural = (message: string): boolean => PATTERNS.some(pattern => pattern.test(message));

/** The BTF of the kernel that answered: a gzipped file, or 6.12's for amd64. */
export function kernelBtf(path?: string): Btf {
  const file = path ?? new URL('../../assets/btf/vmlinux-6.12-amd64.btf.gz', import.meta.url);
  return openBtf(new Uint8Array(gunzipSync(readFileSync(file))));
}
