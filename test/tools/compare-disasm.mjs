/**
 * Compares our disassembly with that of LLVM and of Linux, instruction by instruction.
 *
 *   npm run build
 *   node test/tools/compare-disasm.mjs [options]
 *
 *   --objects DIR       BPF objects to take instructions from
 *   --generated N       also N generated instructions of every kind, for llvm-objdump (5000; needs llvm-mc)
 *   --llvm-objdump CMD  default llvm-objdump; --llvm-mc CMD likewise. "none" leaves LLVM out
 *   --mcpu CPU          passed to llvm-objdump; v3 and later mean 32-bit registers in narrow loads and stores
 *   --lab DIR           kernel-lab, whose `ask` loads programs into a real kernel (default: KERNEL_LAB_DIR)
 *   --kernel NAME       which kernel to ask (6.12-amd64)
 *   --answers FILE      what `ask --bpftool --log 2` said before, instead of asking again
 *   --ksyms FILE        that kernel's /proc/kallsyms; without it names of kernel functions are taken from the dump itself
 *   --show N            differences shown of each kind (3)
 *
 * Differences that docs/spec/asm.md explains are counted by kind; any other makes the exit code 1.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { printInsn } from '../../dist/asm/index.js';
import { decodeInsns, encodeInsns, findInsnDef, INSN_TABLE, makeInsn } from '../../dist/isa/index.js';
import { fromHex, toHex } from '../../dist/util/index.js';

const { values: options } = parseArgs({
  options: {
    objects: { type: 'string' },
    generated: { type: 'string', default: '5000' },
    'llvm-objdump': { type: 'string', default: 'llvm-objdump' },
    'llvm-mc': { type: 'string', default: 'llvm-mc' },
    mcpu: { type: 'string' },
    lab: { type: 'string', default: process.env.KERNEL_LAB_DIR },
    kernel: { type: 'string', default: '6.12-amd64' },
    answers: { type: 'string' },
    ksyms: { type: 'string' },
    show: { type: 'string', default: '3' },
  },
});

const MAX_OUTPUT = 1 << 30;
const run = (command, args) => execFileSync(command, args, { encoding: 'utf8', maxBuffer: MAX_OUTPUT });

/** A deterministic stream of numbers, so that two runs compare the same instructions. */
function* random(seed) {
  let state = seed | 0;
  for (;;) {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    yield (state >>> 8) & 0xffff;
  }
}

/** Counts what was compared and sorts differences by their explanation. */
class Tally {
  constructor(title) {
    this.title = title;
    this.compared = 0;
    this.kinds = new Map();
  }
  add(theirs, ours, place, explanation) {
    this.compared++;
    if (theirs === ours) return;
    const kind = explanation ?? 'NOT EXPLAINED';
    const seen = this.kinds.get(kind) ?? { count: 0, samples: [] };
    seen.count++;
    if (seen.samples.length < Number(options.show)) seen.samples.push({ place, theirs, ours });
    this.kinds.set(kind, seen);
  }
  print() {
    const different = [...this.kinds.values()].reduce((sum, { count }) => sum + count, 0);
    console.log(`${this.title}: ${this.compared} instructions, ${this.compared - different} the same`);
    for (const [kind, { count, samples }] of this.kinds) {
      console.log(`  ${count} × ${kind}`);
      for (const { place, theirs, ours } of samples)
        console.log(`      ${place}\n        theirs ${theirs}\n        ours   ${ours}`);
    }
    return this.kinds.has('NOT EXPLAINED');
  }
}

const decimal = text => text.replace(/0x[0-9a-f]+/g, hex => String(BigInt(hex)));

/** Why LLVM's text of a row differs from ours, by row name. */
const LLVM_DIFFERENCES = [
  [/^call_local$/, 'LLVM prints local calls like helper calls'],
  [/^call_kfunc$/, 'LLVM prints kfunc calls like helper calls'],
  [/^ldind/, 'LLVM leaves the displacement of indirect packet loads out'],
  [/^lddw_(map_value|map_idx_value|btf_id)$/, "LLVM leaves the second slot's imm out"],
  [/^(load_acq|store_rel)/, 'LLVM 19 does not know acquire and release, or takes them for another atomic operation'],
  [/^gotox$/, 'LLVM 19 does not know gotox'],
];

function explainLlvm(def, theirs, version, alu32) {
  if (def === undefined) return 'LLVM prints slots whose reserved fields are not 0; ours are bytes';
  const known = LLVM_DIFFERENCES.find(([rows]) => rows.test(def.name));
  if (known !== undefined) return known[1];
  if (!alu32 && /^lock_.*32$/.test(def.name)) return 'without 32-bit registers LLVM has no 32-bit atomics but add';
  const [major, minor] = def.since.split('.').map(Number);
  if (version >= 19) return undefined;
  if (major > 6 || (major === 6 && minor >= 6)) return 'this LLVM does not know the instruction set of -mcpu=v4';
  if (/^callx$/.test(def.name)) return 'LLVM before 19 takes the register of callx from the wrong field';
  if (theirs === '<unknown>') return 'this LLVM does not know the instruction';
  return undefined;
}

function compareLlvm(paths, tally) {
  const version = Number(/version (\d+)/.exec(run(options['llvm-objdump'], ['--version']))?.[1]);
  const alu32 = /^v[3-9]$/.test(options.mcpu ?? '');
  const args = ['-d', ...(options.mcpu === undefined ? [] : [`--mcpu=${options.mcpu}`])];
  for (const path of paths) {
    let section = '';
    let lines = [];
    const flush = () => {
      const insns = decodeInsns(fromHex(lines.map(({ hex }) => hex).join('')));
      for (const { idx, theirs } of lines) {
        const printed = printInsn(insns, idx, { dialect: 'llvm', alu32 });
        const ours = version >= 19 ? printed : decimal(printed);
        const def = printed.startsWith('.8byte') ? undefined : findInsnDef(insns[idx]);
        const place = `${path} ${section} ${idx}`;
        tally.add(theirs, ours, place, explainLlvm(def, theirs, version, alu32));
      }
      lines = [];
    };
    for (const line of run(options['llvm-objdump'], [...args, path]).split('\n')) {
      const heading = /^Disassembly of section (.*):$/.exec(line);
      if (heading !== null) {
        flush();
        section = heading[1];
      }
      const match = /^\s+(\d+):\t((?:[0-9a-f]{2} ){7,15}[0-9a-f]{2})\s*\t(.*?)(?: <[^ >]*>)?$/.exec(line);
      if (match !== null) lines.push({ idx: Number(match[1]), hex: match[2], theirs: match[3] });
    }
    flush();
  }
  return version;
}

/** Random legal instructions: every row equally often. */
function generate(count) {
  const next = random(1);
  const pick = list => list[next.next().value % list.length];
  const any = () => (next.next().value << 16) | next.next().value | 0;
  const insns = [];
  for (let i = 0; i < count; i++) {
    const def = INSN_TABLE[i % INSN_TABLE.length];
    const use = (field, value) => (typeof field === 'number' ? field : value);
    const imm = pick([any(), any() >> 16, any() >> 24, 0, -1, 2147483647, -2147483648]);
    const off = pick([(any() << 16) >> 16, any() >> 26, 0, 32767, -32768]);
    const [dst, src] = [next.next().value % 11, next.next().value % 11];
    insns.push(makeInsn(def.code, use(def.dst, dst), use(def.src, src), use(def.off, off), use(def.imm, imm)));
    if (def.slots === 2) insns.push(makeInsn(0, 0, 0, 0, use(def.imm2, any())));
  }
  return insns;
}

/** Puts instructions into an object by way of llvm-mc. */
function objectOf(insns, dir) {
  const [source, object] = [join(dir, 'generated.s'), join(dir, 'generated.o')];
  const bytes = toHex(encodeInsns(insns)).match(/../g);
  writeFileSync(source, `generated:\n${bytes.map(byte => `.byte 0x${byte}\n`).join('')}`);
  run(options['llvm-mc'], ['-triple=bpfel', '-filetype=obj', '-o', object, source]);
  return object;
}

const isLater = (a, b) => {
  const [[aMajor, aMinor], [bMajor, bMinor]] = [a, b].map(release => release.split('.').map(Number));
  return aMajor > bMajor || (aMajor === bMajor && aMinor > bMinor);
};

/** Programs in kernel-lab's text format that use what compilers rarely emit; the verifier accepts them. */
function generatePrograms() {
  const next = random(2);
  const number = n => next.next().value % n;
  const small = () => 1 + number(30);
  const word = () => (next.next().value << 16) | next.next().value | 0;
  const scalars = [0, 1, 2, 3, 4, 5, 7, 8, 9];
  const scalar = () => scalars[number(scalars.length)];
  const slot = () => -8 * (1 + number(8));
  const make = def => {
    const use = (field, value) => (typeof field === 'number' ? field : value);
    const one = fields =>
      makeInsn(
        def.code,
        use(def.dst, fields.dst ?? scalar()),
        use(def.src, fields.src ?? scalar()),
        use(def.off, fields.off ?? 0),
        use(def.imm, fields.imm ?? 0),
      );
    const shift = /^(lsh|rsh|arsh)/.test(def.op);
    const kinds = {
      alu: () => one({ imm: shift || /^s?(div|mod)$/.test(def.op) ? small() : word() }),
      neg: () => one({}),
      movsx: () => one({}),
      end: () => one({}),
      ldx: () => one({ src: 10, off: slot() }),
      ldxs: () => one({ src: 10, off: slot() }),
      st: () => one({ dst: 10, off: slot(), imm: word() }),
      stx: () => one({ dst: 10, off: slot() }),
      atomic: () => one({ dst: 10, off: slot() }),
      load_acq: () => one({ src: 10, off: slot() }),
      store_rel: () => one({ dst: 10, off: slot() }),
      ld_abs: () => one({ imm: word() }),
      ld_ind: () => one({ imm: word() }),
      jcond: () => one({ off: number(2), imm: word() }),
      ja: () => one({ off: 1, imm: 1 }),
      may_goto: () => one({ off: 1 }),
    };
    const made = kinds[def.kind]?.();
    if (made === undefined) return [];
    const filler = makeInsn(0x07, 7, 0, 0, 1);
    if (def.kind === 'jcond' || def.kind === 'may_goto') return [made, filler, filler];
    // Without a branch around it a jump would leave unreachable instructions behind, which the verifier refuses.
    return def.kind === 'ja' ? [makeInsn(0x15, 7, 0, 1, word()), made, filler] : [made];
  };
  const programs = [];
  for (let p = 0; p < 24; p++) {
    const insns = [makeInsn(0xbf, 6, 1, 0, 0)];
    for (let k = 1; k <= 8; k++) insns.push(makeInsn(0x7a, 10, 0, -8 * k, word()));
    const refill = () => {
      insns.push(makeInsn(0x85, 0, 0, 0, 7));
      for (const r of scalars.slice(1)) insns.push(makeInsn(0xbf, r, 0, 0, 0));
    };
    refill();
    for (const def of INSN_TABLE) {
      if (isLater(def.since, options.kernel.split('-')[0])) continue;
      // Every branch doubles what the verifier has to walk, so each program has some of them only.
      if (def.kind === 'jcond' && number(12) !== 0) continue;
      insns.push(...make(def));
      // Packet loads leave r1 to r5 unreadable.
      if (def.group === 'packet' || number(20) === 0) refill();
    }
    insns.push(makeInsn(0x18, 1, 0, 0, word()), makeInsn(0, 0, 0, 0, word()));
    insns.push(makeInsn(0xb7, 0, 0, 0, 0), makeInsn(0x95, 0, 0, 0, 0));
    programs.push({ name: `generated_${p}`, insns });
  }
  return programs;
}

function progText({ name, insns }) {
  return `name ${name}\ntype 1\nattach 0\nflags 0\nlic GPL\nnorun\ninsn ${toHex(encodeInsns(insns)).match(/.{16}/g).join(' ')}\nend\n`;
}

/** Kernel addresses by name are what /proc/kallsyms says; bpftool looks call targets up there. */
function kernelNames(path) {
  const names = new Map();
  let base;
  for (const line of readFileSync(path, 'utf8').split('\n')) {
    const [address, , name] = line.split(/\s+/);
    if (name === undefined) continue;
    const value = BigInt(`0x${address}`);
    if (name === '__bpf_call_base') base = value;
    if (!names.has(value)) names.set(value, name);
  }
  return imm => (base === undefined ? undefined : names.get(BigInt.asUintN(64, base + BigInt(imm))));
}

/** The programs in the lab's answers; a last line cut off by a time limit is left out. */
function readAnswers(path) {
  const lines = readFileSync(path, 'utf8').split('\n');
  const whole = lines.filter(line => line.startsWith('{"file"') && line.endsWith('}'));
  return whole.map(line => JSON.parse(line));
}

/** bpftool's text of each accepted program against ours for the same xlated bytes. */
function compareBpftool(answers, nameOf, tally) {
  for (const answer of answers) {
    if (!answer.bpftool_xlated || !answer.xlated) continue;
    const insns = decodeInsns(fromHex(answer.xlated));
    for (const line of answer.bpftool_xlated.split('\n')) {
      const match = /^ *(\d+): (.*)$/.exec(line);
      if (match === null) continue;
      const [idx, theirs] = [Number(match[1]), match[2]];
      const dumped = /^\(85\) call (?:pc)?(\S+?)(?:#-?\d+)?$/.exec(theirs)?.[1];
      const cbCall = insn => (insn.src === 1 ? dumped : (nameOf?.(insn.imm) ?? dumped));
      const ours = printInsn(insns, idx, { dialect: 'kernel', linux: options.kernel.split('-')[0], cbCall });
      const isNew = theirs.startsWith('BUG_') && isLater(findInsnDef(insns[idx])?.since ?? '0.0', '6.12');
      const explanation = isNew ? 'the bpftool in the lab is older than the kernel' : undefined;
      tally.add(theirs, ours, `${answer.file} ${answer.prog} ${idx}`, explanation);
    }
  }
}

/** The verifier's own log of generated programs against ours for the bytes they were made of. */
function compareLog(answers, programs, tally) {
  const cbImm = (_, imm64) => `0x${imm64.toString(16)}`;
  for (const { name, insns } of programs) {
    const answer = answers.find(({ prog }) => prog === name);
    if (answer === undefined) continue;
    if (answer.errno !== 0) console.log(`  ${name} was refused: ${answer.log.trim().split('\n').slice(-2)[0]}`);
    const seen = new Set();
    for (const line of answer.log.split('\n')) {
      const match = /^(\d+): (\([0-9a-f]{2}\) .*?)(?:\s+;.*)?$/.exec(line);
      if (match === null || seen.has(match[1])) continue;
      seen.add(match[1]);
      const helperName = () => /call (\w+)#/.exec(match[2])?.[1];
      const ours = printInsn(insns, Number(match[1]), {
        dialect: 'kernel',
        linux: options.kernel.split('-')[0],
        cbImm,
        helperName,
      });
      tally.add(match[2], ours, `${name} ${match[1]}`);
    }
  }
}

const dir = mkdtempSync(join(tmpdir(), 'farcall-compare-'));
let bad = false;
try {
  const objects = options.objects === undefined ? [] : readdirSync(options.objects).filter(name => name.endsWith('.o'));
  if (options['llvm-objdump'] !== 'none') {
    const generated = generate(Number(options.generated));
    if (generated.length > 0) {
      const tally = new Tally('generated instructions against llvm-objdump');
      tally.title += ` ${compareLlvm([objectOf(generated, dir)], tally)}`;
      bad = tally.print() || bad;
    }
    const paths = objects.map(name => join(options.objects, name));
    if (paths.length > 0) {
      const tally = new Tally(`${paths.length} objects against llvm-objdump`);
      tally.title += ` ${compareLlvm(paths, tally)}`;
      bad = tally.print() || bad;
    }
  }
  const programs = generatePrograms();
  let answersPath = options.answers;
  if (answersPath === undefined && options.lab !== undefined) {
    const input = join(dir, 'in');
    mkdirSync(input);
    for (const name of objects) writeFileSync(join(input, name), readFileSync(join(options.objects, name)));
    writeFileSync(join(input, 'generated.prog'), programs.map(progText).join(''));
    answersPath = join(dir, 'answers.jsonl');
    console.log(run(join(options.lab, 'ask'), [options.kernel, input, answersPath, '--bpftool', '--log', '2']).trim());
  }
  if (answersPath === undefined) {
    console.log('no kernel asked: give --lab DIR or --answers FILE');
  } else {
    const answers = readAnswers(answersPath);
    const dump = new Tally(`bpftool prog dump xlated, ${options.kernel}`);
    compareBpftool(answers, options.ksyms === undefined ? undefined : kernelNames(options.ksyms), dump);
    bad = dump.print() || bad;
    const log = new Tally(`verifier logs of generated programs, ${options.kernel}`);
    compareLog(answers, programs, log);
    bad = log.print() || bad;
  }
} finally {
  rmSync(dir, { recursive: true });
}
process.exitCode = bad ? 1 : 0;
