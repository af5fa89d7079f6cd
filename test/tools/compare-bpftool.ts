/**
 * Compares what we print of loaded programs with what bpftool printed of them on a real kernel, byte for byte.
 *   npx tsx test/tools/compare-bpftool.ts ANSWERS.jsonl --objs DIR [--ksyms FILE] [--show N] [--own]
 * With --own nothing of the kernel's answer goes in: the object is verified and compiled here, for Linux 6.12 on amd64, and the dump
 * of that is compared, but for ids of maps and addresses.
 * Answers without func_info and line_info have theirs recovered from where bpftool put prototypes and lines, and the names of
 * functions from its calls; what stands there is then looked up in the object.
 * ANSWERS holds a line a program: file, prog, the kernel's bpf_prog_info (id, name, tag, xlated, ksyms, func_lens, jited,
 * func_info, line_info, jited_line_info, prog_tags, map_ids …), and bpftool's texts as `bpftool_*`. DIR has the objects,
 * whose BTF the programs were loaded with, and .prog files. Symbols of the kernel come from --ksyms or a blob line; those
 * of programs are made from tags and function names.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { gunzipSync } from 'node:zlib';
import type { Btf } from '../../src/btf/index.ts';
import { decodeInsns, encodeInsns, isPseudoCall, isPseudoFunc } from '../../src/isa/index.ts';
import { type ProgInfo, progTag, tagHashOf } from '../../src/jit/index.ts';
import { bpfSymbolName } from '../../src/kernels/index.ts';
import { functionStarts } from '../../src/machine/dump/calls.ts';
import {
  type DumpSource,
  dumpXlated,
  dumpXlatedGraph,
  dumpXlatedJson,
  LineTable,
  progMemlockBytes,
  showProg,
  showProgJson,
} from '../../src/machine/dump/index.ts';
import { type ObjectSpec, openObject } from '../../src/object/index.ts';
import { fromHex, toHex } from '../../src/util/index.ts';
import { addrOf, type LabProgram, labProgInfo } from '../support/lab-prog.ts';
import { lacksRecords, recoverAnswer, recoverRecords, recoverSymbols } from '../support/lab-recovery.ts';
import { OwnPrograms, withoutPlaces } from '../support/own-programs.ts';

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    objs: { type: 'string' },
    ksyms: { type: 'string' },
    show: { type: 'string', default: '2' },
    own: { type: 'boolean', default: false },
  },
});
const [answers] = positionals;
if (answers === undefined || options.objs === undefined) {
  process.stderr.write('usage: compare-bpftool ANSWERS.jsonl --objs DIR [--ksyms FILE] [--show N] [--own]\n');
  process.exit(2);
}

/** All names at an address: bpftool finds any of them. */
const kernelNames = new Map<bigint, string[]>();
let callBase = 0n;
function readKsyms(text: string): void {
  for (const line of text.split('\n')) {
    const [addr, , name] = line.split(/\s+/);
    if (name === undefined) continue;
    const at = addrOf(addr);
    if (name === '__bpf_call_base') callBase = at;
    const names = kernelNames.get(at);
    if (names === undefined) kernelNames.set(at, [name]);
    else names.push(name);
  }
}
if (options.ksyms !== undefined) readKsyms(readFileSync(options.ksyms, 'utf8'));

function symbolsFor(info: ProgInfo, btf: Btf | undefined): Map<bigint, string> {
  const names = new Map<bigint, string>();
  for (const [i, addr] of info.jitedKsyms.entries()) {
    const func = info.funcInfo[i];
    const name = func !== undefined && btf !== undefined ? btf.nameOf(func.typeId) : i === 0 ? info.name : 'F';
    names.set(addr, bpfSymbolName(i === 0 ? info.tag : info.progTags[i], name === '' ? undefined : name));
  }
  return names;
}

/** Names of one address are worth the same: both texts get the first of them. */
function sameNames(text: string): string {
  return text.replace(/call ([A-Za-z_][\w.]*)(?=#)/g, (whole, name: string) => {
    const first = firstName.get(name);
    return first === undefined ? whole : `call ${first}`;
  });
}
const firstName = new Map<string, string>();

const specs = new Map<string, ObjectSpec>();
function specOf(file: string): ObjectSpec | undefined {
  const path = join(options.objs!, file);
  if (!file.endsWith('.o') || !existsSync(path)) return undefined;
  let spec = specs.get(file);
  if (spec === undefined) specs.set(file, (spec = openObject(new Uint8Array(readFileSync(path)), { name: file })));
  return spec;
}
const raws = new Map<string, Map<string, { type: number; slots: number; insns: string }>>();
function rawOf(file: string, prog: string): { type: number; slots: number; insns: string } | undefined {
  let raw = raws.get(file);
  if (raw === undefined) {
    raw = new Map();
    for (const text of readFileSync(join(options.objs!, file), 'utf8').split(/^end$/m)) {
      const field = (name: string): string[] =>
        [...text.matchAll(new RegExp(`^${name} (.*)$`, 'gm'))].map(match => match[1]);
      const insns = field('insn').join(' ');
      raw.set(field('name')[0], { type: Number(field('type')[0] ?? 1), slots: insns.split(/\s+/).length, insns });
    }
    raws.set(file, raw);
  }
  return raw.get(prog);
}

const tally = new Map<string, { same: number; different: string[] }>();
let died = 0;
function compare(what: string, place: string, theirs: string | undefined, ours: () => string): boolean {
  if (theirs === undefined) return true;
  // It follows a null pointer where a local call ends a block.
  if (what.startsWith('xlated visual') && !theirs.endsWith('}\n}\n')) {
    died++;
    return true;
  }
  const row = tally.get(what) ?? { same: 0, different: [] };
  tally.set(what, row);
  const [a, b] = [sameNames(theirs), sameNames(ours())];
  if (a === b) {
    row.same++;
    return true;
  }
  const [left, right] = [a.split('\n'), b.split('\n')];
  const at = left.findIndex((line, i) => line !== right[i]);
  const around = (lines: string[]): string =>
    at < 0
      ? '(longer)'
      : lines[at]?.length > 400
        ? firstDifference(lines[at], (lines === left ? right : left)[at] ?? '')
        : String(lines[at]);
  row.different.push(`${place} line ${at + 1}\n    bpftool ${around(left)}\n    farcall ${around(right)}`);
  return false;
}
function firstDifference(a: string, b: string): string {
  let i = 0;
  while (i < a.length && a[i] === b[i]) i++;
  return `…${a.slice(Math.max(0, i - 60), i + 80)}…`;
}

/** MODULES_VADDR with KASLR, or VMALLOC_START. */
let modules = 0n;
let tagHash = tagHashOf('6.12');
const MODULES: Readonly<Record<string, bigint>> = { x86_64: 0xffffffffc0000000n, ppc64le: 0xc008000000000000n };
/** Tags of functions from the dump, where the loads are still what was hashed. */
function compareTags(info: ProgInfo, place: string): void {
  const starts = info.funcInfo.length > 0 ? info.funcInfo.map(func => func.insnIdx) : functionStarts(info, '6.12');
  if (starts.length !== info.progTags.length || starts.length < 2) return;
  const marked = info.xlated.map((insn, idx) => {
    if (isPseudoCall(insn)) return { ...insn, off: insn.imm, imm: 1 };
    // Addresses of functions stand for where modules begin, until there are any.
    if (isPseudoFunc(insn)) return { ...insn, off: info.xlated[idx + 1].imm, imm: Number(BigInt.asIntN(32, modules)) };
    const before = info.xlated[idx - 1];
    return before !== undefined && isPseudoFunc(before) ? { ...insn, imm: Number(modules >> 32n) | 0 } : insn;
  });
  const tags = starts.map((start, i) => progTag(marked.slice(start, starts[i + 1]), tagHash));
  compare('tags of functions', place, info.progTags.join('\n'), () => tags.join('\n'));
}

const KERNEL_BTF = new URL('../../assets/btf/vmlinux-6.12-amd64.btf.gz', import.meta.url);
let ownPrograms: OwnPrograms | undefined;
/** Our own program's dump, made without the kernel's answer; true where it is equal. */
function compareOwn(record: LabProgram, spec: ObjectSpec): boolean {
  ownPrograms ??= new OwnPrograms({
    image: '6.12-amd64',
    btf: new Uint8Array(gunzipSync(readFileSync(KERNEL_BTF))),
    versionCode: (6 << 16) | (12 << 8) | 107,
  });
  const place = `${record.file} ${record.prog}`;
  const own = ownPrograms.inspect(spec, record.prog);
  if (typeof own === 'string') return compare('own: accepted', place, 'accepted', () => own);
  const shown = { linux: '6.12', asBpftool: true };
  const masked = (text: string | undefined): string | undefined => text && withoutPlaces(text);
  const results = [
    compare('own: accepted', place, 'accepted', () => 'accepted'),
    compare('own: tag', place, record.tag, () => own.info.tag),
    compare('own: tags of functions', place, record.prog_tags, () => own.info.progTags.join('')),
    compare('own: instructions', place, String(record.verified_insns), () => String(own.info.verifiedInsns)),
    compare('own: xlated', place, masked(record.bpftool_xlated), () => withoutPlaces(dumpXlated(own.source, shown))),
    compare('own: xlated json linum', place, masked(record.bpftool_xlated_json_linum), () =>
      withoutPlaces(`${JSON.stringify(dumpXlatedJson(own.source, { ...shown, linum: true }))}\n`),
    ),
  ];
  return results.every(Boolean);
}

const counts = { programs: 0, multi: 0, most: 0, sameAll: 0, recovered: 0, gaveUp: 0, withoutLines: 0 };
const maskTime = (text: string): string =>
  text.replace(/loaded_at \S+/, 'loaded_at T').replace(/"loaded_at":\d+/, '"loaded_at":0');

for (const line of readFileSync(answers, 'utf8').split('\n')) {
  let record: { kernel?: string; machine?: string; blob?: string; hex?: string } & LabProgram;
  try {
    record = JSON.parse(line);
  } catch {
    // The last line of a run that was cut off.
    continue;
  }
  if (record.machine !== undefined && record.kernel !== undefined) {
    modules = MODULES[record.machine] ?? 0n;
    tagHash = tagHashOf(record.kernel);
  }
  if (record.blob === 'kallsyms' && record.hex !== undefined) readKsyms(new TextDecoder().decode(fromHex(record.hex)));
  if (record.errno !== 0 || record.bpftool_xlated === undefined) continue;
  if (firstName.size === 0)
    for (const [first, ...others] of kernelNames.values()) for (const name of others) firstName.set(name, first);
  const spec = specOf(record.file);
  const raw = spec === undefined ? rawOf(record.file, record.prog) : undefined;
  if (options.own) {
    if (spec === undefined) continue;
    counts.programs++;
    if (record.ksyms.length > 1) counts.multi++;
    counts.most = Math.max(counts.most, record.ksyms.length);
    if (compareOwn(record, spec)) counts.sameAll++;
    continue;
  }
  const program = spec?.programs.find(({ name }) => name === record.prog);
  const recovered = lacksRecords(record);
  if (recovered) record = { ...record, ...recoverAnswer(record) };
  let info = labProgInfo(record, record.type ?? raw?.type ?? 0);
  if (recovered && spec !== undefined && program !== undefined)
    info = { ...info, ...recoverRecords(record, spec, program) };
  const btf = record.btf_id === 0 ? undefined : spec?.btf;
  const own = recovered ? recoverSymbols(record, info) : symbolsFor(info, btf);
  if (recovered) counts.recovered++;
  else compareTags(info, `${record.file} ${record.prog}`);
  const source: DumpSource = {
    info,
    btf,
    symbols: { callBase, symbolAt: addr => own.get(addr) ?? kernelNames.get(addr)?.[0] },
  };
  // The lab has both of its streams in one text. Without addresses of lines nothing says that bpftool could not use them.
  const GAVE_UP = 'error in processing bpf_line_info.  continue without it.\n';
  const gaveUp = info.lineInfo.length > 0 && btf !== undefined && LineTable.of(info, btf, true) === undefined;
  const expected = (text: string | undefined): string | undefined => {
    if (!recovered || text?.startsWith(GAVE_UP) !== true) return text;
    counts.withoutLines++;
    return text.slice(GAVE_UP.length);
  };
  const said = (text: string): string => `${gaveUp ? GAVE_UP : ''}${text}`;
  if (gaveUp) counts.gaveUp++;
  counts.programs++;
  if (info.jitedKsyms.length > 1) counts.multi++;
  counts.most = Math.max(counts.most, info.jitedKsyms.length);
  const place = `${record.file} ${record.prog}`;
  const slots = Math.max(info.xlated.length, program?.insns.length ?? raw?.slots ?? 0);
  const facts = { bootSeconds: 0, memlockBytes: progMemlockBytes(slots) };
  const xlated = { linux: '6.12', asBpftool: true };
  const json = (value: unknown): string => `${JSON.stringify(value)}\n`;
  const results = [
    compare('show', place, record.bpftool_show && maskTime(record.bpftool_show), () =>
      maskTime(showProg(info, btf, facts)),
    ),
    compare('show json', place, record.bpftool_show_json && maskTime(record.bpftool_show_json), () =>
      maskTime(json(showProgJson(info, btf, facts))),
    ),
    compare('xlated', place, expected(record.bpftool_xlated), () => said(dumpXlated(source, xlated))),
    compare('xlated opcodes linum', place, expected(record.bpftool_xlated_opcodes), () =>
      said(dumpXlated(source, { ...xlated, opcodes: true, linum: true })),
    ),
    compare('xlated json opcodes', place, record.bpftool_xlated_json, () =>
      json(dumpXlatedJson(source, { ...xlated, opcodes: true })),
    ),
    compare('xlated json linum', place, record.bpftool_xlated_json_linum, () =>
      json(dumpXlatedJson(source, { ...xlated, linum: true })),
    ),
    compare('xlated visual', place, record.bpftool_visual, () => said(dumpXlatedGraph(source, xlated))),
    compare('xlated visual opcodes linum', place, record.bpftool_visual_full, () =>
      said(dumpXlatedGraph(source, { ...xlated, opcodes: true, linum: true })),
    ),
  ];
  if (raw !== undefined && !raw.insns.includes('1811'))
    compare('tag', place, record.tag, () => progTag(decodeInsns(fromHex(raw.insns)), tagHash));
  compare('bytes of slots', place, record.xlated, () => toHex(encodeInsns(info.xlated)));
  if (results.every(Boolean)) counts.sameAll++;
}

let failed = false;
for (const [what, { same, different }] of tally) {
  process.stdout.write(`${what}: ${same} equal, ${different.length} different\n`);
  for (const text of different.slice(0, Number(options.show))) process.stdout.write(`  ${text}\n`);
  failed ||= different.length > 0;
}
process.stdout.write(
  `${counts.programs} programs, ${counts.multi} with several functions (most: ${counts.most}); ${counts.sameAll} equal in every text\n`,
);
if (died > 0) process.stdout.write(`${died} graphs that bpftool did not finish\n`);
if (counts.gaveUp > 0) process.stdout.write(`${counts.gaveUp} whose lines bpftool does without, as foreseen\n`);
if (counts.withoutLines > 0)
  process.stdout.write(`${counts.withoutLines} texts without lines, not foreseen from a record without addresses\n`);
if (counts.recovered > 0) process.stdout.write(`records of ${counts.recovered} recovered from the texts\n`);
process.exit(failed || counts.programs === 0 ? 1 : 0);
