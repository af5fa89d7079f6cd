/**
 * Writes typed programs as `.prog` files for a kernel lab.
 *   npx tsx test/tools/generate-typed.ts OUT_DIR COUNT [FIRST_SEED] [--max-insns N] [--type N]… [--flags N] [--unpriv]
 * --max-insns leaves out programs that take our verifier more than N instructions: an emulated kernel takes seconds for each.
 * --unpriv is for labs that know the key `nocap`: programs that are loaded without capabilities, socket filters and cgroup_skb.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { kernelImage } from '../../src/kernels/index.ts';
import { verify } from '../../src/verifier/index.ts';
import { formatProg } from '../support/prog-file.ts';
import { kernelBtf } from '../support/structure-answer.ts';
import { type TypedChoices, typedProgram } from '../support/typed-programs.ts';
import { verifyInputOf } from '../support/verify-input.ts';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    'max-insns': { type: 'string' },
    type: { type: 'string', multiple: true },
    flags: { type: 'string' },
    unpriv: { type: 'boolean', default: false },
  },
});
const maxInsns = Number(values['max-insns'] ?? Number.POSITIVE_INFINITY);
const [dir, countText, firstText] = positionals;
if (dir === undefined || countText === undefined) {
  process.stderr.write('usage: generate-typed OUT_DIR COUNT [FIRST_SEED] [--type N]… [--flags N] [--unpriv]\n');
  process.exit(2);
}
const PER_FILE = 500;
/** Types that need no capability. */
const UNPRIVILEGED_TYPES = [1, 8];
const choices: TypedChoices = {
  types: values.type?.map(Number) ?? (values.unpriv ? UNPRIVILEGED_TYPES : undefined),
  unprivileged: values.unpriv,
  flags: values.flags === undefined ? undefined : Number(values.flags),
};
const count = Number(countText);
const image = kernelImage('6.12-amd64');
const kernel = { version: '6.12', arch: image.arch, btf: kernelBtf(undefined), image };
mkdirSync(dir, { recursive: true });
let progs: string[] = [];
let written = 0;
for (let seed = Number(firstText ?? 1); written < count; seed++) {
  const entry = typedProgram(seed, choices);
  const limited = Number.isFinite(maxInsns);
  if (limited && verify(verifyInputOf(entry), { kernel, insnLimit: maxInsns }).messageId === 'tooLarge') continue;
  progs.push(formatProg(entry));
  written++;
  if (progs.length < PER_FILE && written < count) continue;
  writeFileSync(join(dir, `typed-${String(seed).padStart(7, '0')}.prog`), progs.join(''));
  progs = [];
}
