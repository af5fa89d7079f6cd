/**
 * Bytes of farcall's own code against those of a kernel's images of the same programs, at the same addresses. Input: lines
 * of `ask 6.12-ARCH DIR OUT.jsonl --log 4 --ksyms`.
 *   npx tsx test/tools/compare-size.ts OUT.jsonl [--arch ppc64el] [--btf VMLINUX.BTF] [--cpu CPU] [--all]
 */
import { parseArgs } from 'node:util';
import { findTarget, jitProgram } from '../../src/jit/index.ts';
import { readLab } from '../support/lab-lines.ts';
import { labTarget } from '../support/lab-targets.ts';
import { xlatedOfAnswer } from '../support/lab-xlated.ts';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    arch: { type: 'string', default: 'ppc64el' },
    btf: { type: 'string' },
    cpu: { type: 'string' },
    all: { type: 'boolean', default: false },
  },
});
const [path] = positionals;
if (path === undefined) {
  process.stderr.write('usage: compare-size OUT.jsonl [--arch ARCH] [--btf VMLINUX.BTF] [--cpu CPU] [--all]\n');
  process.exit(2);
}

const lab = labTarget(values.arch);
const cpu = values.cpu ?? lab.cpu;
const { programs, kfunc, space } = readLab(path, values.btf, lab);
const target = findTarget(lab.target);
const rows: { name: string; theirs: number; ours: number }[] = [];
const failed = new Map<string, number>();
for (const answer of programs) {
  try {
    const result = jitProgram(xlatedOfAnswer(answer, { space, lab, kfunc }), {
      target,
      space,
      cpu,
      placement: index => ({ at: BigInt(`0x${answer.ksyms[index]}`) }),
    });
    if (!result.ok || !result.prog.jited) throw new Error(result.ok ? 'interpreted' : result.rejection.message);
    const ours = result.prog.funcs.reduce((sum, func) => sum + func.bytes.length, 0);
    result.prog.free();
    rows.push({ name: answer.name, theirs: answer.jited.length / 2, ours });
  } catch (error) {
    const { message } = error as Error;
    failed.set(message, (failed.get(message) ?? 0) + 1);
  }
}
rows.sort((a, b) => b.ours / b.theirs - a.ours / a.theirs);
const total = (pick: 'ours' | 'theirs'): number => rows.reduce((sum, row) => sum + row[pick], 0);
const ratio = (ours: number, theirs: number): string => (ours / theirs).toFixed(3);
for (const row of values.all ? rows : rows.slice(0, 10)) {
  console.log(
    `${ratio(row.ours, row.theirs)}  ${String(row.ours).padStart(6)} of ${String(row.theirs).padStart(6)}  ${row.name}`,
  );
}
console.log(
  `${rows.length} programs, ${cpu}: ${total('ours')} bytes of ${total('theirs')}, ${ratio(total('ours'), total('theirs'))}`,
);
console.log(`larger than the kernel's: ${rows.filter(row => row.ours > row.theirs).length}`);
for (const [message, count] of failed) console.log(`${count} × ${message}`);
