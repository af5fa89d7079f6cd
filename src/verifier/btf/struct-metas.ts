import type { Btf } from '../../btf/index.ts';
import { ERRNO } from '../../uapi/index.ts';
import { BPF_GRAPH_NODE, type BtfRecord } from '../state/record.ts';
import { btfFindKptr } from './field-finder.ts';
import { BPF_GRAPH_ROOT, btfParseFields, OBJECT_FIELDS } from './parse-fields.ts';

/** Structs whose presence as a member makes a struct one of those with a record. */
const SPECIAL_STRUCTS = [
  'bpf_spin_lock',
  'bpf_list_head',
  'bpf_list_node',
  'bpf_rb_root',
  'bpf_rb_node',
  'bpf_refcount',
] as const;

interface StructMetas {
  readonly kernelBtf: Btf | undefined;
  readonly records: ReadonlyMap<number, BtfRecord>;
  /** Negative errno with which the kernel refuses the BTF; 0 for none. */
  readonly failed: number;
}

const CACHE = new WeakMap<Btf, StructMetas>();
const NO_RECORDS: ReadonlyMap<number, BtfRecord> = new Map();

/** Source: `kernel/bpf/btf.c: btf_parse_struct_metas`. */
function parseStructMetas(btf: Btf, kernelBtf: Btf | undefined): ReadonlyMap<number, BtfRecord> | number {
  const special = new Set<number>();
  for (const name of SPECIAL_STRUCTS) {
    const id = btf.findByName(name, 'STRUCT');
    if (id !== 0) special.add(id);
  }
  for (let id = 1; id < btf.typeCount; id++) if (typeof btfFindKptr(btf, id, 0) === 'object') special.add(id);
  if (special.size === 0) return NO_RECORDS;
  const { types } = btf;
  const records = new Map<number, BtfRecord>();
  for (let id = 1; id < btf.typeCount; id++) {
    if (btf.kindOf(id) !== 'STRUCT') continue;
    let has = false;
    for (let i = types.vlen(id) - 1; i >= 0 && !has; i--) has = special.has(types.item(id, i, 1));
    if (!has) continue;
    const record = btfParseFields(btf, id, OBJECT_FIELDS, types.third(id), kernelBtf);
    if (typeof record === 'number') return record;
    if (record === undefined) return -ERRNO.EFAULT;
    records.set(id, record);
  }
  return records;
}

/**
 * Finds the structs of a program's BTF that have special fields: what `bpf_obj_new()` may make. Done once for a BTF and
 * kernel; has to come before {@link btfFindStructMeta}. Returns 0, or the negative errno with which the kernel refuses to
 * load the BTF (a list without its lock, types that own each other, …): a loader then goes on without it, or gives up.
 *
 * Source: `kernel/bpf/btf.c: btf_parse`.
 */
export function loadStructMetas(btf: Btf, kernelBtf: Btf | undefined): number {
  const known = CACHE.get(btf);
  if (known !== undefined && known.kernelBtf === kernelBtf) return known.failed;
  const records = parseStructMetas(btf, kernelBtf);
  const metas: StructMetas =
    typeof records === 'number'
      ? { kernelBtf, records: NO_RECORDS, failed: records }
      : { kernelBtf, records, failed: 0 };
  CACHE.set(btf, metas);
  for (const record of metas.records.values()) {
    const failed = btfCheckAndFixupFields(btf, record);
    if (failed >= 0) continue;
    CACHE.set(btf, { kernelBtf, records: NO_RECORDS, failed });
    return failed;
  }
  return metas.failed;
}

/**
 * The record of a struct of a program's BTF; undefined where it has no special field, and for types of the kernel.
 * Source: `kernel/bpf/btf.c: btf_find_struct_meta`.
 */
export const btfFindStructMeta = (btf: Btf | undefined, btfId: number): BtfRecord | undefined =>
  btf === undefined ? undefined : CACHE.get(btf)?.records.get(btfId);

/**
 * Gives lists and trees the records of what they hold, and refuses types that could own each other: a type that is both
 * held and holds may only hold types that hold nothing. A negative errno, or 0. The BTF's struct metas have to be loaded.
 *
 * Source: `kernel/bpf/btf.c: btf_check_and_fixup_fields`.
 */
export function btfCheckAndFixupFields(btf: Btf, record: BtfRecord): number {
  if ((record.fieldMask & BPF_GRAPH_ROOT) === 0) return 0;
  for (const { graphRoot } of record.fields) {
    if (graphRoot === undefined) continue;
    const held = btfFindStructMeta(btf, graphRoot.valueBtfId);
    if (held === undefined) return -ERRNO.EFAULT;
    graphRoot.valueRecord = held;
    if ((record.fieldMask & BPF_GRAPH_NODE) !== 0 && (held.fieldMask & BPF_GRAPH_ROOT) !== 0) return -ERRNO.ELOOP;
  }
  return 0;
}
