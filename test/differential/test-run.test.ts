import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { encodeInsns, LD_IMM64 } from '../../src/isa/index.ts';
import { createMachine } from '../../src/machine/index.ts';
import { FarcallError, toHex } from '../../src/util/index.ts';
import { type RunCase, runCases } from './run-cases/index.ts';

/**
 * What Linux answered to `BPF_PROG_TEST_RUN` of every case, one a line: name, return value or `-errno` of the test run
 * itself, length and digest of the packet that came out.
 *
 * To ask again after changing cases: `FARCALL_WRITE_PROGS=DIR` writes them as raw instructions for a lab of kernels into
 * DIR, `FARCALL_READ_ANSWERS=FILE.jsonl` makes its answers the new fixture.
 */
const FIXTURE = join(import.meta.dirname, '../../testdata/kernel/helpers-6.12.107-amd64.tsv');

/** FNV-1a: enough to tell packets apart. */
function digest(bytes: Uint8Array): string {
  let hash = 0x811c9dc5;
  for (const byte of bytes) hash = Math.imul(hash ^ byte, 0x01000193);
  return (hash >>> 0).toString(16).padStart(8, '0');
}

function ours(item: RunCase): string {
  const machine = createMachine();
  const maps = (item.maps ?? []).map(({ type, key, value, max }) =>
    machine.createMap({ name: 'm', type, keySizeBytes: key, valueSizeBytes: value, maxEntries: max, flags: 0 }),
  );
  const program = machine.loadInsns('p', item.type, item.insns, maps);
  try {
    const { fault, retval, dataOut } = machine.run(program, { dataIn: item.data, ctxIn: item.ctx });
    if (fault !== undefined) return `fault: ${fault.message}`;
    const out = dataOut ?? new Uint8Array(0);
    return `${retval}\t${out.length}\t${digest(out)}`;
  } catch (error) {
    // The kernel's errno is in the answer; the machine's error code says which input it refuses.
    if (error instanceof FarcallError && /^run\.(data|ctx)$/.test(error.code)) return 'refused';
    throw error;
  }
}

interface Answer {
  readonly prog?: string;
  readonly errno?: number;
  readonly run_errno?: number;
  readonly retval?: number;
  readonly data_out?: string;
}

function readAnswers(path: string, cases: readonly RunCase[]): void {
  const answers = readFileSync(path, 'utf8')
    .split('\n')
    .filter(line => line.startsWith('{'))
    .map(line => JSON.parse(line) as Answer)
    .filter(answer => answer.prog !== undefined);
  const byName = new Map(answers.map(answer => [answer.prog, answer]));
  const lines = cases.map(({ name }, i) => {
    const answer = byName.get(`c${i}`);
    if (answer === undefined || answer.errno !== 0) throw new Error(`the kernel did not load ${name}`);
    if (answer.run_errno !== undefined) return `${name}\t-${answer.run_errno}`;
    const out = Uint8Array.from(answer.data_out?.match(/../g) ?? [], pair => Number.parseInt(pair, 16));
    return `${name}\t${answer.retval}\t${out.length}\t${digest(out)}`;
  });
  writeFileSync(FIXTURE, `${lines.join('\n')}\n`);
}

function writeProgs(dir: string, cases: readonly RunCase[]): void {
  const text = cases.flatMap((item, i) => [
    `name c${i}`,
    `type ${item.type}`,
    ...(item.maps ?? []).map(map => `map ${map.type} ${map.key} ${map.value} ${map.max} 0`),
    `insn ${toHex(encodeInsns(item.insns)).replace(/.{16}/g, '$& ').trim()}`,
    ...item.insns.flatMap((insn, idx) =>
      insn.code === LD_IMM64 && insn.src === 1 ? [`ldmap ${idx} ${insn.imm} 1 0`] : [],
    ),
    `data ${toHex(item.data)}`,
    ...(item.ctx === undefined ? [] : [`ctx ${toHex(item.ctx)}`]),
    'end',
  ]);
  writeFileSync(join(dir, 'cases.prog'), `${text.join('\n')}\n`);
}

describe('test runs as Linux 6.12 does them', () => {
  const cases = runCases();
  const { FARCALL_WRITE_PROGS, FARCALL_READ_ANSWERS } = process.env;
  if (FARCALL_WRITE_PROGS) writeProgs(FARCALL_WRITE_PROGS, cases);
  if (FARCALL_READ_ANSWERS) readAnswers(FARCALL_READ_ANSWERS, cases);
  const expected = new Map(
    readFileSync(FIXTURE, 'utf8')
      .trimEnd()
      .split('\n')
      .map(line => [line.slice(0, line.indexOf('\t')), line.slice(line.indexOf('\t') + 1)]),
  );

  it('has an answer for every case', () => {
    expect(cases.map(item => item.name)).toEqual([...expected.keys()]);
  });

  // One test for all: a run takes microseconds, a test of its own would take longer than it.
  it('gives the same return values and packets', () => {
    const different: string[] = [];
    for (const item of cases) {
      const kernel = expected.get(item.name) ?? '';
      const machine = ours(item);
      if (machine !== (kernel.startsWith('-') ? 'refused' : kernel)) {
        different.push(`${item.name}: Linux ${kernel}, farcall ${machine}`);
      }
    }
    expect(different).toEqual([]);
  });
});
