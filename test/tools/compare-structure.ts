/**
 * Compares `checkStructure` with a real kernel's answers: errno and message of programs refused for their functions and
 * control flow, and that nothing the kernel accepts is refused.
 *   npx tsx test/tools/compare-structure.ts ANSWERS.jsonl DIR [--show N] [--depths] [--messages] [--arch ppc64] [--btf FILE]
 * ANSWERS is what a kernel lab (at log level 2 or more) said of the `.prog` files and objects in DIR.
 * With the lab's list of symbols in ANSWERS, kernel functions without one are known.
 * --depths compares the estimated stack depths with those the kernel counted (log level 4).
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { openBtf } from '../../src/btf/index.ts';
import { CALL, type Insn } from '../../src/isa/index.ts';
import { openObject, type ProgramSpec } from '../../src/object/index.ts';
import { bpf_func_id } from '../../src/uapi/index.ts';
import {
  checkStructure,
  funcInfoTable,
  JIT_SUPPORT,
  lineInfoTable,
  type StructureInput,
  type Subprog,
} from '../../src/verifier/index.ts';
import { parseProgs, structureInputOf } from '../support/prog-file.ts';
import { isStructural, kernelBtf, type LabAnswer, logLines, refusalOf } from '../support/structure-answer.ts';

const [answers, dir, ...rest] = process.argv.slice(2);
if (answers === undefined || dir === undefined) {
  process.stderr.write('usage: compare-structure ANSWERS.jsonl DIR [--show N] [--depths]\n');
  process.exit(2);
}

interface Case {
  readonly input: StructureInput;
  readonly capBpf: boolean;
}

const option = (name: string): string | undefined => (rest.includes(name) ? rest[rest.indexOf(name) + 1] : undefined);
const kernel = kernelBtf(option('--btf'));
const jit = JIT_SUPPORT[(option('--arch') ?? 'x86_64') as keyof typeof JIT_SUPPORT];
let symbols: ReadonlySet<string> | undefined;
const hasKernelSymbol = (name: string): boolean => symbols?.has(name) ?? true;
const cache = new Map<string, ReadonlyMap<string, Case>>();

function objectCase(spec: ReturnType<typeof openObject>, program: ProgramSpec): Case {
  const kfuncs = new Map<number, string>();
  const maps = new Map<number, string>();
  const insns = [...program.insns];
  for (const ref of program.refs) {
    if (ref.kind !== 'extern') maps.set(ref.insnIdx, ref.map);
    else if (ref.call) kfuncs.set(ref.insnIdx, ref.extern);
  }
  const { type, funcInfo, lineInfo } = program;
  return {
    capBpf: true,
    input: {
      insns,
      type,
      btf: spec.btf === undefined ? undefined : openBtf(spec.btf.bytes),
      funcInfo: funcInfoTable(funcInfo),
      lineInfo: lineInfoTable(lineInfo),
      kfuncs,
      maps,
      gplCompatible: /GPL/.test(spec.license),
    },
  };
}

function casesOf(file: string): ReadonlyMap<string, Case> {
  let cases = cache.get(file);
  if (cases !== undefined) return cases;
  const bytes = readFileSync(join(dir, file));
  if (file.endsWith('.prog')) {
    cases = new Map(
      parseProgs(bytes.toString('utf8')).map(entry => [
        entry.name,
        { input: structureInputOf(entry), capBpf: entry.unprivileged !== true },
      ]),
    );
  } else {
    const spec = openObject(new Uint8Array(bytes));
    cases = new Map(spec.programs.filter(p => p.problem === undefined).map(p => [p.name, objectCase(spec, p)]));
  }
  cache.clear();
  cache.set(file, cases);
  return cases;
}

const counts = new Map<string, number>();
const messages = new Map<string, number>();
const wrong: string[] = [];
/** Estimates above what the kernel counted: allowed. */
const notes: string[] = [];
const depthCounts = { functions: 0, equal: 0, above: 0, unbounded: 0, below: 0 };
const count = (what: string): void => {
  counts.set(what, (counts.get(what) ?? 0) + 1);
};

/** Stack that later stages add to a function: room for inlined bpf_loop, the counter of may_goto. */
function laterStack(
  insns: readonly Insn[],
  { start, end }: { readonly start: number; readonly end: number },
): number[] {
  const own = insns.slice(start, end);
  const loop = own.some(insn => insn.code === CALL && insn.src === 0 && insn.imm === bpf_func_id.BPF_FUNC_loop)
    ? 24
    : 0;
  const mayGoto = own.some(insn => insn.code === 0xe5) ? 8 : 0;
  return [0, loop, mayGoto, loop + mayGoto];
}

function compareDepths(name: string, log: string, insns: readonly Insn[], subprogs: readonly Subprog[]): void {
  const depths = subprogs.map(subprog => subprog.stackDepthBytes);
  const found = /^stack depth ([\d+]+)$/m.exec(log);
  if (found === null) return;
  const theirs = found[1].split('+').map(Number);
  for (const [id, depth] of theirs.entries()) {
    // The kernel removes functions nobody reaches.
    if (theirs.length !== depths.length) return;
    depthCounts.functions++;
    const later = laterStack(insns, subprogs[id]);
    if (later.some(more => depths[id] + more === depth)) depthCounts.equal++;
    else if (depths[id] + later[3] < depth) {
      depthCounts.below++;
      wrong.push(`${name}: func#${id} estimated ${depths[id]}, kernel ${depth}`);
    } else {
      depthCounts[depths[id] === 512 ? 'unbounded' : 'above']++;
      notes.push(`${name}: func#${id} estimated ${depths[id]}, kernel ${depth}`);
    }
  }
}

for (const line of readFileSync(answers, 'utf8').split('\n')) {
  if (line.includes('"blob":"kallsyms"')) {
    const { hex } = JSON.parse(line) as { hex: string };
    const text = Buffer.from(hex, 'hex').toString('latin1');
    symbols = new Set(text.split('\n').map(entry => entry.split(/\s/)[2]));
  }
  if (!line.includes('"prog"')) continue;
  let answer: LabAnswer;
  try {
    answer = JSON.parse(line) as LabAnswer;
  } catch {
    count('lines cut off');
    continue;
  }
  const { file = '', prog = '', errno = 0, log = '' } = answer;
  if (answer.btf_errno !== undefined) {
    count('BTF the kernel refused');
    continue;
  }
  const found = casesOf(file).get(prog);
  if (found === undefined) {
    count('programs that did not open');
    continue;
  }
  // libbpf gave up before it asked the kernel, or asked it about a map.
  if (errno !== 0 && log === '' && file.endsWith('.o')) {
    count('refused before the verifier');
    continue;
  }
  const ours = checkStructure(found.input, { capBpf: found.capBpf, kernelBtf: kernel, hasKernelSymbol, jit });
  const name = `${file} ${prog}`;
  const refusal = errno === 0 ? '' : refusalOf(log);
  if (errno === 0) {
    if (ours.ok) {
      count('accepted by both');
      if (rest.includes('--depths')) compareDepths(name, log, found.input.insns, ours.subprogs);
    } else {
      count('WRONG: accepted by the kernel only');
      wrong.push(`${name}: kernel accepts, we say ${ours.errno} ${ours.message}`);
    }
  } else if (!ours.ok && ours.errno === errno && ours.message === refusal) {
    count('refused alike');
    messages.set(ours.message.replace(/\d+/g, 'N'), (messages.get(ours.message.replace(/\d+/g, 'N')) ?? 0) + 1);
    const early = ours.stage !== 'do_check' && ours.stage !== 'check_max_stack_depth';
    if (early && logLines(log) !== ours.log.join('\n')) {
      count('WRONG: refused alike, other lines in the log');
      wrong.push(`${name}: kernel log ${JSON.stringify(logLines(log))}, ours ${JSON.stringify(ours.log.join('\n'))}`);
    }
  } else if (isStructural(refusal) || refusal === '') {
    count('WRONG: refused by the kernel with a message of ours, otherwise by us');
    wrong.push(`${name}: kernel ${errno} '${refusal}', we ${ours.ok ? 'accept' : `${ours.errno} '${ours.message}'`}`);
  } else if (ours.ok || ours.stage === 'do_check' || ours.stage === 'check_max_stack_depth') {
    count('refused by the kernel later, for other reasons');
  } else {
    count('WRONG: refused by us before the kernel does');
    wrong.push(`${name}: kernel ${errno} '${refusal}', we ${ours.errno} '${ours.message}'`);
  }
}
for (const [what, n] of [...counts].sort()) process.stdout.write(`${n.toString().padStart(7)} ${what}\n`);
if (rest.includes('--messages')) {
  for (const [text, n] of [...messages].sort((a, b) => b[1] - a[1]))
    process.stdout.write(`${n.toString().padStart(7)}   ${text}\n`);
}
if (rest.includes('--depths'))
  process.stdout.write(`${JSON.stringify(depthCounts)}\n${notes.map(note => `    ${note}\n`).join('')}`);
for (const text of wrong.slice(0, Number(option('--show') ?? 5))) process.stdout.write(`  ${text}\n`);
process.exitCode = wrong.length === 0 ? 0 : 1;
