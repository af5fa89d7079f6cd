/**
 * Compiles what a kernel lab's PowerPC kernel compiled, with the compatible mode and at the same addresses, and compares
 * byte for byte. Input: lines of `ask 6.12-ppc64el DIR OUT.jsonl --log 4 --ksyms` (levels 4 and up have stack depths).
 *   npx tsx test/tools/compare-jit.ts OUT.jsonl [--btf VMLINUX.BTF] [--cpu CPU] [--all]
 */
import { parseArgs } from 'node:util';
import { createKernelSpace, defaultLayout, kernelImage } from '../../src/kernels/index.ts';
import { compareWithKernel } from '../support/lab-jit.ts';
import { readLab } from '../support/lab-lines.ts';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    btf: { type: 'string' },
    /** As the lab's `--cpu`; the default of both is power9. */
    cpu: { type: 'string' },
    all: { type: 'boolean', default: false },
  },
});
const [path] = positionals;
if (path === undefined) {
  process.stderr.write('usage: compare-jit OUT.jsonl [--btf VMLINUX.BTF] [--cpu CPU] [--all]\n');
  process.exit(2);
}

const space = createKernelSpace(defaultLayout('ppc64'), kernelImage('6.12-ppc64el'), { keepOut: [] });
const { programs: answers, kfunc, uncompiled } = readLab(path, values.btf, space);

let functions = 0;
let equal = 0;
const causes = new Map<string, string[]>();
for (const answer of answers) {
  let cause: string;
  try {
    const result = compareWithKernel(answer, { space, kfunc, cpu: values.cpu });
    functions += answer.ksyms.length;
    if (result.length === 0) {
      equal++;
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
if (uncompiled > 0) console.log(`${uncompiled} accepted programs without an image`);
for (const [cause, names] of [...causes].sort((a, b) => b[1].length - a[1].length)) {
  console.log(`${names.length} × ${cause}: ${names.slice(0, 4).join(', ')}${names.length > 4 ? ', …' : ''}`);
}
