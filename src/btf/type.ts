/** The shapes of materialised BTF types: one interface a kind, discriminated by `kind`. All are frozen by convention. */

interface Common {
  readonly id: number;
  /** Empty for anonymous types. */
  readonly name: string;
}

interface Ref extends Common {
  readonly typeId: number;
}

export interface BtfVoid extends Common {
  readonly kind: 'VOID';
}

export interface BtfInt extends Common {
  readonly kind: 'INT';
  readonly sizeBytes: number;
  readonly signed: boolean;
  readonly char: boolean;
  readonly bool: boolean;
  /** All four encoding bits as stored. */
  readonly encoding: number;
  /** Where the value starts inside its storage; 0 except in very old compilers' bitfields. */
  readonly bitOffset: number;
  readonly bits: number;
}

export interface BtfPtr extends Ref {
  readonly kind: 'PTR';
}

export interface BtfArray extends Common {
  readonly kind: 'ARRAY';
  readonly typeId: number;
  readonly indexTypeId: number;
  /** 0 for a flexible array member. */
  readonly nelems: number;
}

export interface BtfMember {
  readonly name: string;
  readonly typeId: number;
  /** From the start of the struct or union. */
  readonly bitOffset: number;
  /** 0 unless the member is a bitfield. */
  readonly bitSize: number;
}

export interface BtfComposite extends Common {
  readonly kind: 'STRUCT' | 'UNION';
  readonly sizeBytes: number;
  readonly members: readonly BtfMember[];
  /** Set when member offsets carry bitfield sizes. */
  readonly kindFlag: boolean;
}

export interface BtfEnumValue {
  readonly name: string;
  /** Signed or unsigned as the enum's `signed` says. */
  readonly value: number;
}

export interface BtfEnum extends Common {
  readonly kind: 'ENUM';
  readonly sizeBytes: number;
  readonly signed: boolean;
  /** Empty for a forward-declared enum. */
  readonly values: readonly BtfEnumValue[];
}

export interface BtfEnum64Value {
  readonly name: string;
  readonly value: bigint;
}

export interface BtfEnum64 extends Common {
  readonly kind: 'ENUM64';
  readonly sizeBytes: number;
  readonly signed: boolean;
  readonly values: readonly BtfEnum64Value[];
}

export interface BtfFwd extends Common {
  readonly kind: 'FWD';
  readonly of: 'struct' | 'union';
}

export interface BtfTypedef extends Ref {
  readonly kind: 'TYPEDEF';
}

export interface BtfQualifier extends Ref {
  readonly kind: 'VOLATILE' | 'CONST' | 'RESTRICT';
}

/** As stored; other numbers are kept as they are. 0 static, 1 global, 2 extern. */
export type BtfLinkage = number;
export const BTF_LINKAGE = { static: 0, global: 1, extern: 2 } as const;

export interface BtfFunc extends Ref {
  readonly kind: 'FUNC';
  readonly linkage: BtfLinkage;
}

export interface BtfParam {
  readonly name: string;
  /** 0 in last place means variadic. */
  readonly typeId: number;
}

export interface BtfFuncProto extends Common {
  readonly kind: 'FUNC_PROTO';
  readonly returnTypeId: number;
  readonly params: readonly BtfParam[];
}

export interface BtfVar extends Ref {
  readonly kind: 'VAR';
  readonly linkage: BtfLinkage;
}

export interface BtfSecinfo {
  /** A VAR, or a FUNC in `.ksyms`. */
  readonly typeId: number;
  readonly offBytes: number;
  readonly sizeBytes: number;
}

export interface BtfDatasec extends Common {
  readonly kind: 'DATASEC';
  /** 0 as compilers emit it; see `fixDatasecs`. */
  readonly sizeBytes: number;
  readonly vars: readonly BtfSecinfo[];
}

export interface BtfFloat extends Common {
  readonly kind: 'FLOAT';
  readonly sizeBytes: number;
}

export interface BtfDeclTag extends Ref {
  readonly kind: 'DECL_TAG';
  /** Member or parameter index, -1 for the type itself. */
  readonly componentIdx: number;
  /** The tag stands for a whole attribute, not for `btf_decl_tag("…")`. */
  readonly isAttribute: boolean;
}

export interface BtfTypeTag extends Ref {
  readonly kind: 'TYPE_TAG';
  /** The tag stands for a whole attribute, not for `btf_type_tag("…")`. */
  readonly isAttribute: boolean;
}

/** A kind newer than this reader, whose extent the file's layout section tells. */
export interface BtfUnknown extends Common {
  readonly kind: 'UNKNOWN';
  readonly kindNumber: number;
}

export type BtfType =
  | BtfVoid
  | BtfInt
  | BtfPtr
  | BtfArray
  | BtfComposite
  | BtfEnum
  | BtfEnum64
  | BtfFwd
  | BtfTypedef
  | BtfQualifier
  | BtfFunc
  | BtfFuncProto
  | BtfVar
  | BtfDatasec
  | BtfFloat
  | BtfDeclTag
  | BtfTypeTag
  | BtfUnknown;

/** Bits of an INT's encoding. */
export const BTF_INT_SIGNED = 1;
export const BTF_INT_CHAR = 2;
export const BTF_INT_BOOL = 4;
