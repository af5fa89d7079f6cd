import type { Btf } from '../btf/index.ts';
import { BPF_PSEUDO_KFUNC_CALL, type Insn, LD_IMM64, makeInsn } from '../isa/index.ts';
import { type BpfMap, isArenaMap, isPerfEventArrayMap, type MapDef } from '../maps/index.ts';
import type { LinearMemory } from '../mem/index.ts';
import type { ExternSpec, InsnRef, ObjectMap, ObjectSpec, ProgramSpec } from '../object/index.ts';
import { bpf_map_type, errnoName } from '../uapi/index.ts';
import { FarcallError, withWhere } from '../util/index.ts';
import { definitionWithFields } from './map-fields.ts';
import type { LoadedObject, LoadObjectOptions, MachineProgram } from './types.ts';

/** What loading needs of the machine. */
export interface ObjectHost {
  readonly mem: LinearMemory;
  readonly cpuCount: number;
  createMap(def: MapDef): BpfMap;
  addProgram(name: string, type: number, insns: readonly Insn[], spec: ProgramSpec): MachineProgram;
  /** Number by which instructions call a kernel function. */
  kfuncNumber(name: string): number;
}

/** Bytes given to a kernel variable whose address nobody named. */
const KSYM_BYTES = 4096;

/**
 * Makes an object's maps, fills them, and loads its programs with addresses in place of names, as `bpf_object__load`
 * does. Throws `map.create`, `run.byte-order`, `run.no-program`, `run.extern`.
 */
export function loadObject(host: ObjectHost, spec: ObjectSpec, options: LoadObjectOptions = {}): LoadedObject {
  if (spec.order !== host.mem.order) {
    throw new FarcallError({
      code: 'run.byte-order',
      message: `${spec.name === '' ? 'the object' : spec.name} is for machines of the other byte order`,
      expected: `${host.mem.order}-endian`,
      found: `${spec.order}-endian`,
    });
  }
  const wanted = selectPrograms(spec, options.only);
  const notes: string[] = [];
  const maps = createMaps(host, spec, notes);
  const ksyms = new Map<string, number>(options.ksyms);
  const resolver: Resolver = { host, spec, maps, ksyms, notes };
  const programs = new Map<string, MachineProgram>();
  for (const program of wanted) {
    const insns = resolveRefs(program, resolver);
    programs.set(program.name, host.addProgram(program.name, program.type, insns, program));
  }
  for (const map of spec.maps) {
    for (const { index, prog } of map.initialValues) {
      const loaded = prog === undefined ? undefined : programs.get(prog);
      if (loaded !== undefined) putId(host.mem, map, maps, index, loaded.id);
      else if (prog !== undefined)
        notes.push(`slot ${index} of ${map.def.name} stays empty: program ${prog} is not loaded`);
    }
  }
  return { spec, maps, programs, notes };
}

function selectPrograms(spec: ObjectSpec, only: readonly string[] | undefined): ProgramSpec[] {
  if (only === undefined) return spec.programs.filter(program => program.autoload && program.problem === undefined);
  return only.map(name => {
    const program = spec.programs.find(candidate => candidate.name === name);
    if (program === undefined) {
      throw new FarcallError({
        code: 'run.no-program',
        message: `no program is called ${name}`,
        expected: spec.programs.map(candidate => candidate.name).join(', ') || 'an object with programs',
        found: name,
      });
    }
    if (program.problem !== undefined) throw program.problem;
    return program;
  });
}

/** The definition a kernel is given: sizes that depend on the machine filled in, as libbpf does. */
function definitionFor(host: ObjectHost, map: ObjectMap, btf: Btf | undefined): MapDef {
  const def = definitionWithFields(map, btf);
  const perCpu = def.type === bpf_map_type.BPF_MAP_TYPE_PERF_EVENT_ARRAY && def.maxEntries === 0;
  return perCpu ? { ...def, maxEntries: host.cpuCount } : def;
}

function createMaps(host: ObjectHost, spec: ObjectSpec, notes: string[]): Map<string, BpfMap> {
  const maps = new Map<string, BpfMap>();
  for (const map of spec.maps) {
    if (!map.autocreate) continue;
    const make = (): BpfMap =>
      withWhere({ name: `map ${map.def.name}` }, () => host.createMap(definitionFor(host, map, spec.btf)));
    let made: BpfMap;
    if (map.origin === 'struct_ops') {
      // What a struct_ops map does is the kernel's own affair; its programs run without it.
      try {
        made = make();
      } catch (error) {
        if (!(error instanceof FarcallError)) throw error;
        notes.push(`struct_ops map ${map.def.name} is left out: ${error.problem}`);
        continue;
      }
    } else made = make();
    maps.set(map.def.name, made);
    // Somebody who loads an object listens to it, as with perf_buffer__new.
    if (isPerfEventArrayMap(made)) made.openAll();
    if (map.data !== undefined) {
      const at = made.directValueAddr(0);
      if (isArenaMap(made)) made.write(0, map.data);
      else if (at !== 0) host.mem.write(at, map.data);
      if (/^\.rodata|^\.kconfig/.test(map.section)) made.freeze();
    }
  }
  for (const map of spec.maps) {
    for (const { index, map: inner } of map.initialValues) {
      const target = inner === undefined ? undefined : maps.get(inner);
      if (target !== undefined) putId(host.mem, map, maps, index, target.id);
    }
  }
  return maps;
}

/** Writes an id into a slot of a map of maps or prog array, whose keys and values are u32 from user space. */
function putId(mem: LinearMemory, map: ObjectMap, maps: ReadonlyMap<string, BpfMap>, index: number, id: number): void {
  const target = maps.get(map.def.name);
  if (target === undefined) return;
  const bytes = (value: number): Uint8Array => {
    const out = new Uint8Array(4);
    new DataView(out.buffer).setUint32(0, value, mem.littleEndian);
    return out;
  };
  const errno = target.userUpdate(bytes(index), bytes(id));
  if (errno < 0) {
    throw new FarcallError({
      code: 'map.initial-value',
      message: `slot ${index} of map ${map.def.name} cannot be filled: ${errnoName(errno)}`,
      where: { name: `map ${map.def.name}` },
    });
  }
}

interface Resolver {
  readonly host: ObjectHost;
  readonly spec: ObjectSpec;
  readonly maps: ReadonlyMap<string, BpfMap>;
  readonly ksyms: Map<string, number>;
  readonly notes: string[];
}

/** Instructions with addresses: each `ld_imm64` of a map, variable or symbol becomes a plain one. */
function resolveRefs(program: ProgramSpec, resolver: Resolver): Insn[] {
  const insns = [...program.insns];
  for (const ref of program.refs) {
    const insn = insns[ref.insnIdx];
    // A CO-RE relocation may have poisoned the instruction; then there is nothing to resolve.
    if (ref.kind === 'extern' && ref.call) {
      if (insn.src === BPF_PSEUDO_KFUNC_CALL) {
        insns[ref.insnIdx] = { ...insn, imm: resolver.host.kfuncNumber(ref.extern), off: 0 };
      }
      continue;
    }
    if (insn.code !== LD_IMM64) continue;
    const addr = addressOf(ref, resolver);
    if (addr === undefined) continue;
    insns[ref.insnIdx] = makeInsn(LD_IMM64, insn.dst, 0, 0, addr);
    insns[ref.insnIdx + 1] = makeInsn(0, 0, 0, 0, 0);
  }
  return insns;
}

function addressOf(ref: InsnRef, resolver: Resolver): number | undefined {
  switch (ref.kind) {
    case 'map':
      return resolver.maps.get(ref.map)?.addr;
    case 'map_value':
      return resolver.maps.get(ref.map)?.directValueAddr(ref.offBytes);
    default: {
      const extern = resolver.spec.externs.find(candidate => candidate.name === ref.extern);
      return extern === undefined ? undefined : ksymAddr(extern, resolver);
    }
  }
}

/** A kernel symbol's address: given, or 0 for a weak one, or zeroed read-only memory that stands for the variable. */
function ksymAddr(extern: ExternSpec, { host, ksyms, notes }: Resolver): number {
  const known = ksyms.get(extern.name);
  if (known !== undefined) return known;
  if (extern.weak) return 0;
  const start = host.mem.alloc(KSYM_BYTES);
  host.mem.addRegion({
    kind: 'mem',
    name: `kernel variable ${extern.name}`,
    start,
    sizeBytes: KSYM_BYTES,
    writable: false,
  });
  ksyms.set(extern.name, start);
  notes.push(`kernel symbol ${extern.name} is ${KSYM_BYTES} bytes of zeros: give its address to have another`);
  return start;
}
