/**
 * The kinds of BTF types and how each is laid out, as one table. Every reader and writer of this room derives from
 * it. Source: `include/uapi/linux/btf.h`.
 *
 * A type is three u32 words, then `fixedWords` words, then `vlen` items of `itemWords` words:
 *
 *     name_off | info | size or type | fixed… | item 0… | item 1… | …
 *     info:  31 kind_flag | 30-24 kind | 23-0 vlen
 */

/** A kind's name as bpftool prints it; `VOID` is type 0, which has no bytes. */
export type BtfKind =
  | 'VOID'
  | 'INT'
  | 'PTR'
  | 'ARRAY'
  | 'STRUCT'
  | 'UNION'
  | 'ENUM'
  | 'FWD'
  | 'TYPEDEF'
  | 'VOLATILE'
  | 'CONST'
  | 'RESTRICT'
  | 'FUNC'
  | 'FUNC_PROTO'
  | 'VAR'
  | 'DATASEC'
  | 'FLOAT'
  | 'DECL_TAG'
  | 'TYPE_TAG'
  | 'ENUM64'
  | 'UNKNOWN';

export interface KindRow {
  readonly number: number;
  readonly kind: BtfKind;
  /** Words between the three common ones and the items. */
  readonly fixedWords: number;
  /** Words of one of the `vlen` items; 0 if `vlen` counts nothing. */
  readonly itemWords: number;
  /** Word of an item that is a string offset, -1 if none. */
  readonly itemName: number;
  /** Word of an item that is a type id, -1 if none. */
  readonly itemType: number;
  /** What the third common word means. */
  readonly third: 'size' | 'type' | 'unused';
}

function row(
  number: number,
  kind: BtfKind,
  third: KindRow['third'],
  fixedWords = 0,
  itemWords = 0,
  itemName = -1,
  itemType = -1,
): KindRow {
  return { number, kind, fixedWords, itemWords, itemName, itemType, third };
}

/** Indexed by kind number. */
export const KIND_ROWS: readonly KindRow[] = [
  row(0, 'VOID', 'unused'),
  row(1, 'INT', 'size', 1),
  row(2, 'PTR', 'type'),
  row(3, 'ARRAY', 'unused', 3),
  row(4, 'STRUCT', 'size', 0, 3, 0, 1),
  row(5, 'UNION', 'size', 0, 3, 0, 1),
  row(6, 'ENUM', 'size', 0, 2, 0),
  row(7, 'FWD', 'unused'),
  row(8, 'TYPEDEF', 'type'),
  row(9, 'VOLATILE', 'type'),
  row(10, 'CONST', 'type'),
  row(11, 'RESTRICT', 'type'),
  row(12, 'FUNC', 'type'),
  row(13, 'FUNC_PROTO', 'type', 0, 2, 0, 1),
  row(14, 'VAR', 'type', 1),
  row(15, 'DATASEC', 'size', 0, 3, -1, 0),
  row(16, 'FLOAT', 'size'),
  row(17, 'DECL_TAG', 'type', 1),
  row(18, 'TYPE_TAG', 'type'),
  row(19, 'ENUM64', 'size', 0, 3, 0),
];

/** The kinds by number, for code that compares numbers on a hot path. */
export const K = {
  VOID: 0,
  INT: 1,
  PTR: 2,
  ARRAY: 3,
  STRUCT: 4,
  UNION: 5,
  ENUM: 6,
  FWD: 7,
  TYPEDEF: 8,
  VOLATILE: 9,
  CONST: 10,
  RESTRICT: 11,
  FUNC: 12,
  FUNC_PROTO: 13,
  VAR: 14,
  DATASEC: 15,
  FLOAT: 16,
  DECL_TAG: 17,
  TYPE_TAG: 18,
  ENUM64: 19,
} as const;

export const KIND_MAX = 19;
/** What the header of a type's `info` word can hold at most. */
export const MAX_VLEN = 0xffffff;
/** Words every type has. */
export const COMMON_WORDS = 3;

export function kindName(number: number): BtfKind {
  return KIND_ROWS[number]?.kind ?? 'UNKNOWN';
}

const NUMBERS: ReadonlyMap<string, number> = new Map(KIND_ROWS.map(entry => [entry.kind, entry.number]));

/** The number of a kind's name; -1 for `UNKNOWN`. */
export function kindNumber(kind: BtfKind): number {
  return NUMBERS.get(kind) ?? -1;
}

/** A bit per kind number, for membership tests. */
export function kindMask(...kinds: readonly number[]): number {
  return kinds.reduce((mask, kind) => mask | (1 << kind), 0);
}

/** TYPEDEF and the qualifiers: what `skipModifiers` steps over. */
export const MODIFIER_MASK = kindMask(K.TYPEDEF, K.VOLATILE, K.CONST, K.RESTRICT, K.TYPE_TAG);
export const COMPOSITE_MASK = kindMask(K.STRUCT, K.UNION);
export const ANY_ENUM_MASK = kindMask(K.ENUM, K.ENUM64);

export function isIn(mask: number, kind: number): boolean {
  return kind < 32 && (mask & (1 << kind)) !== 0;
}
