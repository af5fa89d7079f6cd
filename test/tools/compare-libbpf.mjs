// Compares openObject and relocateObject with what libbpf would hand to a kernel.
//
//   node test/tools/compare-libbpf.mjs --oracle EXE --btf VMLINUX_BTF [--config FILE] [--verbose] DIR_OR_OBJECT...
//
// EXE is libbpf-oracle/ built; VMLINUX_BTF raw BTF. FARCALL_DIST names the build to test (default: dist/ of this tree).
// Prints counts and each difference; exits 1 if there are any.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    oracle: { type: 'string' },
    btf: { type: 'string' },
    config: { type: 'string' },
    verbose: { type: 'boolean', default: false },
  },
});
if (options.oracle === undefined || options.btf === undefined || positionals.length === 0) {
  console.error('usage: compare-libbpf.mjs --oracle EXE --btf FILE [--config FILE] [--verbose] DIR_OR_OBJECT...');
  process.exit(2);
}
const dist = process.env.FARCALL_DIST ?? new URL('../../dist', import.meta.url).pathname;
const load = room => import(pathToFileURL(resolve(dist, room, 'index.js')).href);
const { openObject, relocateObject, kernelName, externValues } = await load('object');
const { openBtf } = await load('btf');
const { encodeInsns, decodeInsns } = await load('isa');

const files = positionals.flatMap(path =>
  statSync(path).isDirectory()
    ? readdirSync(path)
        .filter(name => name.endsWith('.o'))
        .sort()
        .map(name => join(path, name))
    : [path],
);
const targetBtf = openBtf(new Uint8Array(readFileSync(options.btf)));
const config = options.config === undefined ? '' : readFileSync(options.config, 'utf8');
const kconfig = { config, kernelVersion: 0x060c00 };
const scratch = mkdtempSync(join(tmpdir(), 'compare-libbpf-'));
const count = {};
const add = (name, n = 1) => {
  count[name] = (count[name] ?? 0) + n;
};
const differences = [];

function fnv(bytes) {
  let h = 0xcbf29ce484222325n;
  for (const byte of bytes) h = BigInt.asUintN(64, (h ^ BigInt(byte)) * 0x100000001b3n);
  return h.toString(16).padStart(16, '0');
}

function u32s(words) {
  const bytes = new Uint8Array(words.length * 4);
  const view = new DataView(bytes.buffer);
  for (const [i, word] of words.entries()) view.setUint32(4 * i, word, true);
  return bytes;
}

function ask(file, spec) {
  const kallsyms = join(scratch, 'kallsyms');
  const typeless = (spec?.externs ?? []).filter(extern => extern.kind === 'ksym_typeless');
  writeFileSync(
    kallsyms,
    typeless.map((e, i) => `ffffffff8100${(i * 16).toString(16).padStart(4, '0')} T ${e.name}\n`).join(''),
  );
  const args = ['--btf', options.btf, '--kallsyms', kallsyms];
  if (options.config !== undefined) args.push('--config', options.config);
  const { stdout } = spawnSync(options.oracle, [...args, file], { encoding: 'utf8', maxBuffer: 1 << 30 });
  const runs = [];
  for (const line of stdout.split('\n')) {
    if (line === '') continue;
    const event = JSON.parse(line);
    if (event.event === 'begin') runs.push([]);
    runs[runs.length - 1].push(event);
  }
  return runs;
}

function compareMaps(differ, spec, events) {
  const theirs = events.filter(event => event.event === 'map');
  const ours = spec.maps.flatMap(map => [
    [map, map.def, false],
    ...(map.def.inner === undefined ? [] : [[map, map.def.inner, true]]),
  ]);
  if (ours.length !== theirs.length) differ(`maps: ${ours.map(m => m[1].name)} / ${theirs.map(m => m.name)}`);
  ours.forEach(([map, def, inner], i) => {
    const their = theirs[i];
    if (their === undefined) return;
    add('maps');
    const mine = {
      name: inner ? map.def.name : def.name,
      inner: inner ? 1 : 0,
      type: def.type,
      key: def.keySizeBytes,
      value: def.valueSizeBytes,
      max: def.maxEntries,
      flags: def.flags,
      numa: def.numaNode ?? 0,
      extra: String(def.mapExtra ?? 0n),
      key_id: (inner ? map.innerKeyTypeId : map.keyTypeId) ?? 0,
      value_id: (inner ? map.innerValueTypeId : map.valueTypeId) ?? 0,
      pinned: inner ? 0 : map.pinning,
      autocreate: inner ? 1 : map.autocreate ? 1 : 0,
    };
    if (map.origin === 'data' && !inner) {
      mine.data_size = def.valueSizeBytes;
      mine.data_hash = fnv(map.data ?? new Uint8Array(def.valueSizeBytes));
      delete their.event;
    } else if (map.data !== undefined && !inner) {
      mine.data_size = map.data.length;
      mine.data_hash = fnv(map.data);
    }
    for (const key of Object.keys(mine)) {
      if (mine[key] !== their[key]) differ(`map ${mine.name}: ${key} ${mine[key]} / ${their[key]}`);
    }
  });
}

function comparePrograms(differ, spec, events) {
  const theirs = events.filter(event => event.event === 'open_prog');
  const ours = spec.programs;
  if (theirs.length === 0 && ours.every(program => program.section === '.text')) {
    add('objects with .text alone');
    return;
  }
  if (ours.length !== theirs.length) {
    const onlyOurs = ours.filter(p => !theirs.some(t => t.name === p.name)).map(p => p.name);
    const onlyTheirs = theirs.filter(t => !ours.some(p => p.name === t.name)).map(t => t.name);
    differ(`programs: only ours ${onlyOurs}; only libbpf's ${onlyTheirs}`);
    return;
  }
  ours.forEach((program, i) => {
    add('programs');
    const their = theirs[i];
    const mine = {
      name: program.name,
      section: program.section,
      type: program.type,
      attach_type: program.attachType,
      autoload: program.autoload ? 1 : 0,
    };
    for (const key of Object.keys(mine)) {
      if (mine[key] !== their[key]) differ(`program ${mine.name}: ${key} ${mine[key]} / ${their[key]}`);
    }
  });
}

/** Both sides' instructions with map descriptors, kernel ids and symbol addresses replaced by names. */
function normalise(insns, nameAt) {
  const lines = encodeInsns(insns);
  return insns.map((insn, i) => {
    const name = nameAt(i, insn);
    if (name !== undefined) return name;
    return Buffer.from(lines.subarray(8 * i, 8 * i + 8)).toString('hex');
  });
}

function ourLines(program, spec) {
  const refs = new Map(program.refs.map(ref => [ref.insnIdx, ref]));
  const names = new Map(spec.maps.map(map => [map.def.name, kernelName(map.def.name)]));
  return normalise(program.insns, (i, insn) => {
    const ref = refs.get(i);
    if (ref === undefined) {
      const before = refs.get(i - 1);
      return before?.kind === 'extern' && !before.call ? 'extern second' : undefined;
    }
    if (ref.kind === 'extern') return ref.call ? `call extern` : `load extern r${insn.dst}`;
    return `${ref.kind} ${names.get(ref.map)} r${insn.dst}`;
  });
}

function theirLines(event, program) {
  const insns = decodeInsns(Buffer.from(event.insns, 'hex'));
  const externs = new Map(program.refs.filter(ref => ref.kind === 'extern').map(ref => [ref.insnIdx, ref]));
  return normalise(insns, (i, insn) => {
    const extern = externs.get(i);
    if (extern === undefined && externs.has(i - 1) && !externs.get(i - 1).call) return 'extern second';
    if (extern?.call)
      return insn.code === 0x85 && (insn.src === 2 || Math.floor(insn.imm / 1e6) === 2002) ? 'call extern' : 'call ?';
    if (extern !== undefined) return insn.code === 0x18 ? `load extern r${insn.dst}` : 'load ?';
    if (insn.code === 0x18 && (insn.src === 1 || insn.src === 2) && event.fds[insn.imm]) {
      return `${insn.src === 1 ? 'map' : 'map_value'} ${event.fds[insn.imm]} r${insn.dst}`;
    }
    // A map that is not made by itself leaves two invalid calls.
    return undefined;
  });
}

function compareCode(differ, spec, events) {
  for (const event of events.filter(candidate => candidate.event === 'prog')) {
    const program = spec.programs.find(p => p.name === event.name && p.section === event.section);
    if (program === undefined) {
      differ(`program ${event.name}: not ours`);
      continue;
    }
    if (program.problem !== undefined) {
      differ(`program ${event.name}: ${program.problem.message}`);
      continue;
    }
    const ours = ourLines(program, spec);
    const theirs = theirLines(event, program);
    add('programs with code');
    add('insns', theirs.length);
    const at = theirs.findIndex((line, i) => line !== ours[i]);
    if (at >= 0 || ours.length !== theirs.length) {
      differ(`program ${event.name}: insn ${at} of ${ours.length}/${theirs.length}: ${ours[at]} / ${theirs[at]}`);
    }
    if (event.given_up) continue;
    if (event.type === STRUCT_OPS) compareMember(differ, program, spec, event);
    const funcs = Buffer.from(
      program.funcInfo.length === 0 ? [] : u32s(program.funcInfo.flatMap(f => [f.insnIdx, f.typeId])),
    );
    if (funcs.toString('hex') !== event.func_info)
      differ(`program ${event.name}: func_info ${funcs.toString('hex')} / ${event.func_info}`);
    else add('func_info', event.func_cnt);
    if (event.line_rec === 16 || event.line_cnt === 0) {
      const lines = u32s(
        program.lineInfo.flatMap(l => [l.insnIdx, l.fileNameOff, l.lineOff, (l.line << 10) | l.column]),
      );
      if (fnv(lines) !== event.line_hash)
        differ(`program ${event.name}: line_info ${program.lineInfo.length} / ${event.line_cnt}`);
      else add('line_info', event.line_cnt);
    }
    if (event.flags !== program.flags) differ(`program ${event.name}: flags ${program.flags} / ${event.flags}`);
  }
}

const STRUCT_OPS = 27;

/** libbpf gives a struct_ops program the position of its member in the kernel's structure. */
function compareMember(differ, program, spec, event) {
  const ops = spec.structOps.find(candidate => candidate.programs.some(({ prog }) => prog === program.name));
  const type = targetBtf.typeById(targetBtf.findByName(ops?.typeName ?? '', 'STRUCT'));
  const index = type.members?.findIndex(member => member.name === program.attachTarget);
  add('struct_ops members');
  if (index !== event.attach_type) differ(`program ${program.name}: member ${index} / ${event.attach_type}`);
}

/** Ids and addresses that libbpf put in place of externs. */
function compareExterns(differ, spec, events) {
  const typeless = spec.externs.filter(extern => extern.kind === 'ksym_typeless').map(extern => extern.name);
  const addressOf = name => BigInt(0xffffffff81000000n) + BigInt(16 * typeless.indexOf(name));
  const values = new Map(externValues(spec, { targetBtf, addressOf }).map(value => [value.extern.name, value]));
  for (const event of events.filter(candidate => candidate.event === 'prog')) {
    const program = spec.programs.find(p => p.name === event.name && p.section === event.section);
    const insns = decodeInsns(Buffer.from(event.insns, 'hex'));
    for (const ref of program?.refs ?? []) {
      if (ref.kind !== 'extern' || insns[ref.insnIdx] === undefined) continue;
      add('extern references');
      const value = values.get(ref.extern);
      const { src, imm } = insns[ref.insnIdx];
      const high = insns[ref.insnIdx + 1]?.imm ?? 0;
      const theirs = src === 2 || src === 3 ? `btf ${imm}` : (BigInt(high >>> 0) << 32n) | BigInt(imm >>> 0);
      const ours = value.status === 'btf' ? `btf ${value.btfId}` : value.address;
      const absent = ref.call && value.status === 'absent' && Math.floor(imm / 1e6) === 2002;
      if (ours !== theirs && !absent)
        differ(`extern ${ref.extern}: ${value.status} ${value.problem} ${ours} / ${theirs}`);
    }
  }
}

function compareSlots(differ, spec, events) {
  const theirs = events
    .filter(event => event.event === 'slot')
    .map(event => `${event.map}[${event.index}]=${event.value}`)
    .sort();
  const ours = spec.maps
    .flatMap(map =>
      map.initialValues.map(v => `${kernelName(map.def.name)}[${v.index}]=${v.prog ?? kernelName(v.map)}`),
    )
    .sort();
  add('slots', ours.length);
  if (String(ours) !== String(theirs)) differ(`initial values: ${ours} / ${theirs}`);
}

function compareKconfig(differ, spec, events) {
  const event = events.find(candidate => candidate.event === 'kconfig');
  const map = spec.maps.find(candidate => candidate.section === '.kconfig');
  if (event === undefined || map === undefined) return;
  add('kconfig maps');
  const ours = Buffer.from(map.data ?? []).toString('hex');
  if (ours !== event.data) differ(`kconfig: ${ours} / ${event.data}`);
}

for (const file of files) {
  const name = basename(file);
  const differ = text => differences.push(`${name}: ${text}`);
  add('objects');
  let spec;
  let error;
  try {
    spec = openObject(readFileSync(file), { name });
  } catch (thrown) {
    error = thrown;
    if (thrown.name !== 'FarcallError') differ(`threw ${thrown.stack}`);
  }
  const runs = ask(file, spec);
  const [first] = runs;
  const end = first?.find(event => event.event === 'end');
  if (end === undefined || !end.opened) {
    add(spec === undefined ? 'refused by both' : 'refused by libbpf only');
    if (options.verbose)
      console.log(`${name}: libbpf: ${end?.messages.trim()} | ours: ${error?.message ?? spec.notes.join('; ')}`);
    continue;
  }
  if (spec === undefined) {
    differ(`opened by libbpf only: ${error.message}`);
    continue;
  }
  compareMaps(differ, spec, first);
  comparePrograms(differ, spec, first);
  const relocated = relocateObject(spec, { targetBtf, kconfig });
  for (const result of relocated.results) add(`relocations ${result.status}`);
  const run = runs[runs.length - 1];
  const last = run.find(event => event.event === 'end');
  const failed = relocated.results.find(result => result.status === 'failed');
  const progEvents = run.filter(event => event.event === 'prog');
  if (progEvents.length === 0) {
    if (!spec.programs.some(program => program.section !== '.text')) continue;
    add('not relocated by libbpf');
    const agrees = failed !== undefined && last.messages.includes('relo #');
    if (agrees) add('failed relocations of both');
    if (options.verbose || (last.messages.includes('relo #') && !agrees)) {
      console.log(`${name}: libbpf: ${last.messages.trim()} | ours: ${failed?.error.message ?? relocated.problems}`);
    }
    continue;
  }
  compareCode(differ, relocated.spec, run);
  if (last.weakened === 0) compareExterns(differ, relocated.spec, run);
  if (last.err === 0) compareSlots(differ, relocated.spec, run);
  if (last.weakened === 0) compareKconfig(differ, relocated.spec, run);
}
rmSync(scratch, { recursive: true });
for (const [name, n] of Object.entries(count)) console.log(`${String(n).padStart(8)} ${name}`);
console.log(`${String(differences.length).padStart(8)} differences`);
for (const difference of differences)
  console.log(difference.length > 600 ? `${difference.slice(0, 600)}…` : difference);
process.exit(differences.length === 0 ? 0 : 1);
