import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { compareWithLog, noComparison } from '../../../test/support/scalar-log.ts';
import { decodeInsns } from '../../isa/index.ts';
import { fromHex } from '../../util/index.ts';

const FILE = new URL('../../../testdata/kernel/scalars-6.12-amd64.jsonl.gz', import.meta.url);
const records = gunzipSync(readFileSync(FILE))
  .toString('utf8')
  .trimEnd()
  .split('\n')
  .map(line => JSON.parse(line) as { name: string; insns: string; log: string });

describe("numbers in the log of Linux 6.12.107's verifier", () => {
  it('are ours, register by register, branch by branch', () => {
    const total = noComparison();
    for (const { name, insns, log } of records) compareWithLog(decodeInsns(fromHex(insns)), log, total, name);
    expect(total.mismatches.slice(0, 5)).toEqual([]);
    expect(total.compared).toBeGreaterThan(30_000);
    expect(total.violations).toBeGreaterThan(20);
  });

  it('are compared at all: a changed log is noticed', () => {
    const { insns, log } = records[0];
    const bent = noComparison();
    compareWithLog(decodeInsns(fromHex(insns)), log.replace(/umax=0xff/, 'umax=0xfe'), bent, 'bent');
    expect(log).toMatch(/umax=0xff/);
    expect(bent.mismatches.length).toBeGreaterThan(0);
  });
});
