import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { JIT_PROGRAMS, labText, MORE_JIT_PROGRAMS } from '../../test/support/jit-programs.ts';
import { hiddenByDump } from '../../test/support/lab-jit.ts';
import { recorded as recordedJit } from '../../test/support/lab-recorded.ts';
import { parseProgs } from '../../test/support/prog-file.ts';
import { verifyInputOf } from '../../test/support/verify-input.ts';
import { compareDumps, dumpOf, knownPlaces } from '../../test/support/xlated-dump.ts';
import { openBtf } from '../btf/index.ts';
import { decodeInsns, TAIL_CALL } from '../isa/index.ts';
import { kernelImage } from '../kernels/index.ts';
import { fromHex } from '../util/index.ts';
import type { VerifierKernel } from './input.ts';
import { verify } from './verify.ts';

/** A program of our own and what 6.12.107 for amd64 said of it and made of it. */
interface Recorded {
  readonly program: string;
  readonly errno: number;
  readonly xlated?: string;
  readonly last?: string;
}

const NO_CAPS = { bpf: false, perfmon: false, netAdmin: false, sysAdmin: false };
const bytesOf = (path: string): Uint8Array =>
  new Uint8Array(gunzipSync(readFileSync(new URL(`../../${path}`, import.meta.url))));

function kernelOf(): VerifierKernel {
  const image = kernelImage('6.12-amd64');
  return { version: '6.12', arch: image.arch, btf: openBtf(bytesOf('assets/btf/vmlinux-6.12-amd64.btf.gz')), image };
}

const recorded = Buffer.from(bytesOf('testdata/kernel/xlated-6.12-amd64.jsonl.gz'))
  .toString('utf8')
  .trim()
  .split('\n')
  .map(line => JSON.parse(line) as Recorded);
const entries = recorded.map(row => ({ ...row, entry: parseProgs(row.program)[0] }));
const kernel = kernelOf();
const known = knownPlaces(kernel.image);

describe('what a kernel made of programs', () => {
  it.each(['ctx', 'map', 'unpriv', ''])('is what the verifier makes of them: %s', group => {
    const rows = entries.filter(({ entry }) => {
      const [first] = entry.name.split('_');
      return group === '' ? !['ctx', 'map', 'unpriv'].includes(first) : first === group;
    });
    expect(rows.length).toBeGreaterThan(8);
    for (const { entry, errno, xlated, last } of rows) {
      const caps = entry.unprivileged === true ? { caps: NO_CAPS } : {};
      const verdict = verify(verifyInputOf(entry), { kernel, logLevel: 2, ...caps });
      expect(verdict.errno, entry.name).toBe(errno);
      if (errno !== 0) {
        expect(verdict.message, entry.name).toBe(last);
        expect(verdict.xlated, entry.name).toBeUndefined();
        continue;
      }
      const ours = dumpOf(verdict.xlated!);
      const theirs = decodeInsns(fromHex(xlated ?? ''));
      expect(compareDumps(theirs, ours, known), entry.name).toBeUndefined();
      expect(verdict.xlated!.verified).toBe(true);
    }
  });

  it('sees a single instruction that is not the same', () => {
    const row = entries.find(({ entry }) => entry.name === 'map_lru_1')!;
    const { xlated } = verify(verifyInputOf(row.entry), { kernel });
    const theirs = decodeInsns(fromHex(row.xlated!));
    for (const [idx, insn] of theirs.entries()) {
      if (insn.code === 0x18 || insn.code === 0) continue;
      const changed = theirs.with(idx, { ...insn, off: insn.off ^ 1 });
      expect(compareDumps(changed, dumpOf(xlated!), known)?.slot).toBe(idx);
    }
  });
});

describe('tail calls', () => {
  it('know their entry where the kernel made direct jumps of them', () => {
    const { answers, newSpace, subject } = recordedJit('amd64');
    const space = newSpace();
    const programs = [...JIT_PROGRAMS, ...MORE_JIT_PROGRAMS].filter(({ text }) => text.includes('call bpf_tail_call'));
    let direct = 0;
    let compared = 0;
    for (const program of programs) {
      const answer = answers.find(({ name }) => name === program.name);
      if (answer === undefined) continue;
      const { xlated } = verify(verifyInputOf(parseProgs(labText(program))[0]), { kernel });
      const ours = xlated!.insns.flatMap(({ code, imm }, slot) => (code === TAIL_CALL && imm !== 0 ? [slot] : []));
      expect(ours, program.name).toEqual(hiddenByDump(answer, subject(answer, space)).directTailCalls);
      direct += ours.length;
      compared++;
    }
    expect([compared, direct]).toEqual([4, 3]);
  });
});
