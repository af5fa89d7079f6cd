import { BPF_FLAGS, bpf_map_type, ERRNO } from '../../uapi/index.ts';
import { btfFieldTypeName } from '../btf/field-name.ts';
import { isConst } from '../domain/index.ts';
import type { VerifierEnv } from '../env.ts';
import type { VerifierMap } from '../input.ts';
import { BPF_KPTR, type BtfField } from '../state/record.ts';
import type { RegState } from '../state/reg.ts';
import { checkMemRegionAccess } from './mem-region.ts';
import { ACCESS_DIRECT, type AccessSrc, type AccessType, BPF_READ, BPF_WRITE } from './pointer-kinds.ts';

export { checkMapKptrAccess, mapKptrMatchType } from './map-kptr.ts';
export { checkMemAccessRegion, checkMemRegionAccess, checkPtrOffReg, checkPtrOffRegRaw } from './mem-region.ts';

/** The map a register's pointer is of or into. */
export const mapOf = (env: VerifierEnv, reg: RegState): VerifierMap =>
  reg.info.map ?? env.bug('pointer to a map without its map');

/** Refuses what the map's flags keep programs from. Source: `kernel/bpf/verifier.c: check_map_access_type`. */
export function checkMapAccessType(env: VerifierEnv, regno: number, off: number, size: number, type: AccessType): void {
  const { flags, valueSize } = mapOf(env, env.regs[regno]);
  if ((flags & BPF_FLAGS.BPF_F_RDONLY_PROG) !== 0) {
    if (type === BPF_WRITE) env.refuse('mapWriteForbidden', valueSize | 0, off, size);
  } else if ((flags & BPF_FLAGS.BPF_F_WRONLY_PROG) !== 0) {
    if (type === BPF_READ) env.refuse('mapReadForbidden', valueSize | 0, off, size);
  }
}

/** An access that may touch a kptr has to be of the whole of it. */
function checkKptrField(
  env: VerifierEnv,
  reg: RegState,
  field: BtfField,
  off: number,
  size: number,
  src: AccessSrc,
): void {
  if (src !== ACCESS_DIRECT) env.refuse('kptrIndirect');
  const s = reg.scalar;
  if (!isConst(s)) env.refuse('kptrVarOff');
  const at = s.valueHi * 0x100000000 + (s.valueLo >>> 0) + off;
  if (field.offBytes !== at) {
    env.refuse('kptrMisaligned', field.offBytes, at);
  }
  if (size !== 8) env.refuse('kptrSize');
}

/**
 * Refuses an access outside of a map's value or to fields that only helpers may touch. `off` includes the pointer's
 * fixed offset.
 *
 * Source: `kernel/bpf/verifier.c: check_map_access`.
 */
export function checkMapAccess(
  env: VerifierEnv,
  regno: number,
  off: number,
  size: number,
  zeroSizeAllowed: boolean,
  src: AccessSrc,
): void {
  const reg = env.regs[regno];
  const map = mapOf(env, reg);
  checkMemRegionAccess(env, regno, off, size, map.valueSize, zeroSizeAllowed);
  const { record } = map;
  if (record === undefined) return;
  // Both bounds are small by now.
  const first = reg.scalar.sminLo + off;
  const end = (reg.scalar.umaxLo >>> 0) + off + size;
  for (const field of record.fields) {
    if (first >= field.offBytes + field.sizeBytes || field.offBytes >= end) continue;
    if ((field.type & BPF_KPTR) !== 0) checkKptrField(env, reg, field, off, size, src);
    else env.refuse('specialFieldAccess', btfFieldTypeName(field.type));
  }
}

/** Nobody, program or user, changes it any more. Source: `kernel/bpf/verifier.c: bpf_map_is_rdonly`. */
export const bpfMapIsRdonly = (map: VerifierMap): boolean =>
  (map.flags & BPF_FLAGS.BPF_F_RDONLY_PROG) !== 0 && map.frozen;

/**
 * Maps whose values have an address a program may hold (`map_direct_value_addr`), arenas aside. Arrays of more than one
 * element answer `-ENOTSUPP` when asked.
 */
export const hasDirectValueAddr = (map: VerifierMap): boolean =>
  map.type === bpf_map_type.BPF_MAP_TYPE_ARRAY || map.type === bpf_map_type.BPF_MAP_TYPE_ARENA;

/** What `bpfMapDirectRead` read, as halves. */
export const directValue = { hi: 0, lo: 0 };

/**
 * Reads from a map that nobody changes any more into `directValue`. 0, or a negative errno.
 *
 * Source: `kernel/bpf/verifier.c: bpf_map_direct_read`.
 */
export function bpfMapDirectRead(
  env: VerifierEnv,
  map: VerifierMap,
  off: number,
  size: number,
  isLdsx: boolean,
): number {
  if (map.maxEntries !== 1) return -ERRNO.ENOTSUPP;
  if (off >= map.valueSize) return -ERRNO.EINVAL;
  const bytes = map.data as Uint8Array;
  const little = env.kernel.image.order === 'little';
  let hi = 0;
  let lo = 0;
  for (let i = size - 1; i >= 0; i--) {
    const byte = bytes[off + (little ? i : size - 1 - i)] ?? 0;
    hi = (hi << 8) | (lo >>> 24);
    lo = (lo << 8) | byte;
  }
  if (isLdsx) {
    const shift = 32 - 8 * size;
    lo = (lo << shift) >> shift;
    hi = lo >> 31;
  }
  directValue.hi = hi;
  directValue.lo = lo;
  return 0;
}
