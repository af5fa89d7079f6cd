import { bpf_attach_type, bpf_func_id, bpf_link_type, bpf_map_type, bpf_prog_type } from './generated/bpf.ts';

// Of aliases of one number the last spelling is the current one, except deprecated and sentinel names.
function namesOf(table: Readonly<Record<string, number>>, prefix: string): ReadonlyMap<number, string> {
  const names = new Map<number, string>();
  for (const [name, value] of Object.entries(table)) {
    if (name.startsWith('__') || name.endsWith('_DEPRECATED') || !name.startsWith(prefix)) continue;
    if (!names.has(value)) names.set(value, name);
  }
  return names;
}

const MAP_TYPES = namesOf(bpf_map_type, 'BPF_MAP_TYPE_');
const PROG_TYPES = namesOf(bpf_prog_type, 'BPF_PROG_TYPE_');
const ATTACH_TYPES = namesOf(bpf_attach_type, 'BPF_');
const LINK_TYPES = namesOf(bpf_link_type, 'BPF_LINK_TYPE_');
const HELPERS = namesOf(bpf_func_id, 'BPF_FUNC_');
const HELPER_IDS: ReadonlyMap<string, number> = new Map(
  [...HELPERS].map(([id, name]) => [`bpf_${name.slice('BPF_FUNC_'.length)}`, id]),
);

const short = (names: ReadonlyMap<number, string>, prefix: string, value: number): string =>
  names.get(value)?.slice(prefix.length).toLowerCase() ?? `${prefix.toLowerCase().replace(/_$/, '')} ${value}`;

/** `hash` for 1: the name bpftool and libbpf print (`libbpf_bpf_map_type_str`). */
export function mapTypeName(type: number): string {
  return short(MAP_TYPES, 'BPF_MAP_TYPE_', type);
}
/** `xdp` for 6: the name bpftool and libbpf print (`libbpf_bpf_prog_type_str`). */
export function progTypeName(type: number): string {
  return short(PROG_TYPES, 'BPF_PROG_TYPE_', type);
}
/** `cgroup_inet_ingress` for 0. */
export function attachTypeName(type: number): string {
  return short(ATTACH_TYPES, 'BPF_', type);
}
export function linkTypeName(type: number): string {
  return short(LINK_TYPES, 'BPF_LINK_TYPE_', type);
}
/** `bpf_map_lookup_elem` for 1; undefined for a number Linux has not given away. */
export function helperName(id: number): string | undefined {
  const name = HELPERS.get(id);
  return name === undefined ? undefined : `bpf_${name.slice('BPF_FUNC_'.length)}`;
}
/** 1 for `bpf_map_lookup_elem`, undefined for other names. */
export function helperId(name: string): number | undefined {
  return HELPER_IDS.get(name);
}
