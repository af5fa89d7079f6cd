/**
 * Runs programs in the interpreter and natively in this process, and compares what they leave: R0 and their data.
 * Half of them are of loops.
 *   npx tsx test/tools/native-differential.ts [--from SEED] [--count N] [--show N]
 */
import { parseArgs } from 'node:util';
import { disassemble } from '../../src/asm/index.ts';
import { interpEngine } from '../../src/engine/index.ts';
import { nativeEngine } from '../../src/engine/native/index.ts';
import { BareMachine } from '../support/native-run.ts';
import { PROVEN_DATA_BYTES, provenProgram } from '../support/proven-programs.ts';

const { values } = parseArgs({
  options: {
    from: { type: 'string', default: '1' },
    count: { type: 'string', default: '1000' },
    show: { type: 'string', default: '3' },
  },
});
const native = nativeEngine();
const machine = new BareMachine(PROVEN_DATA_BYTES);
const from = Number(values.from);
const count = Number(values.count);
let different = 0;
for (let seed = from; seed < from + count; seed++) {
  const { insns, start } = provenProgram(seed);
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
