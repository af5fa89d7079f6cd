/**
 * Runs bpf_conformance data through `farcall plugin bpf_conformance`, the way that suite's runner does.
 *   npm run build && npx tsx test/tools/conformance.ts SUITE_DIR [ENGINE]
 * SUITE_DIR holds tests/*.data, each of which must give its result, and negative/*.data, each of which must be refused or
 * (where the file names a wrong one) give another result.
 */
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { assemble } from '../../src/asm/index.ts';
import { encodeInsns } from '../../src/isa/index.ts';
import { FarcallError, fromHex, toHex } from '../../src/util/index.ts';

const BIN = fileURLToPath(new URL('../../bin/farcall', import.meta.url));
const KNOWN = new Set(['asm', 'raw', 'mem', 'result', 'error', 'c', 'no register offset']);

function sectionsOf(text: string): Map<string, string> {
  const sections = new Map<string, string>();
  let current = '';
  for (const line of text.split('\n')) {
    const header = /^--\s*(.*?)\s*$/.exec(line);
    if (header !== null) {
      current = header[1];
      if (!KNOWN.has(current)) throw new FarcallError({ code: 'arg.suite', message: `unknown directive ${current}` });
      sections.set(current, '');
    } else if (current !== '' && !(current !== 'asm' && line.startsWith('#'))) {
      sections.set(current, `${sections.get(current)}${line}\n`);
    }
  }
  return sections;
}

/** r0 as the plugin printed it, or why there is none. */
function outcome(file: string, engine: string): { r0?: bigint; refused?: string; expected?: bigint } {
  try {
    const sections = sectionsOf(readFileSync(file, 'utf8'));
    const asm = sections.get('asm');
    const raw = sections.get('raw');
    if (asm === undefined && raw === undefined) return { refused: 'neither asm nor raw section' };
    const program = asm === undefined ? fromHex(raw ?? '') : encodeInsns(assemble(asm, { dialect: 'conformance' }));
    const mem = toHex(fromHex(sections.get('mem') ?? ''));
    const result = spawnSync(
      process.execPath,
      [BIN, 'plugin', 'bpf_conformance', '--engine', engine, ...(mem === '' ? [] : [mem])],
      {
        input: toHex(program, ' '),
        encoding: 'utf8',
      },
    );
    if (result.status !== 0) return { refused: result.stderr.trim() };
    const expected = sections.get('result')?.trim();
    return {
      r0: BigInt(`0x${result.stdout.trim().replace(/^0x/, '')}`),
      expected: expected === undefined ? undefined : BigInt.asUintN(64, BigInt(expected)),
    };
  } catch (error) {
    if (error instanceof FarcallError) return { refused: error.message };
    throw error;
  }
}

const [dir, engine = 'interp'] = process.argv.slice(2);
if (dir === undefined) {
  process.stderr.write('usage: conformance SUITE_DIR [ENGINE]\n');
  process.exit(2);
}
let passed = 0;
let failed = 0;
for (const kind of ['tests', 'negative'] as const) {
  for (const name of readdirSync(join(dir, kind))
    .filter(file => file.endsWith('.data'))
    .sort()) {
    const { r0, refused, expected } = outcome(join(dir, kind, name), engine);
    const ok = kind === 'tests' ? refused === undefined && r0 === expected : refused !== undefined || r0 !== expected;
    if (ok) passed++;
    else {
      failed++;
      process.stdout.write(
        `${kind}/${name}: ${refused ?? `r0 = 0x${r0?.toString(16)}${kind === 'tests' ? `, expected 0x${expected?.toString(16)}` : ', expected a refusal'}`}\n`,
      );
    }
  }
}
process.stdout.write(`${passed} passed, ${failed} failed\n`);
process.exit(failed === 0 ? 0 : 1);
