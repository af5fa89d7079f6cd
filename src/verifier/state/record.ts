import type { Btf } from '../../btf/index.ts';

/** Kinds of special fields, a bit each (`include/linux/bpf.h: enum btf_field_type`). */
export const BPF_SPIN_LOCK = 1 << 0;
export const BPF_TIMER = 1 << 1;
export const BPF_KPTR_UNREF = 1 << 2;
export const BPF_KPTR_REF = 1 << 3;
export const BPF_KPTR_PERCPU = 1 << 4;
export const BPF_KPTR = BPF_KPTR_UNREF | BPF_KPTR_REF | BPF_KPTR_PERCPU;
export const BPF_LIST_HEAD = 1 << 5;
export const BPF_LIST_NODE = 1 << 6;
export const BPF_RB_ROOT = 1 << 7;
export const BPF_RB_NODE = 1 << 8;
export const BPF_GRAPH_NODE = BPF_RB_NODE | BPF_LIST_NODE;
export const BPF_GRAPH_ROOT = BPF_RB_ROOT | BPF_LIST_HEAD;
export const BPF_REFCOUNT = 1 << 9;
export const BPF_WORKQUEUE = 1 << 10;
export const BPF_UPTR = 1 << 11;

/** A special field of a map value or allocated object (`struct btf_field`). */
export interface BtfField {
  readonly type: number;
  readonly offBytes: number;
  readonly sizeBytes: number;
  /** Kptrs: what they point to, and in which BTF (the kernel's, or the program's for its own objects). */
  readonly kptr?: { readonly btf: Btf; readonly btfId: number };
  /** List heads and trees: what they hold. `valueRecord` is filled in once all records of the BTF are known. */
  readonly graphRoot?: {
    readonly btf: Btf;
    readonly valueBtfId: number;
    readonly nodeOffBytes: number;
    valueRecord: BtfRecord | undefined;
  };
}

/** The special fields of a type, ascending by offset (`struct btf_record`). Offsets are negative where there is none. */
export interface BtfRecord {
  readonly fields: readonly BtfField[];
  /** Which kinds there are, bits as above. */
  readonly fieldMask: number;
  readonly spinLockOff: number;
  readonly timerOff: number;
  readonly wqOff: number;
  readonly refcountOff: number;
}

/** Source: `btf_record_has_field`. */
export const recordHasField = (record: BtfRecord | undefined, type: number): boolean =>
  record !== undefined && (record.fieldMask & type) !== 0;

/** The field that begins at `offBytes` and is of one of the kinds in `mask`. Source: `btf_record_find`. */
export function recordFind(record: BtfRecord | undefined, offBytes: number, mask: number): BtfField | undefined {
  if (record === undefined || (record.fieldMask & mask) === 0) return undefined;
  return record.fields.find(field => field.offBytes === offBytes && (field.type & mask) !== 0);
}
