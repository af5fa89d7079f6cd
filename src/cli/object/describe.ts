import type { BtfExtTable } from '../../btf/index.ts';
import type { MapDef } from '../../maps/index.ts';
import type { ExternSpec, ObjectMap, ObjectSpec, ProgramSpec } from '../../object/index.ts';
import { mapTypeName } from '../../uapi/index.ts';
import { attachNameOf, mapFlagNames, progFlagNames, typeNameOf } from './names.ts';

const countRecords = (table: BtfExtTable): number => table.groups.reduce((sum, group) => sum + group.count, 0);

function describeMapDef(def: MapDef): Record<string, unknown> {
  return {
    name: def.name,
    type: mapTypeName(def.type),
    key_size: def.keySizeBytes,
    value_size: def.valueSizeBytes,
    max_entries: def.maxEntries,
    flags: def.flags,
    flag_names: mapFlagNames(def),
    map_extra: def.mapExtra,
    numa_node: def.numaNode,
    inner: def.inner === undefined ? undefined : describeMapDef(def.inner),
  };
}

function describeMap(map: ObjectMap): Record<string, unknown> {
  return {
    ...describeMapDef(map.def),
    origin: map.origin,
    section: map.section,
    data_bytes: map.data?.length,
    key_type_id: map.keyTypeId,
    value_type_id: map.valueTypeId,
    pinned_by_name: map.pinning === 1 ? true : undefined,
    autocreate: map.autocreate ? undefined : false,
    initial_values: map.initialValues.length === 0 ? undefined : map.initialValues,
  };
}

const namesOf = (prog: ProgramSpec, wanted: 'map' | 'extern'): string[] => {
  const names = prog.refs.flatMap(ref =>
    ref.kind === 'extern' ? (wanted === 'extern' ? [ref.extern] : []) : wanted === 'map' ? [ref.map] : [],
  );
  return [...new Set(names)];
};

function describeProgram(prog: ProgramSpec): Record<string, unknown> {
  return {
    name: prog.name,
    section: prog.section,
    type: typeNameOf(prog),
    attach_type: attachNameOf(prog) || undefined,
    attach_target: prog.attachTarget || undefined,
    flags: prog.flags,
    flag_names: progFlagNames(prog),
    autoload: prog.autoload,
    insns: prog.insns.length,
    subprogs: prog.subprogs.map(({ name, section, insnIdx, insnCount, global }) => ({
      name,
      section,
      insn_idx: insnIdx,
      insns: insnCount,
      global,
    })),
    maps: namesOf(prog, 'map'),
    externs: namesOf(prog, 'extern'),
    core_relos: prog.coreRelos.length,
    line_infos: prog.lineInfo.length,
    exception_callback: prog.exceptionCallback,
    problem: prog.problem?.message,
  };
}

function describeExtern(extern: ExternSpec): Record<string, unknown> {
  const { name, section, kind, weak, typeId, sizeBytes } = extern;
  return { name, section, kind, weak, type_id: typeId, size: kind === 'kconfig' ? sizeBytes : undefined };
}

/** Everything an object says, as JSON data. */
export function describeObject(spec: ObjectSpec): Record<string, unknown> {
  const { btf, btfExt } = spec;
  return {
    name: spec.name,
    order: spec.order,
    license: spec.license,
    kern_version: spec.kernVersion || undefined,
    btf: btf === undefined ? null : { bytes: btf.bytes.length, types: btf.typeCount - 1 },
    btf_ext:
      btfExt === undefined
        ? null
        : {
            func_infos: countRecords(btfExt.funcInfo),
            line_infos: countRecords(btfExt.lineInfo),
            core_relos: countRecords(btfExt.coreRelo),
          },
    programs: spec.programs.map(describeProgram),
    maps: spec.maps.map(describeMap),
    externs: spec.externs.map(describeExtern),
    struct_ops: spec.structOps.map(({ name, typeName, section, data, programs }) => ({
      name,
      type: typeName,
      section,
      bytes: data.length,
      programs: Object.fromEntries(programs.map(({ member, prog }) => [member, prog])),
    })),
    notes: spec.notes,
  };
}
