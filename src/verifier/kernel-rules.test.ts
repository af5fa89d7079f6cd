import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { parseProgs } from '../../test/support/prog-file.ts';
import { verifyInputOf } from '../../test/support/verify-input.ts';
import { openBtf } from '../btf/index.ts';
import { kernelImage } from '../kernels/index.ts';
import { kernelRules, RULED_RELEASES, releaseNumber } from './kernel-rules.ts';
import { verify } from './verify.ts';

interface Recorded {
  readonly program: string;
  /** What each kernel said: Linux 6.1.176, 6.12.107 and 7.2.13 of Debian, amd64. */
  readonly answers: Readonly<Record<string, { readonly errno: number; readonly message: string }>>;
}

const bytesOf = (path: string): Uint8Array =>
  new Uint8Array(gunzipSync(readFileSync(new URL(`../../${path}`, import.meta.url))));
const rows = Buffer.from(bytesOf('testdata/kernel/versions-amd64.jsonl.gz'))
  .toString('utf8')
  .trim()
  .split('\n')
  .map(line => JSON.parse(line) as Recorded)
  .map(row => ({ ...row, entry: parseProgs(row.program)[0] }));

/** Refused (or not) before the verifier begins, or by what `docs/spec/verifier-versions.md` says is missing. */
const OTHERWISE: Readonly<Record<string, readonly string[]>> = {
  '6.1': ['netfilter', 'dev_bound'],
  '6.12': [],
  '7.2': ['two_deep_stacks', 'div_range', 'mod_range'],
};
/** The same errno with other words. */
const OTHER_WORDS: Readonly<Record<string, readonly string[]>> = {
  '6.1': ['gotol', 'helper_211', 'two_deep_stacks', 'two_deep_stacks_filter'],
  '6.12': [],
  '7.2': ['gotox'],
};

describe.each(RULED_RELEASES)('programs that tell releases apart, in Linux %s', version => {
  const image = kernelImage(`${version}-amd64`);
  const btf = openBtf(bytesOf(`assets/btf/vmlinux-${version}-amd64.btf.gz`));
  const kernel = { version, arch: image.arch, btf, image };

  it('are judged as that kernel did', () => {
    const verdicts: Record<string, number> = {};
    const words: Record<string, string> = {};
    for (const { entry } of rows) {
      const { errno, message } = verify(verifyInputOf(entry), { kernel, logLevel: 1 });
      verdicts[entry.name] = errno;
      words[entry.name] = message;
    }
    const answerOf = (name: string) => rows.find(({ entry }) => entry.name === name)?.answers[version];
    const names = rows.map(({ entry }) => entry.name);
    expect(names.filter(name => verdicts[name] !== answerOf(name)?.errno)).toEqual(OTHERWISE[version]);
    const same = names.filter(name => verdicts[name] === answerOf(name)?.errno);
    expect(same.filter(name => words[name] !== answerOf(name)?.message)).toEqual(OTHER_WORDS[version]);
  });
});

describe('rules by release', () => {
  it('are those of the newest known release that is no newer', () => {
    expect(['5.15', '6.1', '6.6', '6.12', '6.18', '7.2', '7.9'].map(version => kernelRules(version).release)).toEqual([
      6001, 6001, 6001, 6012, 6012, 7002, 7002,
    ]);
  });

  it('releases compare by number', () => {
    expect(['6.9', '6.12', '7.0'].map(releaseNumber)).toEqual([6009, 6012, 7000]);
  });
});
