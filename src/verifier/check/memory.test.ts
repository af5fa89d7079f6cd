import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { parseProgs } from '../../../test/support/prog-file.ts';
import { compareLogs } from '../../../test/support/scoreboard/logs.ts';
import { verifyInputOf } from '../../../test/support/verify-input.ts';
import { openBtf } from '../../btf/index.ts';
import { kernelImage } from '../../kernels/index.ts';
import type { VerifierKernel } from '../input.ts';
import { verify } from '../verify.ts';

/** A program of random memory accesses, and what Linux 6.12.107 said of it at log level 2. */
interface Answer {
  readonly topic: string;
  /** Text of a `.prog` file. */
  readonly prog: string;
  readonly errno: number;
  readonly log: string;
}

const unzipped = (path: string): Buffer => gunzipSync(readFileSync(new URL(`../../../${path}`, import.meta.url)));

const image = kernelImage('6.12-amd64');
const btf = openBtf(new Uint8Array(unzipped('assets/btf/vmlinux-6.12-amd64.btf.gz')));
const kernel: VerifierKernel = { version: '6.12', arch: image.arch, btf, image };
const answers = unzipped('testdata/kernel/memory-6.12-amd64.jsonl.gz')
  .toString('utf8')
  .trim()
  .split('\n')
  .map(line => JSON.parse(line) as Answer);
const topics = [...new Set(answers.map(({ topic }) => topic))];

describe('memory accesses, as Linux logs them', () => {
  it.each(topics)('%s', topic => {
    const rows = answers.filter(answer => answer.topic === topic);
    const verdicts = new Set<boolean>();
    for (const { prog, errno, log } of rows) {
      const [entry] = parseProgs(prog);
      const verdict = verify(verifyInputOf(entry), { kernel, logLevel: 2 });
      verdicts.add(verdict.ok);
      expect
        .soft({ errno: verdict.errno, log: compareLogs(log, verdict.log) }, prog)
        .toEqual({ errno, log: undefined });
    }
    expect(verdicts.size).toBe(2);
  });
});

describe('without rights', () => {
  const caps = { bpf: false, perfmon: false, netAdmin: false, sysAdmin: false };
  it.each([
    [
      'a spilled pointer written over in part',
      '7b1af8ff00000000 620af8ff00000000',
      'attempt to corrupt spilled pointer on stack',
    ],
    ['an address stored in the context', '7ba1300000000000', 'R10 leaks addr into ctx'],
    ['below what was written', '79a1f8ff00000000', 'invalid read from stack R10 off=-8 size=8'],
    ['a byte nobody wrote', '620af8ff00000000 79a1f8ff00000000', 'invalid read from stack off -8+4 size 8'],
    [
      'an atomic operation on a spilled pointer',
      '7b1af8ff00000000 b702000001000000 db2af8ff00000000',
      'leaking pointer from stack off -8',
    ],
  ])('%s', (_what, insns, message) => {
    const text = `name p\ntype 1\ninsn ${insns}\ninsn b700000000000000 9500000000000000\nend\n`;
    const input = verifyInputOf(parseProgs(text)[0]);
    expect(verify(input, { kernel }).ok).toBe(true);
    const refused = verify(input, { kernel, caps });
    expect([refused.errno, refused.message]).toEqual([13, message]);
  });
});
