import type { MapDef } from '../../maps/index.ts';
import type { ProgramSpec } from '../../object/index.ts';
import { BPF_F_SLEEPABLE, BPF_F_XDP_HAS_FRAGS } from '../../progtypes/index.ts';
import { attachTypeName, BPF_FLAGS, bpf_prog_type, progTypeName } from '../../uapi/index.ts';

const MAP_FLAGS = [
  'NO_PREALLOC',
  'NO_COMMON_LRU',
  'NUMA_NODE',
  'RDONLY',
  'WRONLY',
  'STACK_BUILD_ID',
  'ZERO_SEED',
  'RDONLY_PROG',
  'WRONLY_PROG',
  'CLONE',
  'MMAPABLE',
  'PRESERVE_ELEMS',
  'INNER_MAP',
  'LINK',
  'PATH_FD',
  'VTYPE_BTF_OBJ_FD',
  'TOKEN_FD',
  'SEGV_ON_FAULT',
  'NO_USER_CONV',
  'RB_OVERWRITE',
] as const;

const PROG_FLAGS = [
  { bit: BPF_F_SLEEPABLE, name: 'sleepable' },
  { bit: BPF_F_XDP_HAS_FRAGS, name: 'xdp_has_frags' },
];

function flagNames(flags: number, rows: readonly { bit: number; name: string }[]): string[] {
  const names = rows.filter(({ bit }) => (flags & bit) !== 0).map(({ name }) => name);
  const rest = (flags & ~rows.reduce((all, { bit }) => all | bit, 0)) >>> 0;
  return rest === 0 ? names : [...names, `0x${rest.toString(16)}`];
}

const MAP_FLAG_ROWS = MAP_FLAGS.map(name => ({ bit: BPF_FLAGS[`BPF_F_${name}`], name: name.toLowerCase() }));

/** `['no_prealloc']`: the `BPF_F_*` flags a map is made with. */
export function mapFlagNames(def: MapDef): string[] {
  return flagNames(def.flags, MAP_FLAG_ROWS);
}

export function progFlagNames(prog: ProgramSpec): string[] {
  return flagNames(prog.flags, PROG_FLAGS);
}

/** `xdp`; `unspec` where the section name says nothing. */
export function typeNameOf(prog: ProgramSpec): string {
  return progTypeName(prog.type);
}

/** `xdp_devmap`, '' where none is implied. 0 is both "none" and `cgroup_inet_ingress`. */
export function attachNameOf(prog: ProgramSpec): string {
  if (prog.attachType !== 0) return attachTypeName(prog.attachType);
  const ingress = prog.type === bpf_prog_type.BPF_PROG_TYPE_CGROUP_SKB && prog.section.endsWith('ingress');
  return ingress ? attachTypeName(0) : '';
}
