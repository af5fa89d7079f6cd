import type { Btf } from '../../btf/index.ts';
import { ERRNO } from '../../uapi/index.ts';
import {
  BPF_KPTR,
  BPF_KPTR_PERCPU,
  BPF_KPTR_REF,
  BPF_KPTR_UNREF,
  BPF_LIST_HEAD,
  BPF_LIST_NODE,
  BPF_RB_NODE,
  BPF_RB_ROOT,
  BPF_REFCOUNT,
  BPF_SPIN_LOCK,
  BPF_TIMER,
  BPF_WORKQUEUE,
} from '../state/record.ts';
import { btfFindDeclTagValue } from './decl-tags.ts';

/** Special fields one type may have (`BTF_FIELDS_MAX`). */
const FIELDS_MAX = 11;
const MAX_RESOLVE_DEPTH = 32;

/** A special kind: its struct's name, what a field of it takes, and whether a struct may hold one only. */
interface FieldKind {
  readonly type: number;
  readonly name: string;
  readonly sizeBytes: number;
  readonly alignBytes: number;
  readonly once: boolean;
}

/** In the order they are tried. Source: `btf_get_field_type, btf_field_type_size, btf_field_type_align`. */
const FIELD_KINDS: readonly FieldKind[] = [
  { type: BPF_SPIN_LOCK, name: 'bpf_spin_lock', sizeBytes: 4, alignBytes: 4, once: true },
  { type: BPF_TIMER, name: 'bpf_timer', sizeBytes: 16, alignBytes: 8, once: true },
  { type: BPF_WORKQUEUE, name: 'bpf_wq', sizeBytes: 16, alignBytes: 8, once: true },
  { type: BPF_LIST_HEAD, name: 'bpf_list_head', sizeBytes: 16, alignBytes: 8, once: false },
  { type: BPF_LIST_NODE, name: 'bpf_list_node', sizeBytes: 24, alignBytes: 8, once: false },
  { type: BPF_RB_ROOT, name: 'bpf_rb_root', sizeBytes: 16, alignBytes: 8, once: false },
  { type: BPF_RB_NODE, name: 'bpf_rb_node', sizeBytes: 32, alignBytes: 8, once: false },
  { type: BPF_REFCOUNT, name: 'bpf_refcount', sizeBytes: 4, alignBytes: 4, once: false },
];
const KPTR_KIND: FieldKind = { type: BPF_KPTR_REF, name: '', sizeBytes: 8, alignBytes: 8, once: false };

/** Bytes a field takes. Source: `btf_field_type_size`. */
export const fieldTypeSize = (type: number): number => FIELD_KINDS.find(kind => kind.type === type)?.sizeBytes ?? 8;

/** Name of a field's type as messages have it. Source: `btf_field_type_name`. */
export function btfFieldTypeName(type: number): string {
  if (type === BPF_KPTR_PERCPU) return 'percpu_kptr';
  if ((type & BPF_KPTR) !== 0) return 'kptr';
  return FIELD_KINDS.find(kind => kind.type === type)?.name ?? 'unknown';
}

const KPTR_TAGS: ReadonlyMap<string, number> = new Map([
  ['kptr_untrusted', BPF_KPTR_UNREF],
  ['kptr', BPF_KPTR_REF],
  ['percpu_kptr', BPF_KPTR_PERCPU],
]);

/** A special field as found, before its target is looked up (`struct btf_field_info`). */
export interface FoundField {
  readonly type: number;
  readonly offBytes: number;
  /** Kptrs: the struct pointed to. */
  readonly kptrTypeId: number;
  /** List heads and trees: the struct they hold and its member that links it. */
  readonly valueTypeId: number;
  readonly nodeName: string;
}

const found = (type: number, offBytes: number, kptrTypeId = 0, valueTypeId = 0, nodeName = ''): FoundField => ({
  type,
  offBytes,
  kptrTypeId,
  valueTypeId,
  nodeName,
});

const isStruct = (btf: Btf, id: number): boolean => btf.kindOf(id) === 'STRUCT';

/**
 * A pointer tagged as one to a kernel object; undefined for other pointers, a negative errno for a tag in the wrong
 * place. Source: `kernel/bpf/btf.c: btf_find_kptr`.
 */
export function btfFindKptr(btf: Btf, typeId: number, offBytes: number): FoundField | undefined | number {
  let id = typeId;
  if (btf.kindOf(id) === 'VOLATILE') id = btf.types.third(id);
  if (btf.kindOf(id) !== 'PTR') return undefined;
  id = btf.types.third(id);
  if (btf.kindOf(id) !== 'TYPE_TAG') return undefined;
  const target = btf.types.third(id);
  if (btf.kindOf(target) === 'TYPE_TAG') return -ERRNO.EINVAL;
  const type = KPTR_TAGS.get(btf.nameOf(id));
  if (type === undefined) return -ERRNO.EINVAL;
  const pointee = btf.skipModifiers(target);
  return isStruct(btf, pointee) ? found(type, offBytes, pointee) : -ERRNO.EINVAL;
}

/** Source: `kernel/bpf/btf.c: btf_find_graph_root`. */
function findGraphRoot(btf: Btf, holder: number, component: number, offBytes: number, type: number) {
  const tag = btfFindDeclTagValue(btf, holder, component, 'contains:');
  if (tag === undefined || tag === 'twice') return -ERRNO.EINVAL;
  const colon = tag.value.indexOf(':');
  if (colon < 0) return -ERRNO.EINVAL;
  const valueTypeId = btf.findByName(tag.value.slice(0, colon), 'STRUCT');
  if (valueTypeId === 0) return -ERRNO.ENOENT;
  const nodeName = tag.value.slice(colon + 1);
  return nodeName === '' ? -ERRNO.EINVAL : found(type, offBytes, 0, valueTypeId, nodeName);
}

/** What fields may be repeated as elements of an array. */
const REPEATABLE = BPF_KPTR | BPF_LIST_HEAD | BPF_RB_ROOT;

/** Collects the special fields of one type; every method returns a negative errno on failure, else 0. */
class FieldFinder {
  readonly fields: FoundField[] = [];
  readonly #btf: Btf;
  readonly #mask: number;
  /** Structs without special fields, and the deepest level they were looked at: keeps malformed nesting linear. */
  readonly #plain = new Map<number, number>();

  constructor(btf: Btf, mask: number) {
    this.#btf = btf;
    this.#mask = mask;
  }

  /** The kind of a variable's type; undefined for an ordinary one. Source: `btf_get_field_type`. */
  #kindOf(typeId: number, seen: { mask: number }): FieldKind | undefined | number {
    const name = this.#btf.nameOf(typeId);
    for (const kind of FIELD_KINDS) {
      if ((this.#mask & kind.type) === 0 || kind.name !== name) continue;
      if (kind.once) {
        if ((seen.mask & kind.type) !== 0) return -ERRNO.E2BIG;
        seen.mask |= kind.type;
      }
      return kind;
    }
    return (this.#mask & BPF_KPTR) !== 0 && !isStruct(this.#btf, typeId) ? KPTR_KIND : undefined;
  }

  /** Repeats the fields from `first` on for the other elements of an array. Source: `btf_repeat_fields`. */
  #repeat(first: number, repeats: number, elemSizeBytes: number): number {
    const once = this.fields.slice(first);
    if (once.some(field => (field.type & REPEATABLE) === 0)) return -ERRNO.EINVAL;
    if (once.length * (repeats + 1) > FIELDS_MAX - first) return -ERRNO.E2BIG;
    for (let i = 1; i <= repeats; i++) {
      for (const field of once) this.fields.push({ ...field, offBytes: (field.offBytes + i * elemSizeBytes) >>> 0 });
    }
    return 0;
  }

  /** Source: `btf_find_nested_struct`. */
  #nested(typeId: number, offBytes: number, elems: number, level: number): number {
    if (level + 1 >= MAX_RESOLVE_DEPTH) return -ERRNO.E2BIG;
    if ((this.#plain.get(typeId) ?? -1) > level) return 0;
    const first = this.fields.length;
    const failed = this.struct(typeId, level + 1);
    if (failed < 0) return failed;
    if (this.fields.length === first) {
      this.#plain.set(typeId, level + 1);
      return 0;
    }
    for (let i = first; i < this.fields.length; i++) {
      this.fields[i] = { ...this.fields[i], offBytes: this.fields[i].offBytes + offBytes };
    }
    return elems > 1 ? this.#repeat(first, elems - 1, this.#btf.types.third(typeId)) : 0;
  }

  #find(kind: FieldKind, typeId: number, holder: number, component: number, offBytes: number) {
    if (kind === KPTR_KIND) return btfFindKptr(this.#btf, typeId, offBytes);
    if (!isStruct(this.#btf, typeId) || this.#btf.types.third(typeId) !== kind.sizeBytes) return undefined;
    const root = kind.type === BPF_LIST_HEAD || kind.type === BPF_RB_ROOT;
    return root ? findGraphRoot(this.#btf, holder, component, offBytes, kind.type) : found(kind.type, offBytes);
  }

  /** Source: `btf_find_field_one`. */
  #one(
    holder: number,
    type: number,
    component: number,
    offBytes: number,
    expectedSize: number,
    seen: { mask: number },
    level: number,
  ): number {
    const { types } = this.#btf;
    let typeId = type;
    let elems = 1;
    let depth = 0;
    for (; depth < MAX_RESOLVE_DEPTH && this.#btf.kindOf(typeId) === 'ARRAY'; depth++) {
      elems = Math.imul(elems, types.extra(typeId, 2)) >>> 0;
      typeId = types.extra(typeId, 0);
    }
    if (depth === MAX_RESOLVE_DEPTH) return -ERRNO.E2BIG;
    if (elems === 0) return 0;
    const kind = this.#kindOf(typeId, seen);
    if (typeof kind === 'number') return kind;
    const fits = (size: number): boolean => expectedSize === 0 || expectedSize === Math.imul(size, elems) >>> 0;
    if (kind === undefined) {
      if (!isStruct(this.#btf, typeId) || !fits(types.third(typeId))) return 0;
      return this.#nested(typeId, offBytes, elems, level);
    }
    if (!fits(kind.sizeBytes) || offBytes % kind.alignBytes !== 0) return 0;
    const field = this.#find(kind, typeId, holder, component, offBytes);
    if (field === undefined) return 0;
    if (typeof field === 'number') return field;
    const first = this.fields.length;
    if (first === FIELDS_MAX) return -ERRNO.E2BIG;
    this.fields.push(field);
    return elems > 1 ? this.#repeat(first, elems - 1, kind.sizeBytes) : 0;
  }

  /** Source: `btf_find_struct_field`. */
  struct(typeId: number, level: number): number {
    const { types } = this.#btf;
    const seen = { mask: 0 };
    const count = types.vlen(typeId);
    for (let i = 0; i < count; i++) {
      const offBits = types.memberBitOffset(typeId, i);
      if (offBits % 8 !== 0) return -ERRNO.EINVAL;
      const failed = this.#one(typeId, types.item(typeId, i, 1), i, offBits / 8, 0, seen, level);
      if (failed < 0) return failed;
    }
    return 0;
  }

  /** Source: `btf_find_datasec_var`. */
  datasec(typeId: number): number {
    const { types } = this.#btf;
    const seen = { mask: 0 };
    const count = types.vlen(typeId);
    for (let i = 0; i < count; i++) {
      const variable = types.item(typeId, i, 0);
      const offBytes = types.item(typeId, i, 1);
      const sizeBytes = types.item(typeId, i, 2);
      const failed = this.#one(variable, types.third(variable), -1, offBytes, sizeBytes, seen, 0);
      if (failed < 0) return failed;
    }
    return 0;
  }
}

/**
 * The special fields of a struct or data section, in the order they were found; a negative errno where the kernel takes
 * the type for malformed. Source: `kernel/bpf/btf.c: btf_find_field`.
 */
export function btfFindField(btf: Btf, typeId: number, fieldMask: number): readonly FoundField[] | number {
  const finder = new FieldFinder(btf, fieldMask);
  const kind = btf.kindOf(typeId);
  if (kind !== 'STRUCT' && kind !== 'DATASEC') return -ERRNO.EINVAL;
  const failed = kind === 'STRUCT' ? finder.struct(typeId, 0) : finder.datasec(typeId);
  return failed < 0 ? failed : finder.fields;
}
