/**
 * Records what a PowerPC kernel's JIT makes of programs of our own, in two steps around a kernel lab:
 *   npx tsx test/tools/record-jit.ts programs OUT.prog
 *   ask 6.12-ppc64el DIR OUT.jsonl --log 4 --ksyms       with OUT.prog and jit-btf.o in DIR (testdata/kernel/jit-btf.c)
 *   npx tsx test/tools/record-jit.ts fixture OUT.jsonl VMLINUX.BTF testdata/kernel/jit-6.12-ppc64el.jsonl.gz
 * and, to compare more with test/tools/compare-jit.ts, any number of programs with 2 to 12 functions:
 *   npx tsx test/tools/record-jit.ts functions SEED COUNT OUT.prog
 */
import { writeFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { BPF_PSEUDO_KFUNC_CALL, CALL, decodeInsns } from '../../src/isa/index.ts';
import { fromHex } from '../../src/util/index.ts';
import { functionProgram } from '../support/function-programs.ts';
import { JIT_PROGRAMS, labText } from '../support/jit-programs.ts';
import { readLab } from '../support/lab-lines.ts';
import { labTarget } from '../support/lab-targets.ts';

const [what, ...paths] = process.argv.slice(2);
if (what === 'programs' && paths.length === 1) {
  writeFileSync(paths[0], `${JIT_PROGRAMS.map(labText).join('\n')}\n`);
} else if (what === 'functions' && paths.length === 3) {
  const [first, count, out] = [Number(paths[0]), Number(paths[1]), paths[2]];
  const texts = Array.from({ length: count }, (_, i) => labText(functionProgram(first + i)));
  writeFileSync(out, `${texts.join('\n')}\n`);
} else if (what === 'fixture' && paths.length === 3) {
  const [lab, btf, out] = paths;
  const { programs, kfunc } = readLab(lab, btf, labTarget('ppc64el'));
  const lines = programs.map(({ name, ...answer }) => {
    const kfuncs: Record<number, { addr: string; args: unknown }> = {};
    for (const { code, src, imm } of decodeInsns(fromHex(answer.xlated))) {
      if (code !== CALL || src !== BPF_PSEUDO_KFUNC_CALL) continue;
      const known = kfunc(imm);
      if (known !== undefined) kfuncs[imm] = { addr: known.addr.toString(16), args: known.args };
    }
    const own = name.slice(name.indexOf(':') + 1);
    return JSON.stringify({ name: own, ...answer, ...(Object.keys(kfuncs).length === 0 ? {} : { kfuncs }) });
  });
  writeFileSync(out, gzipSync(`${lines.join('\n')}\n`, { level: 9 }));
  console.log(`${lines.length} programs`);
} else {
  process.stderr.write(
    'usage: record-jit programs OUT.prog | functions SEED COUNT OUT.prog | fixture LAB.jsonl VMLINUX.BTF OUT.jsonl.gz\n',
  );
  process.exit(2);
}
