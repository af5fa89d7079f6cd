/**
 * Runs programs in the interpreter and natively in this process, and compares what they leave: R0 and their data.
 *   npx tsx test/tools/native-differential.ts [--from SEED] [--count N] [--show N]
 */
import { parseArgs } from 'node:util';
import { disassemble } from '../../src/asm/index.ts';
import { interpEngine } from '../../src/engine/index.ts';
import { nativeEngine } from '../../src/engine/native/index.ts';
import { BareMachine } from '../support/native-run.ts';
import { OPT_DATA_BYTES, optProgram } from '../support/opt-programs.ts';
import { Random } from '../support/random.ts';

const { values } = parseArgs({
  options: {
    from: { type: 'string', default: '1' },
    count: { type: 'string', default: '1000' },
    show: { type: 'string', default: '3' },
  },
});
const native = nativeEngine();
const machine = new BareMachine(OPT_DATA_BYTES);
const from = Number(values.from);
const count = Number(values.count);
let different = 0;
for (let seed = from; seed < from + count; seed++) {
  const r = new Random(seed);
  const insns = optProgram(r);
  const start = r.bytes(OPT_DATA_BYTES);
  const wanted = machine.run(interpEngine, insns, start);
  const found = machine.run(native, insns, start);
  if (wanted === found) continue;
  if (different++ >= Number(values.show)) continue;
  process.stdout.write(
    `seed ${seed}\n  wanted ${wanted}\n  found  ${found}\n${disassemble(insns, { dialect: 'llvm' })}\n`,
  );
}
process.stdout.write(`${count - different} the same, ${different} different\n`);
process.exit(different === 0 ? 0 : 1);
