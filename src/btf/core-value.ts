import type { Btf } from './btf.ts';
import { type CoreReloKind, coreError } from './core-kind.ts';
import { type CoreSpec, describeType } from './core-spec.ts';
import { ANY_ENUM_MASK, isIn, K } from './kind.ts';
import { BTF_INT_SIGNED } from './type.ts';

/** What a relocation of one kind comes to in one BTF. */
export interface CoreValue {
  /** u64. */
  readonly value: bigint;
  /** Whether the instruction must hold the local value; bitfields leave the compiler a choice. */
  readonly validate: boolean;
  /** Size in bytes of the accessed field, for loads and stores through FIELD_BYTE_OFFSET; else 0. */
  readonly sizeBytes: number;
  /** Type of that field without qualifiers; else 0. */
  readonly typeId: number;
}

/** There is no such thing in the target and the relocation has no answer for that: the instruction is poisoned. */
export const POISON = 'poison';

function plain(value: number | bigint, validate = true): CoreValue {
  return { value: BigInt.asUintN(64, BigInt(value)), validate, sizeBytes: 0, typeId: 0 };
}

function sizeOf(btf: Btf, id: number): number {
  const size = btf.trySizeOf(id);
  if (typeof size === 'number') return size;
  throw coreError('core.access', 'relocated field has no size', 'a type with a size', describeType(btf, id));
}

/** A field's place and extent, a bitfield's as the smallest aligned load that covers it. */
interface FieldExtent {
  readonly typeId: number;
  readonly byteOff: number;
  readonly byteSize: number;
  readonly bitOff: number;
  readonly bitSize: number;
  readonly isBitfield: boolean;
}

function extentOf(spec: CoreSpec): FieldExtent {
  const { btf, bitOffset } = spec;
  const last = spec.accessors[spec.accessors.length - 1];
  const typeId = btf.skipModifiers(btf.types.item(last.typeId, last.idx, 1));
  const bitSize = btf.types.memberBitSize(last.typeId, last.idx);
  if (bitSize === 0) {
    const byteSize = sizeOf(btf, typeId);
    const byteOff = Math.floor(bitOffset / 8);
    return { typeId, byteOff, byteSize, bitOff: bitOffset, bitSize: 8 * byteSize, isBitfield: false };
  }
  let byteSize = sizeOf(btf, typeId);
  for (; byteSize > 0 && byteSize <= 8; byteSize *= 2) {
    const byteOff = Math.floor(bitOffset / 8 / byteSize) * byteSize;
    if (bitOffset + bitSize - 8 * byteOff <= 8 * byteSize) {
      return { typeId, byteOff, byteSize, bitOff: bitOffset, bitSize, isBitfield: true };
    }
  }
  throw coreError(
    'core.bitfield',
    'bitfield cannot be read with one load',
    'at most 8 aligned bytes',
    `${bitSize} bits`,
  );
}

function isSigned({ btf }: CoreSpec, typeId: number): boolean {
  const kind = btf.types.kind(typeId);
  if (isIn(ANY_ENUM_MASK, kind)) return btf.types.kindFlag(typeId);
  return kind === K.INT && ((btf.types.extra(typeId, 0) >>> 24) & BTF_INT_SIGNED) !== 0;
}

type FieldReader = (field: FieldExtent, spec: CoreSpec) => CoreValue;

const FIELD_READERS: Partial<Readonly<Record<CoreReloKind, FieldReader>>> = {
  FIELD_BYTE_OFFSET: field =>
    field.isBitfield
      ? plain(field.byteOff, false)
      : { ...plain(field.byteOff), sizeBytes: field.byteSize, typeId: field.typeId },
  FIELD_BYTE_SIZE: field => plain(field.byteSize, !field.isBitfield),
  FIELD_SIGNED: (field, spec) => plain(isSigned(spec, field.typeId) ? 1 : 0),
  FIELD_LSHIFT_U64: (field, spec) => {
    const inside = field.bitOff - 8 * field.byteOff;
    const shift = spec.btf.order === 'little' ? 64 - (inside + field.bitSize) : 64 - 8 * field.byteSize + inside;
    return plain(shift >>> 0, !field.isBitfield);
  },
  FIELD_RSHIFT_U64: field => plain((64 - field.bitSize) >>> 0),
};

/** An element of an array, or the root type itself: its place and its size are all that can be asked for. */
function elementValue(kind: CoreReloKind, spec: CoreSpec): CoreValue {
  const { typeId } = spec.accessors[spec.accessors.length - 1];
  const sizeBytes = sizeOf(spec.btf, typeId);
  if (kind === 'FIELD_BYTE_OFFSET') return { ...plain(Math.floor(spec.bitOffset / 8)), sizeBytes, typeId };
  if (kind === 'FIELD_BYTE_SIZE') return plain(sizeBytes);
  throw coreError('core.access', `relocation ${spec.kind.label} cannot be applied to array access`);
}

function fieldValue(kind: CoreReloKind, spec: CoreSpec | undefined): CoreValue | typeof POISON {
  if (kind === 'FIELD_EXISTS') return plain(spec === undefined ? 0 : 1);
  if (spec === undefined) return POISON;
  if (spec.accessors[spec.accessors.length - 1].name === undefined) return elementValue(kind, spec);
  const read = FIELD_READERS[kind];
  if (read === undefined) throw coreError('core.kind', `no field has ${kind}`);
  return read(extentOf(spec), spec);
}

function typeValue(kind: CoreReloKind, spec: CoreSpec | undefined): CoreValue {
  if (spec === undefined) return plain(0);
  if (kind === 'TYPE_SIZE') return plain(sizeOf(spec.btf, spec.rootTypeId));
  if (kind === 'TYPE_ID_TARGET' || kind === 'TYPE_ID_LOCAL') return plain(spec.rootTypeId, false);
  return plain(1);
}

function enumValue(kind: CoreReloKind, spec: CoreSpec | undefined): CoreValue | typeof POISON {
  if (kind === 'ENUMVAL_EXISTS') return plain(spec === undefined ? 0 : 1);
  if (spec === undefined) return POISON;
  const { typeId, idx } = spec.accessors[0];
  const { types } = spec.btf;
  const low = types.item(typeId, idx, 1);
  // 32-bit enumerators are sign-extended whatever the enum's sign.
  if (types.kind(typeId) === K.ENUM) return plain(low | 0);
  return plain((BigInt(types.item(typeId, idx, 2)) << 32n) | BigInt(low));
}

const VALUES = { field: fieldValue, type: typeValue, enumval: enumValue } as const;

/**
 * The value of a relocation where `spec` leads, or without it if the target has nothing to match. Throws `core.access`,
 * `core.bitfield`. Source: `tools/lib/bpf/relo_core.c: bpf_core_calc_field_relo, bpf_core_calc_type_relo,
 * bpf_core_calc_enumval_relo`.
 */
export function coreValue(local: CoreSpec, spec: CoreSpec | undefined): CoreValue | typeof POISON {
  return VALUES[local.kind.basis](local.kind.kind, spec);
}
