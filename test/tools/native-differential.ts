/**
 * Runs programs in the interpreter and natively, and compares what they leave: R0 and their data. Natively is in this process, or with
 * --arm64 in executables under qemu-aarch64. With --tails they are programs that tail-call each other, and what each leaves in turn.
 *   npx tsx test/tools/native-differential.ts [--from SEED] [--count N] [--show N] [--arm64 | --tails]
 */
import { parseArgs } from 'node:util';
import { disassemble } from '../../src/asm/index.ts';
import { interpEngine } from '../../src/engine/index.ts';
import { nativeEngine } from '../../src/engine/native/index.ts';
import { runLinear } from '../support/arm64/linear-exe.ts';
import { BareMachine } from '../support/native-run.ts';
import { OPT_DATA_BYTES, optProgram } from '../support/opt-programs.ts';
import { Random } from '../support/random.ts';
import { tailOutcomes } from '../support/tail-run.ts';

const { values } = parseArgs({
  options: {
    from: { type: 'string', default: '1' },
    count: { type: 'string', default: '1000' },
    show: { type: 'string', default: '3' },
    arm64: { type: 'boolean', default: false },
    tails: { type: 'boolean', default: false },
  },
});
/** Programs of one executable. */
const MOST_RUNS = 2000;

const machine = new BareMachine(OPT_DATA_BYTES);
const native = values.arm64 ? undefined : nativeEngine();
const from = Number(values.from);
const end = from + Number(values.count);
let different = 0;

for (let seed = from; values.tails && native !== undefined && seed < end; seed++) {
  const [wanted, found] = [interpEngine, native].map(engine => tailOutcomes(engine, seed).join('\n  '));
  if (wanted === found || different++ >= Number(values.show)) continue;
  process.stdout.write(`seed ${seed}\n  wanted\n  ${wanted}\n  found\n  ${found}\n`);
}

for (let first = values.tails ? end : from; first < end; first += MOST_RUNS) {
  const seeds = Array.from({ length: Math.min(MOST_RUNS, end - first) }, (_, n) => first + n);
  const runs = seeds.map(seed => {
    const r = new Random(seed);
    return { insns: optProgram(r), data: r.bytes(OPT_DATA_BYTES) };
  });
  const all = native === undefined ? runLinear('qemu-aarch64', runs, OPT_DATA_BYTES) : undefined;
  runs.forEach(({ insns, data }, n) => {
    const wanted = machine.run(interpEngine, insns, data);
    const found = all?.[n] ?? (native === undefined ? '' : machine.run(native, insns, data));
    if (wanted === found || different++ >= Number(values.show)) return;
    const text = disassemble(insns, { dialect: 'llvm' });
    process.stdout.write(`seed ${seeds[n]}\n  wanted ${wanted}\n  found  ${found}\n${text}\n`);
  });
}
const count = end - from;
process.stdout.write(`${count - different} the same, ${different} different\n`);
process.exit(different === 0 ? 0 : 1);
