/**
 * Feeds damaged objects, damaged BTF, nearly sound programs and random instructions to farcall and checks that each ends in a value or a
 * FarcallError, in time and in memory. Exits 1 and writes the input to a file when one does not.
 *   npx tsx --max-old-space-size=512 test/tools/fuzz.ts [--count 20000] [--seed 1] [--only object|btf|ext|near|insn] SEED_FILE…
 * SEED_FILEs are BPF objects (at least ten for a run that counts); their .BTF and .BTF.ext are the seeds for BTF.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { openBtf } from '../../src/btf/index.ts';
import { openElf } from '../../src/elf/index.ts';
import { encodeInsns } from '../../src/isa/index.ts';
import {
  type FuzzOutcome,
  fuzzBtf,
  fuzzBtfExt,
  fuzzInsns,
  fuzzNearlySound,
  fuzzObject,
} from '../support/fuzz-targets.ts';
import { mutate, mutateInsns } from '../support/mutate.ts';
import { generateProgram } from '../support/program-generator.ts';
import { Random } from '../support/random.ts';

const LIMIT_MS = 1000;

const option = (name: string, fallback: string): string => {
  const at = process.argv.indexOf(`--${name}`);
  return at < 0 ? fallback : process.argv.splice(at, 2)[1];
};
const count = Number(option('count', '20000'));
const seed = Number(option('seed', '1'));
const only = option('only', '');
const files = process.argv.slice(2);
if (files.length === 0) {
  process.stderr.write('usage: fuzz [--count N] [--seed N] [--only KIND] SEED_FILE…\n');
  process.exit(2);
}
const objects = files.map(file => new Uint8Array(readFileSync(file)));
const section = (name: string): Uint8Array[] =>
  objects.flatMap(bytes => {
    const data = openElf(bytes).sectionByName(name)?.data;
    return data === undefined ? [] : [data];
  });
const target = openBtf(
  new Uint8Array(gunzipSync(readFileSync(new URL('../../assets/btf/vmlinux-6.12-amd64.btf.gz', import.meta.url)))),
);

// The BTF that goes with the .BTF.ext being damaged.
const btfs = section('.BTF').map(bytes => openBtf(bytes));
let own = btfs[0];

const kinds: Record<
  string,
  { seeds: Uint8Array[]; run: (bytes: Uint8Array) => FuzzOutcome; make: (r: Random, seeds: Uint8Array[]) => Uint8Array }
> = {
  object: { seeds: objects, run: bytes => fuzzObject(bytes, target), make: (r, seeds) => mutate(r.pick(seeds), r) },
  btf: { seeds: section('.BTF'), run: fuzzBtf, make: (r, seeds) => mutate(r.pick(seeds), r) },
  ext: {
    seeds: section('.BTF.ext'),
    run: bytes => fuzzBtfExt(bytes, own),
    make: (r, seeds) => {
      const at = r.below(seeds.length);
      own = btfs[at];
      return mutate(seeds[at], r);
    },
  },
  near: {
    seeds: [],
    run: fuzzNearlySound,
    make: r => encodeInsns(mutateInsns(generateProgram(r.u32()).insns, r)),
  },
  insn: { seeds: [], run: fuzzInsns, make: r => r.bytes(8 * r.between(1, 40)) },
};

let bad = 0;
for (const [kind, { seeds, run, make }] of Object.entries(kinds)) {
  if (only !== '' && only !== kind) continue;
  const outcomes = new Map<string, number>();
  let slowest = 0;
  const started = performance.now();
  for (let i = 0; i < count; i++) {
    const input = make(new Random(seed + i), seeds);
    const from = performance.now();
    let outcome: string;
    try {
      outcome = run(input);
    } catch (error) {
      outcome = `BAD ${error instanceof Error ? error.stack?.split('\n').slice(0, 4).join(' | ') : error}`;
      writeFileSync(`fuzz-${kind}-${seed + i}.bin`, input);
      bad++;
    }
    const ms = performance.now() - from;
    if (ms > LIMIT_MS) {
      outcome = `SLOW ${Math.round(ms)} ms`;
      writeFileSync(`fuzz-${kind}-${seed + i}.bin`, input);
      bad++;
    }
    slowest = Math.max(slowest, ms);
    outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
  }
  const seconds = ((performance.now() - started) / 1000).toFixed(0);
  const rss = Math.round(process.memoryUsage().rss / 2 ** 20);
  process.stdout.write(
    `${kind}: ${count} inputs from ${seeds.length} seeds in ${seconds} s, slowest ${slowest.toFixed(0)} ms, ${rss} MB resident\n`,
  );
  for (const [outcome, n] of [...outcomes].sort((a, b) => b[1] - a[1]))
    process.stdout.write(`  ${String(n).padStart(7)} ${outcome}\n`);
}
process.exit(bad === 0 ? 0 : 1);
