/**
 * Feeds damaged objects, damaged BTF, nearly sound programs, random instructions, and damaged programs for the verifier to farcall
 * and checks that each ends in a value or a FarcallError, in time and in memory. Exits 1 if one does not, and writes its bytes to a file.
 *   npx tsx --max-old-space-size=512 test/tools/fuzz.ts [--count 20000] [--seed 1] [--seconds N] [--only KIND] SEED_FILE…
 * --seconds ends each kind after that time, whatever its count.
 * KIND: object, btf, ext, near, insn; verify-insn, verify-field, verify-both (programs as `BPF_PROG_LOAD` gets them), verify-object.
 * SEED_FILEs are BPF objects (at least ten for a run that counts); their programs, .BTF and .BTF.ext are the seeds. Each input can be made
 * again from its seed: `--seed N --count 1 --only KIND`. Time is the lesser of the clock's, which other work on the machine lengthens, and the
 * processor's, which counts every thread of this process.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { openBtf } from '../../src/btf/index.ts';
import { openElf } from '../../src/elf/index.ts';
import { encodeInsns } from '../../src/isa/index.ts';
import { kernelImage } from '../../src/kernels/index.ts';
import {
  type FuzzOutcome,
  fuzzBtf,
  fuzzBtfExt,
  fuzzInsns,
  fuzzNearlySound,
  fuzzObject,
} from '../support/fuzz-targets.ts';
import {
  anyOptions,
  damagedInput,
  damagedObject,
  fuzzPrepared,
  fuzzVerify,
  verifierSeeds,
} from '../support/fuzz-verifier.ts';
import { mutate, mutateInsns } from '../support/mutate.ts';
import { generateProgram } from '../support/program-generator.ts';
import { Random } from '../support/random.ts';

const LIMIT_MS = 2000;

const option = (name: string, fallback: string): string => {
  const at = process.argv.indexOf(`--${name}`);
  return at < 0 ? fallback : process.argv.splice(at, 2)[1];
};
const count = Number(option('count', '20000'));
const seed = Number(option('seed', '1'));
const only = option('only', '');
const maxSeconds = Number(option('seconds', 'Infinity'));
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

/** Makes an input from a generator, and says what became of it; the bytes of the input go to `keep`. */
type Kind = (r: Random, keep: (bytes: Uint8Array) => void) => FuzzOutcome;

const ofBytes =
  (make: (r: Random) => Uint8Array, run: (bytes: Uint8Array) => FuzzOutcome): Kind =>
  (r, keep) => {
    const bytes = make(r);
    keep(bytes);
    return run(bytes);
  };

const rawBtfs = section('.BTF');
const exts = section('.BTF.ext');
const image = kernelImage('6.12-amd64');
const kernel = { version: '6.12', arch: image.arch, btf: target, image };
const seeds = only === '' || only.startsWith('verify') ? verifierSeeds(kernel, objects) : undefined;
const ofProgram =
  (what: 'insns' | 'fields' | 'both'): Kind =>
  r =>
    seeds === undefined ? 'no seeds' : fuzzVerify(damagedInput(r, seeds, what), anyOptions(kernel, r));

const cpuMs = (): number => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
};

interface Moment {
  readonly cpu: number;
  readonly clock: number;
}
const now = (): Moment => ({ cpu: cpuMs(), clock: performance.now() });
const since = ({ cpu, clock }: Moment): number => Math.min(cpuMs() - cpu, performance.now() - clock);

/** The programs of the object in hand: time of all, and of the one that took longest. */
let programsMs = 0;
let longestMs = 0;
function timed(verify: () => string): string {
  const from = now();
  const outcome = verify();
  const ms = since(from);
  programsMs += ms;
  longestMs = Math.max(longestMs, ms);
  return outcome;
}

const kinds: Record<string, Kind> = {
  object: ofBytes(
    r => mutate(r.pick(objects), r),
    bytes => fuzzObject(bytes, target),
  ),
  btf: ofBytes(r => mutate(r.pick(rawBtfs), r), fuzzBtf),
  ext: ofBytes(
    r => {
      const at = r.below(exts.length);
      own = btfs[at];
      return mutate(exts[at], r);
    },
    bytes => fuzzBtfExt(bytes, own),
  ),
  near: ofBytes(r => encodeInsns(mutateInsns(generateProgram(r.u32()).insns, r)), fuzzNearlySound),
  insn: ofBytes(r => r.bytes(8 * r.between(1, 40)), fuzzInsns),
  'verify-insn': ofProgram('insns'),
  'verify-field': ofProgram('fields'),
  'verify-both': ofProgram('both'),
  'verify-object': (r, keep) => {
    const bytes = damagedObject(r.pick(objects), r);
    keep(bytes);
    return fuzzPrepared(bytes, kernel, anyOptions(kernel, r), timed);
  },
};

let bad = 0;
for (const [kind, run] of Object.entries(kinds)) {
  if (only !== '' && only !== kind) continue;
  const outcomes = new Map<string, number>();
  let slowest = 0;
  let slowestSeed = 0;
  let most = 0;
  const started = performance.now();
  const startedCpu = cpuMs();
  let done = 0;
  for (; done < count && performance.now() - started < maxSeconds * 1000; done++) {
    const i = done;
    let input: Uint8Array | undefined;
    let outcome: string;
    const from = now();
    programsMs = longestMs = 0;
    try {
      outcome = run(new Random(seed + i), bytes => {
        input = bytes;
      });
    } catch (error) {
      outcome = `BAD ${error instanceof Error ? error.stack?.split('\n').slice(0, 6).join(' | ') : error}`;
    }
    // Time is each program's; of an object with many, the longest one's and the loader's.
    const ms = since(from) - programsMs + longestMs;
    if (ms > LIMIT_MS) outcome = `SLOW ${Math.round(ms)} ms, ${outcome}`;
    if (/^(BAD|SLOW) /.test(outcome)) {
      bad++;
      if (!outcomes.has(outcome)) process.stdout.write(`${kind} --seed ${seed + i}: ${outcome}\n`);
      if (input !== undefined) writeFileSync(`fuzz-${kind}-${seed + i}.bin`, input);
    }
    if (ms > slowest) [slowest, slowestSeed] = [ms, seed + i];
    if (i % 64 === 0) most = Math.max(most, process.memoryUsage().rss);
    outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
  }
  const seconds = ((performance.now() - started) / 1000).toFixed(0);
  const rss = Math.round(Math.max(most, process.memoryUsage().rss) / 2 ** 20);
  process.stdout.write(
    `${kind}: ${done} inputs in ${seconds} s (${((cpuMs() - startedCpu) / 1000).toFixed(0)} s of the processor's), ` +
      `slowest ${slowest.toFixed(0)} ms (--seed ${slowestSeed}), ${rss} MB resident\n`,
  );
  for (const [outcome, n] of [...outcomes].sort((a, b) => b[1] - a[1]))
    process.stdout.write(`  ${String(n).padStart(7)} ${outcome}\n`);
}
process.exit(bad === 0 ? 0 : 1);
