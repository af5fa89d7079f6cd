/**
 * Compiles what a kernel lab's kernel compiled, with the compatible mode and at the same addresses, and compares byte
 * for byte. Input: lines of `ask 6.12-ARCH DIR OUT.jsonl --log 4 --ksyms` (levels 4 and up have stack depths).
 *   npx tsx test/tools/compare-jit.ts OUT.jsonl [--arch ppc64el] [--btf VMLINUX.BTF] [--cpu CPU] [--all]
 */
import { parseArgs } from 'node:util';
import { compareWithKernel, lineAddresses } from '../support/lab-jit.ts';
import { readLab } from '../support/lab-lines.ts';
import { labTarget } from '../support/lab-targets.ts';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    arch: { type: 'string', default: 'ppc64el' },
    btf: { type: 'string' },
    /** As the lab's `--cpu`; default: what it is without. */
    cpu: { type: 'string' },
    all: { type: 'boolean', default: false },
  },
});
const [path] = positionals;
if (path === undefined) {
  process.stderr.write('usage: compare-jit OUT.jsonl [--arch ARCH] [--btf VMLINUX.BTF] [--cpu CPU] [--all]\n');
  process.exit(2);
}

const lab = labTarget(values.arch);
const { programs: answers, kfunc, space, uncompiled } = readLab(path, values.btf, lab);
const subject = { space, lab, kfunc, cpu: values.cpu };

let functions = 0;
let equal = 0;
let lined = 0;
let linesEqual = 0;
const causes = new Map<string, string[]>();
for (const answer of answers) {
  let cause: string;
  try {
    const result = compareWithKernel(answer, subject);
    functions += answer.ksyms.length;
    if (result.length === 0) {
      equal++;
      if (answer.lineAddrs !== undefined) {
        lined++;
        if (lineAddresses(answer, subject).join() === answer.lineAddrs.join()) linesEqual++;
        else if (values.all) console.log(`lines differ ${answer.name}`);
      }
      if (values.all) console.log(`equal ${answer.name}`);
      continue;
    }
    if (typeof result === 'string') cause = result;
    else {
      const { insn, ours, theirs } = result[0];
      const code = insn === undefined ? 'prologue' : `code ${insn.code.toString(16).padStart(2, '0')}`;
      cause = `${code}: ours ${ours}, theirs ${theirs}`;
    }
  } catch (error) {
    cause = `${(error as Error).name}: ${(error as Error).message}`;
    if (values.all) console.log((error as Error).stack);
  }
  causes.set(cause, [...(causes.get(cause) ?? []), answer.name]);
}
console.log(`${equal} of ${answers.length} programs equal (${functions} functions)`);
if (lined > 0) console.log(`line records of ${linesEqual} of ${lined} of them equal`);
if (uncompiled > 0) console.log(`${uncompiled} accepted programs without an image`);
for (const [cause, names] of [...causes].sort((a, b) => b[1].length - a[1].length)) {
  console.log(`${names.length} × ${cause}: ${names.slice(0, 4).join(', ')}${names.length > 4 ? ', …' : ''}`);
}
