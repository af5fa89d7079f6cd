import { FarcallError } from '../util/index.ts';

export type CoreReloKind =
  | 'FIELD_BYTE_OFFSET'
  | 'FIELD_BYTE_SIZE'
  | 'FIELD_EXISTS'
  | 'FIELD_SIGNED'
  | 'FIELD_LSHIFT_U64'
  | 'FIELD_RSHIFT_U64'
  | 'TYPE_ID_LOCAL'
  | 'TYPE_ID_TARGET'
  | 'TYPE_EXISTS'
  | 'TYPE_SIZE'
  | 'ENUMVAL_EXISTS'
  | 'ENUMVAL_VALUE'
  | 'TYPE_MATCHES';

export interface CoreReloKindRow {
  /** Without `BPF_CORE_`. */
  readonly kind: CoreReloKind;
  /** What libbpf calls it in its messages. */
  readonly label: string;
  readonly basis: 'field' | 'type' | 'enumval';
}

function row(kind: CoreReloKind, label: string, basis: CoreReloKindRow['basis']): CoreReloKindRow {
  return { kind, label, basis };
}

/** Indexed by `enum bpf_core_relo_kind`. */
export const CORE_RELO_KINDS: readonly CoreReloKindRow[] = [
  row('FIELD_BYTE_OFFSET', 'byte_off', 'field'),
  row('FIELD_BYTE_SIZE', 'byte_sz', 'field'),
  row('FIELD_EXISTS', 'field_exists', 'field'),
  row('FIELD_SIGNED', 'signed', 'field'),
  row('FIELD_LSHIFT_U64', 'lshift_u64', 'field'),
  row('FIELD_RSHIFT_U64', 'rshift_u64', 'field'),
  row('TYPE_ID_LOCAL', 'local_type_id', 'type'),
  row('TYPE_ID_TARGET', 'target_type_id', 'type'),
  row('TYPE_EXISTS', 'type_exists', 'type'),
  row('TYPE_SIZE', 'type_size', 'type'),
  row('ENUMVAL_EXISTS', 'enumval_exists', 'enumval'),
  row('ENUMVAL_VALUE', 'enumval_value', 'enumval'),
  row('TYPE_MATCHES', 'type_matches', 'type'),
];

export function coreError(code: `core.${string}`, message: string, expected?: string, found?: string): FarcallError {
  return new FarcallError({ code, message, expected, found });
}

/** Throws `core.kind`. */
export function coreReloKindOf(number: number): CoreReloKindRow {
  const found = CORE_RELO_KINDS[number];
  if (found !== undefined) return found;
  const range = `0 to ${CORE_RELO_KINDS.length - 1}`;
  throw coreError('core.kind', 'unrecognized CO-RE relocation', range, `${number}`);
}

/** Stops comparisons whose work grows beyond reason, as types that refer to themselves can make it. */
export class CoreBudget {
  #left = 200_000;

  spend(): void {
    if (--this.#left < 0) throw coreError('core.too-deep', 'types are too entangled to compare');
  }
}
