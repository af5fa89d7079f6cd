import type { Btf, BtfComposite, BtfMember } from '../btf/index.ts';
import { type ElfFile, SHT_NOBITS } from '../elf/index.ts';
import { INSN_SIZE_BYTES } from '../isa/index.ts';
import { bpf_map_type } from '../uapi/index.ts';
import type { FunctionTable } from './functions.ts';
import type { MapTable } from './map-table.ts';
import { objectError } from './problem.ts';
import type { ObjectSection } from './sections.ts';
import type { StructOpsSpec } from './types.ts';

export const BPF_F_LINK = 1 << 13;

interface Draft {
  readonly name: string;
  readonly type: BtfComposite;
  readonly section: ObjectSection;
  readonly offBytes: number;
  readonly data: Uint8Array;
  readonly programs: Map<string, string>;
}

/**
 * The struct_ops variables, each of which is a map too, with the programs their function pointers name. Throws
 * `object.struct-ops` for variables that are no named structures or reach outside their section, and for relocations
 * that are not of a function into a function pointer.
 *
 * Source: `tools/lib/bpf/libbpf.c: init_struct_ops_maps, bpf_object__collect_st_ops_relos`.
 */
export function collectStructOps(
  file: ElfFile,
  sections: readonly ObjectSection[],
  btf: Btf | undefined,
  functions: FunctionTable,
  maps: MapTable,
  notes: string[],
): StructOpsSpec[] {
  return sections.flatMap(section => {
    if (section.role !== 'struct_ops' || section.sizeBytes === 0) return [];
    if (btf === undefined) {
      notes.push(`section ${section.name} needs BTF to be understood: ignored`);
      return [];
    }
    const drafts = variables(file, section, btf);
    for (const { name, type } of drafts) maps.add(structOpsMap(maps.freeName(name), section.name, type));
    relocate(file, section, btf, drafts, functions);
    return drafts.map(({ name, type, data, programs }) => ({
      name,
      typeName: type.name,
      typeId: type.id,
      section: section.name,
      data,
      programs: [...programs].map(([member, prog]) => ({ member, prog })),
    }));
  });
}

function variables(file: ElfFile, section: ObjectSection, btf: Btf): Draft[] {
  const where = { ...file.where, section: section.name };
  let budget = section.sizeBytes * MAX_OVERLAP;
  const bytes = section.elf.type === SHT_NOBITS ? undefined : section.elf.data;
  const datasec = btf.typeById(btf.findByName(section.name, 'DATASEC'));
  if (datasec.kind !== 'DATASEC') {
    throw objectError('object.struct-ops', where, `DATASEC ${section.name} not found`, 'a DATASEC', 'none');
  }
  return datasec.vars.map(({ typeId, offBytes }) => {
    const variable = btf.typeById(typeId);
    const place = { ...where, name: variable.name, offBytes };
    if (variable.kind !== 'VAR') throw objectError('object.struct-ops', place, 'not a variable', 'VAR', variable.kind);
    const type = btf.typeById(btf.skipModifiers(variable.typeId));
    if (type.kind !== 'STRUCT' || type.name === '') {
      throw objectError('object.struct-ops', place, 'not of a named struct', 'STRUCT', `${type.kind} '${type.name}'`);
    }
    if (offBytes + type.sizeBytes > section.sizeBytes) {
      const found = `offset ${offBytes}, ${type.sizeBytes} bytes`;
      throw objectError('object.struct-ops', place, `var ${variable.name} is beyond the end of its section`, '', found);
    }
    budget -= type.sizeBytes;
    if (budget < 0) throw objectError('object.struct-ops', place, 'the variables of the section overlap');
    const data = bytes?.slice(offBytes, offBytes + type.sizeBytes) ?? zeroes(type.sizeBytes, place);
    return { name: variable.name, type, section, offBytes, data, programs: new Map() };
  });
}

/** How often variables may share the bytes of their section: against files made to exhaust memory. */
const MAX_OVERLAP = 4;
const MAX_ZEROES = 1 << 20;

function zeroes(size: number, where: object): Uint8Array {
  if (size <= MAX_ZEROES) return new Uint8Array(size);
  throw objectError('object.struct-ops', where, 'the structure is too large', `${MAX_ZEROES} bytes`, `${size}`);
}

/** Members by place. */
function membersByOffset(type: BtfComposite): Map<number, BtfMember> {
  const members = new Map<number, BtfMember>();
  for (const member of type.members) if (!members.has(member.bitOffset)) members.set(member.bitOffset, member);
  return members;
}

/** The last variable that begins at or before `off`. */
function draftAt(sorted: readonly Draft[], off: number): Draft | undefined {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const mid = (low + high) >> 1;
    if (sorted[mid].offBytes <= off) low = mid + 1;
    else high = mid;
  }
  return sorted[low - 1];
}

function structOpsMap(name: string, section: string, type: BtfComposite) {
  return {
    def: {
      name,
      type: bpf_map_type.BPF_MAP_TYPE_STRUCT_OPS,
      keySizeBytes: 4,
      valueSizeBytes: type.sizeBytes,
      maxEntries: 1,
      flags: section.endsWith('.struct_ops.link') ? BPF_F_LINK : 0,
    },
    origin: 'struct_ops',
    section,
    keyTypeId: 0,
    valueTypeId: type.id,
    pinning: 0,
    autocreate: !section.startsWith('?'),
    initialValues: [],
  } as const;
}

function relocate(
  file: ElfFile,
  section: ObjectSection,
  btf: Btf,
  drafts: readonly Draft[],
  functions: FunctionTable,
): void {
  const sorted = [...drafts].sort((a, b) => a.offBytes - b.offBytes);
  const memberMaps = new Map<BtfComposite, Map<number, BtfMember>>();
  for (const table of file.relocsFor(section.index)) {
    for (const reloc of table) {
      const at = reloc.offset;
      const where = { ...file.where, section: section.name, offBytes: at };
      const fail = (message: string) =>
        objectError('object.struct-ops', where, `struct_ops relo #${reloc.index}: ${message}`);
      const draft = draftAt(sorted, at);
      if (draft === undefined || at >= draft.offBytes + draft.type.sizeBytes) throw fail('cannot find map');
      const symbol = file.symbolOf(table, reloc.symbolIndex);
      const off = at - draft.offBytes;
      const members = memberMaps.get(draft.type) ?? membersByOffset(draft.type);
      memberMaps.set(draft.type, members);
      const member = members.get(off * 8);
      if (member === undefined) throw fail(`cannot find member at moff ${off}`);
      if (!isFunctionPointer(btf, member.typeId)) throw fail(`cannot relocate non func ptr ${member.name}`);
      const fn =
        symbol.place === 'section'
          ? functions.find(symbol.sectionIndex, Math.floor((symbol.value + reloc.addend) / INSN_SIZE_BYTES))
          : undefined;
      if (fn === undefined) throw fail(`cannot find prog to relocate func ptr ${member.name}`);
      draft.programs.set(member.name, fn.name);
      draft.data.fill(0, off, off + 8);
    }
  }
}

function isFunctionPointer(btf: Btf, typeId: number): boolean {
  const pointer = btf.typeById(btf.skipModifiers(typeId));
  return pointer.kind === 'PTR' && btf.kindOf(btf.skipModifiers(pointer.typeId)) === 'FUNC_PROTO';
}
