/**
 * Runs programs in the interpreter and as WebAssembly, and compares everything a run leaves: R0 or the fault with its place
 * and words, packet, context, maps, memory, trace, records.
 *   npx tsx test/tools/wasm-differential.ts generated [--from SEED] [--count N] [--functions N]
 *   npx tsx test/tools/wasm-differential.ts objects DIR… [--answers FILE.jsonl] [--btf FILE]
 * With --native programs that were proven run in code of this CPU. In WebAssembly they are optimised, but with --quick, which is what long
 * programs are for their first runs.
 * Generated programs run unverified, with every access checked, and once more as the verifier proved them if it accepts them.
 * Of objects, each program that the verifier accepts runs both ways on the packet of kernel labs, the bytes 0..63; with a
 * lab's answers (file, prog, errno, retval, data_out) what programs return is compared with those too; and with --expected
 * what they return on 64 zeroes with what the kernel's own tests say in declaration tags (`comment:test_retval=`).
 */
import { readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { parseArgs } from 'node:util';
import { disassemble } from '../../src/asm/index.ts';
import { openBtf } from '../../src/btf/index.ts';
import { interpEngine, wasmEngine } from '../../src/engine/index.ts';
import { nativeEngine } from '../../src/engine/native/index.ts';
import { kernelImage } from '../../src/kernels/index.ts';
import { prepareObject, verifyPrepared } from '../../src/machine/index.ts';
import type { BpfMap } from '../../src/maps/index.ts';
import { type ObjectSpec, openObject, relocateObject } from '../../src/object/index.ts';
import { progTypeRow } from '../../src/progtypes/index.ts';
import { FarcallError } from '../../src/util/index.ts';
import { type Verdict, type VerifyOptions, verify } from '../../src/verifier/index.ts';
import { difference, insnsOutcome, type Outcome, objectOutcomes } from '../support/engine-outcome.ts';
import { generateProgram, progEntryOf } from '../support/program-generator.ts';
import { kernelBtf } from '../support/structure-answer.ts';
import { verifyInputOf } from '../support/verify-input.ts';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    from: { type: 'string', default: '1' },
    count: { type: 'string', default: '1000' },
    functions: { type: 'string' },
    answers: { type: 'string' },
    btf: { type: 'string' },
    show: { type: 'string', default: '5' },
    only: { type: 'string' },
    expected: { type: 'boolean', default: false },
    native: { type: 'boolean', default: false },
    quick: { type: 'boolean', default: false },
  },
});
const [mode, ...dirs] = positionals;
const image = kernelImage('6.12-amd64');
const btf = values.btf === undefined ? kernelBtf(undefined) : openBtf(readFileSync(values.btf));
const caps = { bpf: true, perfmon: true, netAdmin: true, sysAdmin: true };
const how: VerifyOptions = { kernel: { version: '6.12', arch: image.arch, btf, image }, logLevel: 0, caps };
const INSN_BUDGET = 60_000_000;
// A few runs are all there are.
const wasm = wasmEngine({ firstRuns: values.quick ? 'quick' : 'full' });
/** What runs programs as the verifier proved them. */
const fast = values.native ? nativeEngine() : wasm;

const counts: Record<string, number> = {};
const count = (what: string): void => {
  counts[what] = (counts[what] ?? 0) + 1;
};
let shown = 0;
function differs(title: string, text: string): void {
  count('DIFFERENT');
  if (shown++ < Number(values.show)) process.stdout.write(`${title}\n${text}\n\n`);
}

function generated(seed: number): void {
  const functions = values.functions === undefined ? [1, 3, 6, 12][seed & 3] : Number(values.functions);
  const program = generateProgram(seed, { functions, kernel: seed % 5 === 0 ? '7.2' : '6.12', frames: seed % 7 < 4 });
  const { type, insns, maps } = program;
  const request = { dataIn: program.packet };
  const wanted = insnsOutcome(interpEngine, { type, insns, maps, request });
  const say = (kind: string, found: Outcome): void => {
    count(wanted.fault === undefined ? `${kind}, same result` : `${kind}, same ${wanted.fault}`);
    const text = difference(wanted, found);
    if (text !== undefined) {
      differs(`seed ${seed} (${functions} functions, ${kind})`, `${text}\n${disassemble(insns, { dialect: 'llvm' })}`);
    } else if (found.insnCount !== undefined && wanted.fault === undefined && found.insnCount !== wanted.insnCount) {
      differs(`seed ${seed} (${kind})`, `${wanted.insnCount} instructions, counted ${found.insnCount}`);
    }
  };
  say('checked', insnsOutcome(wasm, { type, insns, maps, request }));
  const proof = verify(verifyInputOf(progEntryOf(program)), how);
  if (!proof.ok) {
    count(`refused: ${proof.message.replace(/\d+/g, 'N').slice(0, 60)}`);
    return;
  }
  say('proven', insnsOutcome(fast, { type, insns, maps, proof, request }));
  say('proven, counted', insnsOutcome(wasm, { type, insns, maps, proof, request: { ...request, countInsns: true } }));
}

interface Answer {
  readonly file?: string;
  readonly prog?: string;
  readonly errno?: number;
  readonly retval?: number;
  readonly data_out?: string;
}
/** What tags of the kernel's own tests say a program returns; undefined where they say nothing or that it is a pointer. */
function expectedRetval(spec: ObjectSpec, program: string): number | undefined {
  const { btf: own } = spec;
  for (let id = 1; own !== undefined && id < own.types.endId; id++) {
    const tag = own.types.kind(id) === DECL_TAG ? own.typeById(id) : undefined;
    if (tag?.kind !== 'DECL_TAG' || own.typeById(tag.typeId)?.name !== program) continue;
    const text = /^comment:(?:\d+:)?test_retval=(.*)$/.exec(tag.name)?.[1];
    if (text === undefined) continue;
    return text === 'POINTER_VALUE' ? undefined : (NAMED_VALUES[text] ?? Number(text)) >>> 0;
  }
  return undefined;
}
const DECL_TAG = 17;
const NAMED_VALUES: Readonly<Record<string, number>> = { INT_MIN: -(2 ** 31), TEST_DATA_LEN: 64 };

/** Maps that the kernel's tests put a value into before they run these objects: `test_val` with its index and seventh number. */
const FILLED: Readonly<Record<string, readonly string[]>> = {
  verifier_array_access: ['map_array_ro'],
  verifier_value_ptr_arith: ['map_array_48b'],
};
/** Source: `prog_tests/verifier.c: init_test_val_map`. */
function fillMaps(maps: readonly BpfMap[], object: string): void {
  for (const map of maps.filter(({ def }) => FILLED[object.replace(/\.o$/, '')]?.includes(def.name))) {
    const value = new Uint8Array(map.def.valueSizeBytes);
    new DataView(value.buffer).setUint32(0, (6 + 1) * 4, true);
    new DataView(value.buffer).setUint32(4 + 4 * 6, 0xabcdef12, true);
    map.userUpdate(new Uint8Array(map.def.keySizeBytes), value);
  }
}

function compareExpected(
  spec: ObjectSpec,
  program: string,
  proofs: ReadonlyMap<string, Verdict>,
  packet: boolean,
): void {
  const expected = expectedRetval(spec, program);
  if (expected === undefined) return;
  const requests = [packet ? { dataIn: new Uint8Array(64) } : {}];
  for (const engine of [interpEngine, wasm]) {
    const subject = { spec, program, only: [...proofs.keys()], proofs, requests };
    const [found] = objectOutcomes(engine, { ...subject, before: maps => fillMaps(maps, spec.name) });
    const retval = found.fault ?? Number(found.r0 & 0xffffffffn);
    count(
      `${engine.name} returned ${retval === expected ? 'what its test expects' : 'something else than its test expects'}`,
    );
    if (retval !== expected)
      process.stdout.write(`${spec.name}:${program}: test expects ${expected}, ${engine.name} ${retval}\n`);
  }
}
const LAB_PACKET = Uint8Array.from({ length: 64 }, (_, i) => i);

function readAnswers(path: string): Map<string, Answer> {
  const lines = readFileSync(path, 'utf8').split('\n');
  const answers = lines.filter(line => line.startsWith('{')).map(line => JSON.parse(line) as Answer);
  return new Map(answers.map(answer => [`${answer.file} ${answer.prog}`, answer]));
}

function object(path: string, answers: ReadonlyMap<string, Answer>): void {
  const file = basename(path);
  const { spec } = relocateObject(openObject(readFileSync(path), { name: file }), { targetBtf: btf });
  const prepared = prepareObject(spec, { kernelBtf: btf, image, caps, relocated: true });
  const proofs = new Map<string, Verdict>();
  for (const program of spec.programs) {
    if (program.problem !== undefined) continue;
    const verdict = verifyPrepared(prepared.prepare(program), prepared.spec, how);
    if (verdict.verdict === 'accept' && verdict.full !== undefined) proofs.set(program.name, verdict.full);
  }
  for (const program of spec.programs) {
    const title = `${file}:${program.name}`;
    if (values.only !== undefined && values.only !== title) continue;
    if (!proofs.has(program.name)) {
      count('not accepted');
      continue;
    }
    const row = progTypeRow(program.type);
    const request = row?.packet === true ? { dataIn: LAB_PACKET } : {};
    const requests = [request, request, request].map(each => ({ ...each, insnBudget: INSN_BUDGET }));
    const subject = { spec, program: program.name, only: [...proofs.keys()], requests };
    try {
      const wanted = objectOutcomes(interpEngine, subject);
      const proven = objectOutcomes(interpEngine, { ...subject, proofs });
      if (wanted[0].fault === 'step-budget') count('longer than the budget');
      const free = requests.map(({ insnBudget: _, ...each }) => each);
      const runs = [
        [
          'proven',
          proven,
          objectOutcomes(fast, { ...subject, proofs, requests: proven[0].fault === 'step-budget' ? requests : free }),
        ],
        ['proven, counted', proven, objectOutcomes(wasm, { ...subject, proofs })],
        ['checked', wanted, objectOutcomes(wasm, subject)],
      ] as const;
      for (const [kind, reference, outcomes] of runs) {
        const text = outcomes.map((found, i) => difference(reference[i], found)).find(found => found !== undefined);
        if (text !== undefined) differs(`${title} (${kind})`, text);
        else count(`${kind}, same ${reference[0].fault ?? 'result'}`);
      }
      if (values.expected) compareExpected(spec, program.name, proofs, row?.packet === true);
      const answer = answers.get(`${file} ${program.name}`);
      if (answer?.errno !== 0 || answer.retval === undefined || proven[0].fault === 'refused') continue;
      const retval = Number(proven[0].r0 & 0xffffffffn);
      if (proven[0].fault === undefined && retval === answer.retval >>> 0) count('returned what the kernel did');
      else {
        count('returned something else than the kernel');
        process.stdout.write(`${title}: kernel ${answer.retval}, farcall ${proven[0].fault ?? retval}\n`);
      }
    } catch (error) {
      if (!(error instanceof FarcallError)) throw error;
      count(`not loaded: ${error.message.slice(0, 60)}`);
    }
  }
}

if (mode === 'generated') {
  const from = Number(values.from);
  for (let seed = from; seed < from + Number(values.count); seed++) generated(seed);
} else if (mode === 'objects' && dirs.length > 0) {
  const answers = values.answers === undefined ? new Map<string, Answer>() : readAnswers(values.answers);
  for (const dir of dirs) {
    for (const name of readdirSync(dir).sort()) {
      if (!name.endsWith('.o') || (values.only !== undefined && !values.only.startsWith(`${name}:`))) continue;
      try {
        object(join(dir, name), answers);
      } catch (error) {
        if (!(error instanceof FarcallError)) throw error;
        count(`object not opened: ${error.message.slice(0, 60)}`);
      }
    }
  }
} else {
  process.stderr.write(
    'usage: wasm-differential generated [--from SEED] [--count N] | objects DIR… [--answers FILE.jsonl]\n',
  );
  process.exit(2);
}
for (const [what, number] of Object.entries(counts).sort((a, b) => b[1] - a[1]))
  process.stdout.write(`${number}  ${what}\n`);
process.exit(counts.DIFFERENT === undefined ? 0 : 1);
