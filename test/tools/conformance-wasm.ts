/**
 * Runs bpf_conformance data translated to WebAssembly, in this process, as unproven programs; with --proven as ones that
 * somebody proved, which are optimised, with --native as those in code of this CPU.
 *   npx tsx test/tools/conformance-wasm.ts SUITE_DIR [--proven | --native]
 * Every tests/*.data must give its result; what the translation refuses counts as failed, with the reason.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { assemble } from '../../src/asm/index.ts';
import { wasmEngine } from '../../src/engine/index.ts';
import { decodeInsns } from '../../src/isa/index.ts';
import { createMachine } from '../../src/machine/index.ts';
import { fromHex } from '../../src/util/index.ts';
import { provenNative } from '../support/native-run.ts';
import { provenEngine } from '../support/proven-engine.ts';

const [dir, option] = process.argv.slice(2);
const native = option === '--native';
const proven = native || option === '--proven';
const engine = native ? provenNative() : proven ? provenEngine() : wasmEngine();
/** Of socket filters: programs of no type are never taken to be proven. */
const SOCKET_FILTER = 1;

/** A section's text: from its `-- name` line to the next. */
function section(text: string, name: string): string | undefined {
  const found = new RegExp(`^--\\s*${name}\\s*\\n([\\s\\S]*?)(?=^--|(?![\\s\\S]))`, 'm').exec(text);
  return found?.[1].replace(name === 'asm' ? /^$/g : /^#.*$/gm, '');
}

function outcome(text: string): string {
  const asm = section(text, 'asm');
  const insns =
    asm === undefined ? decodeInsns(fromHex(section(text, 'raw') ?? '')) : assemble(asm, { dialect: 'conformance' });
  const machine = createMachine({ engine });
  const program = machine.loadInsns('test', SOCKET_FILTER, insns);
  const result = machine.runOnMemory(
    program,
    fromHex(section(text, 'mem') ?? ''),
    proven ? {} : { insnBudget: 1_000_000 },
  );
  return result.ok ? `0x${result.r0.toString(16)}` : result.fault.message;
}

if (dir === undefined) {
  process.stderr.write('usage: conformance-wasm SUITE_DIR\n');
  process.exit(2);
}
let passed = 0;
let failed = 0;
for (const name of readdirSync(join(dir, 'tests')).sort()) {
  if (!name.endsWith('.data')) continue;
  const text = readFileSync(join(dir, 'tests', name), 'utf8');
  const expected = `0x${BigInt.asUintN(64, BigInt(section(text, 'result')?.trim() ?? 0)).toString(16)}`;
  let found: string;
  try {
    found = outcome(text);
  } catch (error) {
    found = (error as Error).message;
  }
  if (found === expected) passed++;
  else {
    failed++;
    process.stdout.write(`${name}: ${found}, expected ${expected}\n`);
  }
}
process.stdout.write(`${passed} passed, ${failed} failed\n`);
process.exit(failed === 0 ? 0 : 1);
