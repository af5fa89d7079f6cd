import type { Btf, BtfMember } from '../../btf/index.ts';
import type { MapDef } from '../../maps/index.ts';
import { ERRNO, bpf_map_type as M } from '../../uapi/index.ts';

/** Resolved: no typedefs or qualifiers. `key` 0 where the map has none. */
type Rule = (btf: Btf, keyId: number, valueId: number, def: MapDef) => boolean;

function isInt(btf: Btf, id: number, bits: number): boolean {
  const type = btf.typeById(id);
  return type.kind === 'INT' && type.bits === bits && type.bitOffset === 0;
}

// Data sections have no key: one value, described as a section.
const arrayRule: Rule = (btf, key, value, def) =>
  key === 0
    ? def.type === M.BPF_MAP_TYPE_ARRAY && def.maxEntries === 1 && btf.kindOf(value) === 'DATASEC'
    : isInt(btf, key, 32);
const u32Rule: Rule = (btf, key) => isInt(btf, key, 32);
const structRule: Rule = (btf, key) => btf.kindOf(key) === 'STRUCT';
const keylessRule: Rule = (_, key) => key === 0;

const CGROUP_STORAGE_KEY_BYTES = 16;

function isRegInt(btf: Btf, member: BtfMember | undefined, offBytes: number, sizeBytes: number): boolean {
  if (
    member === undefined ||
    member.bitOffset !== offBytes * 8 ||
    (member.bitSize !== 0 && member.bitSize !== sizeBytes * 8)
  ) {
    return false;
  }
  const type = btf.typeById(btf.skipModifiers(member.typeId));
  return type.kind === 'INT' && type.sizeBytes === sizeBytes && type.bits === sizeBytes * 8 && type.bitOffset === 0;
}

const cgroupStorageRule: Rule = (btf, key, _, def) => {
  if (def.keySizeBytes !== CGROUP_STORAGE_KEY_BYTES) return isInt(btf, key, 64);
  const type = btf.typeById(key);
  if (type.kind !== 'STRUCT' || type.members.length !== 2) return false;
  return isRegInt(btf, type.members[0], 0, 8) && isRegInt(btf, type.members[1], 8, 4);
};

/** What each type's operations ask of key and value; types without a row ask for a key. Source: `map_check_btf` of each. */
const RULES: ReadonlyMap<number, Rule> = new Map<number, Rule>([
  [M.BPF_MAP_TYPE_ARRAY, arrayRule],
  [M.BPF_MAP_TYPE_PERCPU_ARRAY, arrayRule],
  [M.BPF_MAP_TYPE_LPM_TRIE, structRule],
  [M.BPF_MAP_TYPE_BLOOM_FILTER, keylessRule],
  [M.BPF_MAP_TYPE_CGROUP_STORAGE, cgroupStorageRule],
  [M.BPF_MAP_TYPE_PERCPU_CGROUP_STORAGE, cgroupStorageRule],
  [M.BPF_MAP_TYPE_SK_STORAGE, u32Rule],
  [M.BPF_MAP_TYPE_INODE_STORAGE, u32Rule],
  [M.BPF_MAP_TYPE_TASK_STORAGE, u32Rule],
  [M.BPF_MAP_TYPE_CGRP_STORAGE, u32Rule],
]);

/** `map_check_no_btf`, where BTF is not for the type, as far as libbpf does not leave it out itself. */
const NO_BTF: ReadonlySet<number> = new Set([M.BPF_MAP_TYPE_PROG_ARRAY]);

/** 0, or the negative errno with which a map's operations refuse its BTF. */
export function keyAndValueFit(btf: Btf, keyTypeId: number, valueTypeId: number, def: MapDef): number {
  if (NO_BTF.has(def.type)) return -ERRNO.ENOTSUPP;
  const rule = RULES.get(def.type);
  if (rule === undefined) return keyTypeId === 0 ? -ERRNO.EINVAL : 0;
  const key = keyTypeId === 0 ? 0 : btf.skipModifiers(keyTypeId);
  return rule(btf, key, btf.skipModifiers(valueTypeId), def) ? 0 : -ERRNO.EINVAL;
}
