import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { parseProgs } from '../../../test/support/prog-file.ts';
import { compareLogs, differenceText } from '../../../test/support/scoreboard/logs.ts';
import { verifyInputOf } from '../../../test/support/verify-input.ts';
import { openBtf } from '../../btf/index.ts';
import { kernelImage } from '../../kernels/index.ts';
import { verify } from '../verify.ts';

interface Recorded {
  readonly program: string;
  readonly errno: number;
  readonly log: string;
}

const NO_CAPS = { bpf: false, perfmon: false, netAdmin: false, sysAdmin: false };
const bytesOf = (path: string): Uint8Array =>
  new Uint8Array(gunzipSync(readFileSync(new URL(`../../../${path}`, import.meta.url))));

const image = kernelImage('6.12-amd64');
const btf = openBtf(bytesOf('assets/btf/vmlinux-6.12-amd64.btf.gz'));
const kernel = { version: '6.12', arch: image.arch, btf, image };
const rows = Buffer.from(bytesOf('testdata/kernel/walk-6.12-amd64.jsonl.gz'))
  .toString('utf8')
  .trim()
  .split('\n')
  .map(line => JSON.parse(line) as Recorded)
  .map(row => ({ ...row, entry: parseProgs(row.program)[0] }));

describe.each(['value', 'packet', 'single'])('random programs, %s', kind => {
  it('are judged as a kernel did, with the same log', () => {
    const chosen = rows.filter(({ entry }) => entry.name.startsWith(kind));
    expect(chosen.length).toBeGreaterThan(60);
    for (const { entry, errno, log } of chosen) {
      const caps = entry.unprivileged === true ? { caps: NO_CAPS } : {};
      const verdict = verify(verifyInputOf(entry), { kernel, logLevel: 2, ...caps });
      expect(verdict.errno, entry.name).toBe(errno);
      const difference = compareLogs(log, verdict.log);
      const text = difference === undefined ? '' : differenceText(log, verdict.log, difference, 3);
      expect(text, entry.name).toBe('');
    }
  });
});
