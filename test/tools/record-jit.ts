/**
 * Records what a kernel's JIT makes of programs of our own, in two steps around a kernel lab:
 *   npx tsx test/tools/record-jit.ts programs ARCH OUT.prog
 *   ask 6.12-ARCH DIR OUT.jsonl --log 4 --ksyms     with OUT.prog, jit-btf.o (testdata/kernel/jit-btf.c) and others in DIR
 *   npx tsx test/tools/record-jit.ts fixture ARCH OUT.jsonl VMLINUX.BTF testdata/kernel/jit-6.12-ARCH.jsonl.gz
 * and, to compare more with test/tools/compare-jit.ts, any number of programs with 2 to 12 functions:
 *   npx tsx test/tools/record-jit.ts functions SEED COUNT OUT.prog
 */
import { writeFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { BPF_PSEUDO_KFUNC_CALL, CALL, decodeInsns } from '../../src/isa/index.ts';
import { fromHex } from '../../src/util/index.ts';
import { functionProgram } from '../support/function-programs.ts';
import { JIT_PROGRAMS, labText, MORE_JIT_PROGRAMS } from '../support/jit-programs.ts';
import { readLab } from '../support/lab-lines.ts';
import { labTarget } from '../support/lab-targets.ts';

const [what, ...paths] = process.argv.slice(2);
if (what === 'programs' && paths.length === 2) {
  const [arch, out] = paths;
  const programs = arch === 'ppc64el' ? JIT_PROGRAMS : [...JIT_PROGRAMS, ...MORE_JIT_PROGRAMS];
  writeFileSync(out, `${programs.map(labText).join('\n')}\n`);
} else if (what === 'functions' && paths.length === 3) {
  const [first, count, out] = [Number(paths[0]), Number(paths[1]), paths[2]];
  const texts = Array.from({ length: count }, (_, i) => labText(functionProgram(first + i)));
  writeFileSync(out, `${texts.join('\n')}\n`);
} else if (what === 'fixture' && paths.length === 4) {
  const [arch, path, btf, out] = paths;
  const { programs, kfunc, space } = readLab(path, btf, labTarget(arch));
  const lines = programs.map(({ name, ...answer }) => {
    const kfuncs: Record<number, { addr: string; name: string | undefined; args: unknown }> = {};
    for (const { code, src, imm } of decodeInsns(fromHex(answer.xlated))) {
      if (code !== CALL || src !== BPF_PSEUDO_KFUNC_CALL) continue;
      const known = kfunc(imm);
      if (known !== undefined) kfuncs[imm] = { addr: known.addr.toString(16), name: known.name, args: known.args };
    }
    const own = name.slice(name.indexOf(':') + 1);
    // The kernel writes what a hidden callback has over the first records.
    const hides = answer.stackDepths.length > answer.ksyms.length;
    const lines = hides ? { lineSlots: undefined, lineAddrs: undefined } : {};
    return JSON.stringify({ name: own, ...answer, ...lines, ...(Object.keys(kfuncs).length === 0 ? {} : { kfuncs }) });
  });
  lines.unshift(JSON.stringify({ textBase: space.layout.textBase.toString(16) }));
  writeFileSync(out, gzipSync(`${lines.join('\n')}\n`, { level: 9 }));
  console.log(`${programs.length} programs`);
} else {
  process.stderr.write(
    'usage: record-jit programs ARCH OUT.prog | functions SEED COUNT OUT.prog | fixture ARCH LAB.jsonl VMLINUX.BTF OUT.jsonl.gz\n',
  );
  process.exit(2);
}
