/**
 * Records what a real kernel makes of accepted programs of our own, in two steps around a kernel lab:
 *   npx tsx test/tools/record-xlated.ts programs OUT.prog
 *   ask 6.12-amd64 DIR OUT.jsonl --log 2       with OUT.prog in DIR; a lab that knows `nocap` and has mitigations on
 *   npx tsx test/tools/record-xlated.ts fixture OUT.prog OUT.jsonl testdata/kernel/xlated-6.12-amd64.jsonl.gz
 * `test/tools/compare-xlated.ts` compares meanwhile.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { gunzipSync, gzipSync } from 'node:zlib';
import { openBtf } from '../../src/btf/index.ts';
import { kernelImage } from '../../src/kernels/index.ts';
import { verify } from '../../src/verifier/index.ts';
import { formatProg, parseProgs } from '../support/prog-file.ts';
import { verifyInputOf } from '../support/verify-input.ts';
import {
  type CtxAccessCase,
  ctxAccesses,
  ctxProgram,
  ctxPrograms,
  XLATED_PROGRAMS,
} from '../support/xlated-programs.ts';

const [what, ...paths] = process.argv.slice(2);
if (what === 'programs' && paths.length === 1) {
  const image = kernelImage('6.12-amd64');
  const btf = openBtf(new Uint8Array(gunzipSync(readFileSync('assets/btf/vmlinux-6.12-amd64.btf.gz'))));
  const kernel = { version: '6.12', arch: image.arch, btf, image };
  const allowed = (access: CtxAccessCase): boolean => verify(verifyInputOf(ctxProgram(access)), { kernel }).ok;
  const entries = [...ctxPrograms([...ctxAccesses()].filter(allowed)), ...XLATED_PROGRAMS];
  writeFileSync(paths[0], entries.map(formatProg).join(''));
} else if (what === 'fixture' && paths.length === 3) {
  const [programs, answers, out] = paths;
  const entries = new Map(parseProgs(readFileSync(programs, 'utf8')).map(entry => [entry.name, entry]));
  const lines: string[] = [];
  for (const line of readFileSync(answers, 'latin1').split('\n')) {
    if (!line.startsWith('{"file"')) continue;
    const { prog, errno, xlated, log } = JSON.parse(line);
    const entry = entries.get(prog);
    if (entry === undefined) throw new Error(`no program ${prog}`);
    const last = errno === 0 ? undefined : String(log).trimEnd().split('\n').at(-2);
    lines.push(JSON.stringify({ program: formatProg(entry), errno, xlated, last }));
  }
  writeFileSync(out, gzipSync(`${lines.join('\n')}\n`, { level: 9 }));
} else {
  process.stderr.write('usage: record-xlated programs OUT.prog | fixture IN.prog LAB.jsonl OUT.jsonl.gz\n');
  process.exit(2);
}
