import type { Btf } from '../../btf/index.ts';
import { ERRNO } from '../../uapi/index.ts';
import {
  BPF_GRAPH_NODE,
  BPF_KPTR,
  BPF_KPTR_REF,
  BPF_LIST_HEAD,
  BPF_LIST_NODE,
  BPF_RB_NODE,
  BPF_RB_ROOT,
  BPF_REFCOUNT,
  BPF_SPIN_LOCK,
  BPF_TIMER,
  BPF_WORKQUEUE,
  type BtfField,
  type BtfRecord,
} from '../state/record.ts';
import { btfFindField, type FoundField, fieldTypeSize } from './field-finder.ts';

export const BPF_GRAPH_ROOT = BPF_LIST_HEAD | BPF_RB_ROOT;

/** What map values may hold, and what objects of a program's own types may hold. */
export const MAP_FIELDS =
  BPF_SPIN_LOCK | BPF_TIMER | BPF_KPTR | BPF_LIST_HEAD | BPF_RB_ROOT | BPF_REFCOUNT | BPF_WORKQUEUE;
export const OBJECT_FIELDS =
  BPF_SPIN_LOCK | BPF_LIST_HEAD | BPF_LIST_NODE | BPF_RB_ROOT | BPF_RB_NODE | BPF_REFCOUNT | BPF_KPTR;

/**
 * Kernel types whose pointers maps may own, and what releases them. Source: the callers of
 * `register_btf_id_dtor_kfuncs` in `kernel/bpf/{helpers,cpumask,crypto}.c`, `net/bpf/test_run.c`.
 */
export const DTOR_KFUNCS: ReadonlyMap<string, string> = new Map([
  ['task_struct', 'bpf_task_release_dtor'],
  ['cgroup', 'bpf_cgroup_release_dtor'],
  ['bpf_cpumask', 'bpf_cpumask_release_dtor'],
  ['bpf_crypto_ctx', 'bpf_crypto_ctx_release_dtor'],
  ['prog_test_ref_kfunc', 'bpf_kfunc_call_test_release_dtor'],
  ['prog_test_member', 'bpf_kfunc_call_memb_release_dtor'],
]);

const isErrno = (value: unknown): value is number => typeof value === 'number';

/** Source: `kernel/bpf/btf.c: btf_parse_kptr`. */
function parseKptr(btf: Btf, field: FoundField, kernelBtf: Btf | undefined): BtfField['kptr'] | number {
  const name = btf.nameOf(field.kptrTypeId);
  if (kernelBtf === undefined) return -ERRNO.EINVAL;
  const btfId = kernelBtf.findByName(name, btf.kindOf(field.kptrTypeId));
  // A type only the program knows: what bpf_obj_new() made.
  if (btfId === 0) return { btf, btfId: field.kptrTypeId };
  if (field.type === BPF_KPTR_REF) {
    const dtor = DTOR_KFUNCS.get(name);
    if (dtor === undefined || kernelBtf.findByName(dtor, 'FUNC') === 0) return -ERRNO.ENOENT;
  }
  return { btf: kernelBtf, btfId };
}

/** Source: `kernel/bpf/btf.c: btf_parse_graph_root`. */
function parseGraphRoot(btf: Btf, field: FoundField): BtfField['graphRoot'] | number {
  const { types } = btf;
  const nodeTypeName = field.type === BPF_LIST_HEAD ? 'bpf_list_node' : 'bpf_rb_node';
  const value = field.valueTypeId;
  let nodeOffBytes = -1;
  for (let i = 0; i < types.vlen(value); i++) {
    if (btf.stringAt(types.item(value, i, 0)) !== field.nodeName) continue;
    if (nodeOffBytes >= 0) return -ERRNO.EINVAL;
    const node = types.item(value, i, 1);
    if (btf.kindOf(node) !== 'STRUCT' || btf.nameOf(node) !== nodeTypeName) return -ERRNO.EINVAL;
    const word = types.item(value, i, 2);
    // The kernel asks the node's type, not the value's, how its members' offsets are written.
    const offBits = types.kindFlag(node) ? word & 0xffffff : word;
    if (offBits % 64 !== 0) return -ERRNO.EINVAL;
    nodeOffBytes = offBits / 8;
  }
  if (nodeOffBytes < 0) return -ERRNO.ENOENT;
  return { btf, valueBtfId: value, nodeOffBytes, valueRecord: undefined };
}

function parseField(btf: Btf, field: FoundField, sizeBytes: number, kernelBtf: Btf | undefined): BtfField | number {
  const { type, offBytes } = field;
  if ((type & BPF_KPTR) !== 0) {
    const kptr = parseKptr(btf, field, kernelBtf);
    return isErrno(kptr) ? kptr : { type, offBytes, sizeBytes, kptr };
  }
  if ((type & BPF_GRAPH_ROOT) !== 0) {
    const graphRoot = parseGraphRoot(btf, field);
    return isErrno(graphRoot) ? graphRoot : { type, offBytes, sizeBytes, graphRoot };
  }
  return { type, offBytes, sizeBytes };
}

/**
 * The special fields of kinds in `fieldMask` of a struct or data section of `valueSize` bytes: undefined for none, a
 * negative errno where the kernel refuses the type. Lists and trees still lack the records of what they hold:
 * `btfCheckAndFixupFields` adds them.
 *
 * Source: `kernel/bpf/btf.c: btf_parse_fields`.
 * @param kernelBtf where the targets of kptrs are looked for first
 */
export function btfParseFields(
  btf: Btf,
  typeId: number,
  fieldMask: number,
  valueSize: number,
  kernelBtf: Btf | undefined,
): BtfRecord | undefined | number {
  const found = btfFindField(btf, typeId, fieldMask);
  if (isErrno(found)) return found;
  if (found.length === 0) return undefined;
  const fields: BtfField[] = [];
  const offsets = {
    spinLockOff: -ERRNO.EINVAL,
    timerOff: -ERRNO.EINVAL,
    wqOff: -ERRNO.EINVAL,
    refcountOff: -ERRNO.EINVAL,
  };
  let mask = 0;
  let nextOff = 0;
  for (const item of found) {
    const sizeBytes = fieldTypeSize(item.type);
    if (item.offBytes + sizeBytes > valueSize) return -ERRNO.EFAULT;
    if (item.offBytes < nextOff) return -ERRNO.EEXIST;
    nextOff = item.offBytes + sizeBytes;
    mask |= item.type;
    if (item.type === BPF_SPIN_LOCK) offsets.spinLockOff = item.offBytes;
    else if (item.type === BPF_TIMER) offsets.timerOff = item.offBytes;
    else if (item.type === BPF_WORKQUEUE) offsets.wqOff = item.offBytes;
    else if (item.type === BPF_REFCOUNT) offsets.refcountOff = item.offBytes;
    const field = parseField(btf, item, sizeBytes, kernelBtf);
    if (isErrno(field)) return field;
    fields.push(field);
  }
  if ((mask & BPF_GRAPH_ROOT) !== 0 && offsets.spinLockOff < 0) return -ERRNO.EINVAL;
  if ((mask & BPF_GRAPH_NODE) === BPF_GRAPH_NODE && offsets.refcountOff < 0) return -ERRNO.EINVAL;
  fields.sort((a, b) => a.offBytes - b.offBytes);
  return { fields, fieldMask: mask, ...offsets };
}
