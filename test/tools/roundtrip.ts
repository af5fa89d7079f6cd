/**
 * assemble(disassemble(x)) = x, byte for byte, in every dialect: for the programs of objects and for generated instructions.
 *   npx tsx test/tools/roundtrip.ts [--count 100000] OBJECT…
 */
import { readFileSync } from 'node:fs';
import { assemble, DIALECTS, type DialectName, disassemble } from '../../src/asm/index.ts';
import { encodeInsns, INSN_TABLE, type Insn, makeInsn } from '../../src/isa/index.ts';
import { openObject } from '../../src/object/index.ts';
import { equalBytes } from '../../src/util/index.ts';
import { Random } from '../support/random.ts';

const args = process.argv.slice(2);
const at = args.indexOf('--count');
const count = at < 0 ? 100_000 : Number(args.splice(at, 2)[1]);
const CHUNK = 500;

/** Legal instructions with fields at random and at the edges, some of which jump out of the program. */
function generate(r: Random, slots: number): Insn[] {
  const insns: Insn[] = [];
  while (insns.length < slots) {
    const def = r.pick(INSN_TABLE);
    const reg = (use: string | number): number => (typeof use === 'number' ? use : r.below(use === 'read' ? 11 : 10));
    const off =
      typeof def.off === 'number'
        ? def.off
        : r.chance(70)
          ? r.between(-40, 40)
          : r.pick([-32768, 32767, r.between(-32768, 32767)]);
    const imm = typeof def.imm === 'number' ? def.imm : r.edgeI32();
    insns.push(makeInsn(def.code, reg(def.dst), reg(def.src), off, imm));
    if (def.slots === 2) insns.push(makeInsn(0, 0, 0, 0, typeof def.imm2 === 'number' ? def.imm2 : r.edgeI32()));
  }
  return insns;
}

function survives(insns: readonly Insn[], dialect: DialectName): boolean {
  return equalBytes(encodeInsns(assemble(disassemble(insns, { dialect }), { dialect })), encodeInsns(insns));
}

let failed = 0;
const programs = args.flatMap(file =>
  openObject(new Uint8Array(readFileSync(file)), { name: file }).programs.map(program => ({ file, program })),
);
for (const dialect of Object.keys(DIALECTS) as DialectName[]) {
  let insnCount = 0;
  let bad = 0;
  for (const { file, program } of programs) {
    insnCount += program.insns.length;
    if (survives(program.insns, dialect)) continue;
    bad++;
    process.stdout.write(`${dialect}: ${file} ${program.name} differs\n`);
  }
  let generated = 0;
  for (let seed = 1; generated < count; seed++) {
    const insns = generate(new Random(seed), CHUNK);
    generated += insns.length;
    if (survives(insns, dialect)) continue;
    bad++;
    process.stdout.write(`${dialect}: generated instructions of seed ${seed} differ\n`);
  }
  failed += bad;
  process.stdout.write(
    `${dialect.padEnd(12)} ${programs.length} programs (${insnCount} slots), ${generated} generated slots: ${bad} differ\n`,
  );
}
process.exit(failed === 0 ? 0 : 1);
