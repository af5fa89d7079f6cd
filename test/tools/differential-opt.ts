/**
 * Programs made for the optimiser, half of them of loops, against the interpreter: all passes, each left out in turn, and written quickly.
 *
 *   npx tsx test/tools/differential-opt.ts [COUNT] [FIRST_SEED]
 *
 * Ends with 1 at the first difference, and says which seed and passes it takes.
 */
import { OPT_PASSES, type OptPass } from '../../src/jit/index.ts';
import { provenProgram } from '../support/proven-programs.ts';
import { interpret, runProven } from '../support/proven-run.ts';

const count = Number(process.argv[2] ?? 100_000);
const first = Number(process.argv[3] ?? 1);
const sets: readonly (readonly OptPass[])[] = [OPT_PASSES, ...OPT_PASSES.map(pass => [pass])];
let insnCount = 0;

for (let seed = first; seed < first + count; seed++) {
  const { insns, start } = provenProgram(seed);
  insnCount += insns.length;
  const wanted = interpret(insns, start).join();
  const ways = [
    { without: [], effort: 'full' },
    { without: sets[seed % sets.length], effort: 'full' },
    { without: [], effort: 'quick' },
  ] as const;
  for (const { without, effort } of ways) {
    if (runProven(insns, start, without, effort).join() === wanted) continue;
    console.log(`seed ${seed}, ${effort}, without ${without.join(' ') || 'nothing'}: not what the interpreter says`);
    process.exit(1);
  }
}
console.log(`${count} programs of ${insnCount} instructions, three ways each: no difference`);
