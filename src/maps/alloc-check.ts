import { BPF_FLAGS, ERRNO } from '../uapi/index.ts';
import type { MapDef } from './types.ts';

/** `KMALLOC_MAX_SIZE` with 4 KiB pages. */
export const KMALLOC_MAX_SIZE = 4 << 20;
/** Pages of the simulated kernel, as on x86 and on arm64 by default. */
export const PAGE_BYTES = 4096;
/** `PCPU_MIN_UNIT_SIZE`: the largest value of a per-CPU map. */
export const PCPU_MIN_UNIT_SIZE = 32768;
/** `MAX_BPF_STACK` */
export const MAX_BPF_STACK = 512;
/** `BPF_LOCAL_STORAGE_MAX_VALUE_SIZE`: 64 KiB less one less the element's own 128 bytes. */
export const LOCAL_STORAGE_MAX_VALUE_SIZE = 65535 - 128;
/** The file mode flags alone. */
export const FILE_ACCESS = BPF_FLAGS.BPF_F_RDONLY | BPF_FLAGS.BPF_F_WRONLY;
/** `BPF_F_ACCESS_MASK` */
export const ACCESS_MASK = FILE_ACCESS | BPF_FLAGS.BPF_F_RDONLY_PROG | BPF_FLAGS.BPF_F_WRONLY_PROG;

const PROG_ACCESS = BPF_FLAGS.BPF_F_RDONLY_PROG | BPF_FLAGS.BPF_F_WRONLY_PROG;

/** `bpf_map_flags_access_ok`, and no flag outside `mask`. */
export function flagsAllowed(def: MapDef, mask: number): boolean {
  return (def.flags & ~mask) === 0 && (def.flags & PROG_ACCESS) !== PROG_ACCESS;
}

/** Whether the map asks for a NUMA node (`bpf_map_attr_numa_node` is not NUMA_NO_NODE). */
export function hasNumaNode(def: MapDef): boolean {
  return (def.flags & BPF_FLAGS.BPF_F_NUMA_NODE) !== 0 && (def.numaNode ?? 0) !== -1;
}

export const roundUp8 = (size: number): number => (size + 7) & ~7;

/** The smallest power of two that is at least `n`, 1 <= n <= 2^31. */
export function roundUpPow2(n: number): number {
  return n <= 1 ? 1 : 2 ** (32 - Math.clz32(n - 1));
}

/** What `map_create` checks for every type before the type's own `map_alloc_check`. */
export function checkCommon(def: MapDef, mapExtraAllowed: boolean): number {
  if (!mapExtraAllowed && (def.mapExtra ?? 0n) !== 0n) return -ERRNO.EINVAL;
  if ((def.flags & FILE_ACCESS) === FILE_ACCESS) return -ERRNO.EINVAL;
  // The machine has one NUMA node.
  if (hasNumaNode(def) && def.numaNode !== undefined && def.numaNode !== 0) return -ERRNO.EINVAL;
  return 0;
}

/** `map_flags > BPF_EXIST`, with or without BPF_F_LOCK beside them. */
export function updateFlagsKnown(flags: number, lockAllowed: boolean): boolean {
  const rest = lockAllowed && (flags & BPF_FLAGS.BPF_F_LOCK) !== 0 ? flags - BPF_FLAGS.BPF_F_LOCK : flags;
  return rest >= 0 && rest <= BPF_FLAGS.BPF_EXIST;
}

/** `check_flags` of hash-like maps: 0, -EEXIST or -ENOENT. */
export function checkPresence(exists: boolean, flags: number): number {
  const presence = flags & (BPF_FLAGS.BPF_NOEXIST | BPF_FLAGS.BPF_EXIST);
  if (exists && presence === BPF_FLAGS.BPF_NOEXIST) return -ERRNO.EEXIST;
  if (!exists && presence === BPF_FLAGS.BPF_EXIST) return -ERRNO.ENOENT;
  return 0;
}
