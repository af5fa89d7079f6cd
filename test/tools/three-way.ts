/**
 * Runs programs by the interpreter, as code of another CPU on farcall's emulated one, and the same code as executables under
 * qemu-user or natively, and compares results, packets, maps and memory.
 *   npx tsx test/tools/three-way.ts [--programs N] [--plain N] [--seed S] [--conformance DIR] [--examples]
 *       [--target T] [--cpu C] [--mode own|compat] [--distance near|edge|far]
 * Options that are left out mean all: every target of test/support/three-way-targets.ts with its CPUs and modes, all distances.
 * Programs that differ are shrunk and printed.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { gunzipSync } from 'node:zlib';
import { printInsn } from '../../src/asm/index.ts';
import { openBtf } from '../../src/btf/index.ts';
import type { Insn } from '../../src/isa/index.ts';
import type { JitMode } from '../../src/jit/index.ts';
import { pcapPackets } from '../support/pcap.ts';
import { isShrunk, shrinkProgram } from '../support/shrink-program.ts';
import {
  type Difference,
  FEW_SUBJECTS,
  MOST_SUBJECTS,
  PLACES,
  type Subject,
  type ThreeWayConfig,
  threeWay,
} from '../support/three-way.ts';
import { callSubject, conformanceSubjects, objectSubjects, plainSubject } from '../support/three-way-subjects.ts';
import { THREE_WAY_TARGETS } from '../support/three-way-targets.ts';

const { values } = parseArgs({
  options: {
    programs: { type: 'string', default: '0' },
    plain: { type: 'string', default: '0' },
    seed: { type: 'string', default: '1' },
    conformance: { type: 'string' },
    examples: { type: 'boolean', default: false },
    target: { type: 'string', multiple: true, default: THREE_WAY_TARGETS.map(row => row.target) },
    cpu: { type: 'string', multiple: true },
    mode: { type: 'string', multiple: true },
    distance: { type: 'string', multiple: true, default: Object.keys(PLACES) },
    shrink: { type: 'string', default: '3' },
  },
});
const root = fileURLToPath(new URL('../..', import.meta.url));
const places = (values.distance as (keyof typeof PLACES)[]).map(name => PLACES[name]);
const firstSeed = Number(values.seed);
let toShrink = Number(values.shrink);
let failed = 0;

/** Files of the suite that shift further than the width: no kernel accepts the constants, its JIT does not mask registers. */
const WIDE_SHIFTS = /^(a?rsh|lsh)(32|64)-(imm|reg)-(neg|high)/;

function* generated(count: number, make: (seed: number) => Subject): Generator<Subject[]> {
  for (let from = 0; from < count; from += MOST_SUBJECTS) {
    const size = Math.min(MOST_SUBJECTS, count - from);
    yield Array.from({ length: size }, (_, i) => make(firstSeed + from + i));
  }
}

function cut(subjects: readonly Subject[], size: number): Subject[][] {
  const count = Math.ceil(subjects.length / size);
  return Array.from({ length: count }, (_, i) => subjects.slice(i * size, (i + 1) * size));
}

function* sources(config: ThreeWayConfig): Generator<{ name: string; batches: Iterable<Subject[]> }> {
  if (values.conformance !== undefined) {
    // The suite's memory is little-endian: on big-endian machines its results are others, which all three have to agree on.
    const all = conformanceSubjects(values.conformance);
    const sound = config.mode === 'compat' ? all.filter(({ name }) => !WIDE_SHIFTS.test(name)) : all;
    yield { name: 'conformance', batches: cut(sound, MOST_SUBJECTS) };
  }
  if (values.examples) {
    const packets = pcapPackets(new Uint8Array(readFileSync(`${root}/examples/traffic.pcap`)));
    const btf = openBtf(new Uint8Array(gunzipSync(readFileSync(`${root}/assets/btf/vmlinux-6.12-amd64.btf.gz`))));
    const dir = `${root}/${THREE_WAY_TARGETS.find(row => row.target === config.target)?.examples}`;
    const objects = readdirSync(dir).filter(file => file.endsWith('.bpf.o'));
    const all = objects.flatMap(file => objectSubjects(`${dir}/${file}`, packets, btf));
    yield { name: 'examples', batches: cut(all, FEW_SUBJECTS) };
  }
  const asJited = config.mode === 'compat';
  yield {
    name: 'call programs',
    batches: generated(Number(values.programs), seed => callSubject(seed, { asJited })),
  };
  yield { name: 'programs', batches: generated(Number(values.plain), seed => plainSubject(seed, { asJited })) };
}

/** What is left of a program that differs when everything that may go is gone. */
function reproducer({ subject, place, between }: Difference, config: ThreeWayConfig, qemu: string): string {
  if (!('withInsns' in subject)) return '';
  const { insns, withInsns } = subject as Subject & {
    insns: readonly Insn[];
    withInsns(insns: readonly Insn[]): Subject;
  };
  const needed = between === 'interpreter and emulator' ? undefined : qemu;
  const differs = (candidate: readonly Insn[]): boolean => {
    try {
      return threeWay([withInsns(candidate)], config, () => place, needed).differences.length > 0;
    } catch {
      return false;
    }
  };
  const small = shrinkProgram(insns, differs);
  const lines = small.flatMap((insn, i) =>
    isShrunk(insn) ? [] : [`  ${i}: ${printInsn(small, i, { dialect: 'llvm' })}`],
  );
  return `${lines.join('\n')}\n`;
}

const rows = THREE_WAY_TARGETS.filter(({ target }) => values.target.includes(target));
for (const { target, cpus, modes, makeCpu, runner } of rows) {
  const qemu = runner();
  if (qemu === undefined) {
    process.stderr.write(`nothing here runs ${target} (apt-get install qemu-user)\n`);
    process.exit(2);
  }
  for (const cpu of values.cpu ?? cpus) {
    for (const mode of (values.mode ?? modes) as JitMode[]) {
      const config = { target, cpu, mode, makeCpu };
      for (const { name, batches } of sources(config)) {
        let [count, agreed, runs] = [0, 0, 0];
        const skipped = new Map<string, number>();
        const from = performance.now();
        for (const subjects of batches) {
          const result = threeWay(subjects, config, index => places[index % places.length], qemu);
          count += subjects.length;
          agreed += result.agreed;
          runs += result.runs;
          for (const [reason, times] of result.skipped) skipped.set(reason, (skipped.get(reason) ?? 0) + times);
          for (const difference of result.differences) {
            failed++;
            const { subject, place, between, expected, found } = difference;
            console.log(`${target} ${cpu} ${mode} ${place.name}: ${subject.name}: ${between} differ`);
            console.log(`  expected ${expected.slice(0, 400)}\n  found    ${found.slice(0, 400)}`);
            if (toShrink-- > 0) process.stdout.write(reproducer(difference, config, qemu));
          }
        }
        if (count === 0) continue;
        const seconds = ((performance.now() - from) / 1000).toFixed(0);
        const out = [...skipped.values()].reduce((sum, times) => sum + times, 0);
        console.log(
          `${target} ${cpu} ${mode} ${name}: ${agreed} of ${count} agree in ${runs} runs, ${out} left out, ${seconds} s`,
        );
        for (const [reason, times] of skipped) console.log(`  ${times} × ${reason}`);
      }
    }
  }
}
process.exit(failed > 0 ? 1 : 0);
