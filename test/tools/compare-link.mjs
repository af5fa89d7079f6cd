// Compares linkObjects with `bpftool gen object`: both results are opened and must say the same.
//
//   node test/tools/compare-link.mjs --bpftool EXE SET...        SET: objects joined by commas, or a directory of them
//
// A directory stands for each of its objects alone. FARCALL_DIST names the build to test.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: { bpftool: { type: 'string' }, keep: { type: 'string' } },
});
if (options.bpftool === undefined || positionals.length === 0) {
  console.error('usage: compare-link.mjs --bpftool EXE [--keep DIR] SET...');
  process.exit(2);
}
const dist = process.env.FARCALL_DIST ?? new URL('../../dist', import.meta.url).pathname;
const load = room => import(pathToFileURL(resolve(dist, room, 'index.js')).href);
const { openObject, linkObjects } = await load('object');
const { encodeInsns } = await load('isa');
const { formatCoreSpec, parseCoreSpec, coreReloKindOf } = await load('btf');

const sets = positionals.flatMap(argument => {
  if (argument.includes(',')) return [argument.split(',')];
  if (!statSync(argument).isDirectory()) return [[argument]];
  return readdirSync(argument)
    .filter(name => name.endsWith('.o'))
    .sort()
    .map(name => [join(argument, name)]);
});
const scratch = mkdtempSync(join(tmpdir(), 'compare-link-'));
const counts = { sets: 0, 'refused by both': 0, programs: 0, maps: 0, insns: 0, relocations: 0, differences: 0 };

/** Everything in a spec but type ids, which differ by the order in which types were merged. */
function summary(spec) {
  const lines = [`license ${spec.license} version ${spec.kernVersion} notes ${spec.notes}`];
  const nameOf = id => (id === 0 || spec.btf === undefined ? '-' : `${spec.btf.kindOf(id)} ${spec.btf.nameOf(id)}`);
  const sizeOf = id => (id === 0 || spec.btf === undefined ? '-' : String(spec.btf.trySizeOf(id)));
  for (const map of spec.maps) {
    counts.maps++;
    const { inner, ...def } = map.def;
    const show = value => JSON.stringify(value, (_, v) => (typeof v === 'bigint' ? String(v) : v));
    const ids = [map.keyTypeId, map.valueTypeId, map.innerKeyTypeId ?? 0, map.innerValueTypeId ?? 0];
    const data = map.data === undefined ? '-' : Buffer.from(map.data).toString('hex');
    lines.push(
      `map ${show(def)} ${show(inner)} ${map.origin} ${map.section} ${map.pinning} ${map.autocreate} ${data} ${show(map.initialValues)} ${ids.map(nameOf)} ${ids.map(sizeOf)}`,
    );
    if (map.origin === 'data' && map.valueTypeId !== 0) {
      const datasec = spec.btf.typeById(map.valueTypeId);
      for (const v of datasec.vars ?? []) lines.push(`  var ${nameOf(v.typeId)} ${v.offBytes} ${v.sizeBytes}`);
    }
  }
  for (const extern of spec.externs) {
    lines.push(
      `extern ${extern.name} ${extern.kind} ${extern.weak} ${nameOf(extern.typeId)} ${extern.offBytes} ${extern.sizeBytes}`,
    );
  }
  for (const ops of spec.structOps) {
    lines.push(
      `ops ${ops.name} ${ops.typeName} ${Buffer.from(ops.data).toString('hex')} ${JSON.stringify(ops.programs)}`,
    );
  }
  for (const program of spec.programs) {
    counts.programs++;
    counts.insns += program.insns.length;
    counts.relocations += program.coreRelos.length;
    const local = new Set(
      program.coreRelos.filter(relo => coreReloKindOf(relo.kind).kind === 'TYPE_ID_LOCAL').map(relo => relo.insnIdx),
    );
    // The type id in the instruction is put right when the program is relocated.
    const insns = program.insns.map((insn, i) => (local.has(i) ? { ...insn, imm: 0 } : insn));
    lines.push(`program ${program.name} ${program.section} ${program.type} ${program.problem?.message}`);
    lines.push(`  ${Buffer.from(encodeInsns(insns)).toString('hex')}`);
    lines.push(`  ${JSON.stringify(program.refs)} ${JSON.stringify(program.subprogs)}`);
    for (const f of program.funcInfo) {
      const type = spec.btf.typeById(f.typeId);
      const proto = spec.btf.typeById(type.typeId ?? 0);
      lines.push(`  func ${f.insnIdx} ${type.kind} ${type.name} ${type.linkage} ${proto.params?.map(p => p.name)}`);
    }
    for (const l of program.lineInfo) {
      lines.push(
        `  line ${l.insnIdx} ${spec.btf.stringAt(l.fileNameOff)}:${l.line}:${l.column} ${spec.btf.stringAt(l.lineOff)}`,
      );
    }
    for (const relo of program.coreRelos) {
      const parsed = parseCoreSpec(
        spec.btf,
        relo.typeId,
        spec.btf.stringAt(relo.accessStrOff),
        coreReloKindOf(relo.kind),
      );
      lines.push(`  core ${relo.insnIdx} ${relo.index} ${formatCoreSpec(parsed).replace(/\[\d+\] /, '')}`);
    }
  }
  return lines;
}

for (const files of sets) {
  counts.sets++;
  const label = files.map(file => basename(file)).join(' + ');
  const out = join(scratch, 'theirs.o');
  const run = spawnSync(options.bpftool, ['gen', 'object', out, ...files], { encoding: 'utf8' });
  // libbpf 1.5 leaves the offset of a variable that an earlier input declared extern at 0; linking once more puts it right.
  if (run.status === 0 && files.length > 1) {
    const once = join(scratch, 'once.o');
    writeFileSync(once, readFileSync(out));
    spawnSync(options.bpftool, ['gen', 'object', out, once], { encoding: 'utf8' });
  }
  let ours;
  let error;
  try {
    ours = linkObjects(files.map(file => ({ bytes: readFileSync(file), name: basename(file) })));
  } catch (thrown) {
    error = thrown;
  }
  if (run.status !== 0 || error !== undefined) {
    if (run.status !== 0 && error?.name === 'FarcallError') {
      counts['refused by both']++;
      console.log(`${label}: both refuse: ${run.stderr.trim().split('\n')[0]} | ${error.message}`);
    } else {
      counts.differences++;
      console.log(
        `${label}: bpftool ${run.status} ${run.stderr.trim().split('\n')[0]} | ours ${error?.stack ?? 'links'}`,
      );
    }
    continue;
  }
  if (options.keep !== undefined) writeFileSync(join(options.keep, `${basename(files[0], '.o')}.o`), ours);
  const open = bytes => {
    try {
      return summary(openObject(bytes, { name: 'linked.o' }));
    } catch (thrown) {
      return [thrown.name === 'FarcallError' ? thrown.message : thrown.stack];
    }
  };
  const [a, b] = [open(ours), open(readFileSync(out))];
  const at = a.findIndex((line, i) => line !== b[i]);
  if (at >= 0 || a.length !== b.length) {
    counts.differences++;
    const context = a.slice(0, Math.max(at, 0)).findLast(line => line.startsWith('program')) ?? '';
    console.log(`${label}: ${context}\n   ours   ${a[at]?.slice(0, 700)}\n   theirs ${b[at]?.slice(0, 700)}`);
  }
}
rmSync(scratch, { recursive: true });
for (const [name, n] of Object.entries(counts)) console.log(`${String(n).padStart(8)} ${name}`);
process.exit(counts.differences === 0 ? 0 : 1);
