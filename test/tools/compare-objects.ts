/**
 * Compares runs of objects' programs with a real kernel's: return value and packet of a test run on 64 bytes 00 01 02 ….
 *   npx tsx test/tools/compare-objects.ts ANSWERS.jsonl OBJECT_DIR VMLINUX_BTF
 * ANSWERS is what a kernel lab said of the objects in OBJECT_DIR, a line a program: file, prog, errno, run_errno or retval
 * and data_out. VMLINUX_BTF is raw BTF of that kernel.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { openBtf } from '../../src/btf/index.ts';
import { createMachine } from '../../src/machine/index.ts';
import { type ObjectSpec, openObject, relocateObject } from '../../src/object/index.ts';
import { bpf_prog_type, bpf_map_type as M } from '../../src/uapi/index.ts';
import { FarcallError, toHex } from '../../src/util/index.ts';

const [answers, dir, btfFile] = process.argv.slice(2);
if (btfFile === undefined) {
  process.stderr.write('usage: compare-objects ANSWERS.jsonl OBJECT_DIR VMLINUX_BTF\n');
  process.exit(2);
}
const targetBtf = openBtf(new Uint8Array(readFileSync(btfFile)));
const packet = Uint8Array.from({ length: 64 }, (_, i) => i);
const kconfig = { config: 'CONFIG_BPF=y\nCONFIG_HZ=250\n', kernelVersion: 0x60c00 };

// The lab gives maps whose size the object leaves to its loader these; storage maps have none.
const WITHOUT_SIZE: readonly number[] = [
  M.BPF_MAP_TYPE_SK_STORAGE,
  M.BPF_MAP_TYPE_INODE_STORAGE,
  M.BPF_MAP_TYPE_TASK_STORAGE,
  M.BPF_MAP_TYPE_CGRP_STORAGE,
  M.BPF_MAP_TYPE_STRUCT_OPS,
];
const RINGS: readonly number[] = [M.BPF_MAP_TYPE_RINGBUF, M.BPF_MAP_TYPE_USER_RINGBUF];

/** The object as the lab loads it: sizes filled in, a type for the program that has none. */
function asLoaded(spec: ObjectSpec, prog: string): ObjectSpec {
  const maps = spec.maps.map(map => {
    const { type, maxEntries } = map.def;
    if (maxEntries !== 0 || WITHOUT_SIZE.includes(type)) return map;
    return { ...map, def: { ...map.def, maxEntries: RINGS.includes(type) ? 4096 : 64 } };
  });
  const programs = spec.programs.map(program =>
    program.name === prog && program.type === 0
      ? { ...program, type: bpf_prog_type.BPF_PROG_TYPE_SOCKET_FILTER }
      : program,
  );
  return { ...spec, maps, programs };
}

function run(spec: ObjectSpec, prog: string): string {
  const machine = createMachine();
  try {
    const program = machine.loadObject(asLoaded(spec, prog), { only: [prog] }).programs.get(prog)!;
    const dataIn = program.type === bpf_prog_type.BPF_PROG_TYPE_SYSCALL ? undefined : packet;
    const result = machine.run(program, { dataIn });
    if (result.fault !== undefined) return `fault ${result.fault.message}`;
    return `${result.retval} ${toHex(result.dataOut ?? new Uint8Array(0))}`;
  } catch (error) {
    if (error instanceof FarcallError) return `error ${error.message}`;
    throw error;
  }
}

const specs = new Map<string, ObjectSpec>();
const different: string[] = [];
let same = 0;
for (const line of readFileSync(answers, 'utf8').split('\n')) {
  if (!line.includes('"prog"')) continue;
  const answer = JSON.parse(line);
  if (answer.errno !== 0 || (answer.retval === undefined && answer.run_errno === undefined)) continue;
  let spec = specs.get(answer.file);
  if (spec === undefined) {
    const opened = openObject(new Uint8Array(readFileSync(join(dir, answer.file))), { name: answer.file });
    spec = relocateObject(opened, { targetBtf, kconfig }).spec;
    specs.set(answer.file, spec);
  }
  const ours = run(spec, answer.prog);
  const theirs =
    answer.run_errno === undefined ? `${answer.retval} ${answer.data_out ?? ''}` : `errno ${answer.run_errno}`;
  if (ours === theirs) same++;
  else different.push(`${answer.file} ${answer.prog}\n  kernel  ${theirs}\n  farcall ${ours}`);
}
for (const text of different) process.stdout.write(`${text}\n`);
process.stdout.write(`${same} same, ${different.length} different\n`);
process.exit(different.length === 0 ? 0 : 1);
