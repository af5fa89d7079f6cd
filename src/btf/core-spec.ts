import type { Btf } from './btf.ts';
import { type CoreReloKindRow, coreError } from './core-kind.ts';
import { ANY_ENUM_MASK, COMPOSITE_MASK, isIn, K, kindName } from './kind.ts';

/** How many steps an access path may have. */
export const CORE_SPEC_MAX_LEN = 64;
const UINT32_MAX = 0xffffffff;

/** A step of a path that means something: a named field, an array index, or an enumerator. */
export interface CoreAccessor {
  /** The struct or union, the element type, or the enum; without typedefs and qualifiers. */
  readonly typeId: number;
  readonly idx: number;
  /** Field or enumerator name; undefined for an array index. */
  readonly name: string | undefined;
}

/**
 * An access path in one BTF: `raw` has every step, anonymous structs and unions included, `accessors` only those that
 * mean something. Both are empty for relocations about whole types.
 */
export interface CoreSpec {
  readonly btf: Btf;
  readonly rootTypeId: number;
  readonly kind: CoreReloKindRow;
  readonly accessors: readonly CoreAccessor[];
  readonly raw: readonly number[];
  /** Of the field from the start of the root type. */
  readonly bitOffset: number;
}

/** Whether an array reached through this field may be indexed beyond its length: the last of its struct, no length. */
export function isFlexibleArray(btf: Btf, through: CoreAccessor | undefined, arrayId: number): boolean {
  if (through?.name === undefined || btf.types.extra(arrayId, 2) > 0) return false;
  return through.idx === btf.types.vlen(through.typeId) - 1;
}

/** `idx` times the size of a type, in bits. Throws `core.access` where that has no meaning. */
export function elementBits(btf: Btf, typeId: number, idx: number): number {
  const size = btf.trySizeOf(typeId);
  const bits = typeof size === 'number' ? idx * size * 8 : Number.NaN;
  if (bits <= UINT32_MAX) return bits;
  const found = typeof size === 'number' ? `element ${idx} of ${size} bytes` : size;
  throw coreError('core.access', `cannot index ${describeType(btf, typeId)}`, 'a type with a size, in 32 bits', found);
}

/** `struct task_struct`-like words for messages: `[12] STRUCT task_struct`. */
export function describeType(btf: Btf, id: number): string {
  return `[${id}] ${kindName(btf.types.kind(id))} ${btf.nameOf(id) || '<anon>'}`;
}

function parsePath(text: string): number[] {
  if (!/^\d{1,10}(:\d{1,10})*$/.test(text)) {
    throw coreError('core.access', 'malformed access path', 'numbers separated by colons', JSON.stringify(text));
  }
  const raw = text.split(':').map(Number);
  if (raw.length <= CORE_SPEC_MAX_LEN) return raw;
  throw coreError('core.access', 'access path is too long', `${CORE_SPEC_MAX_LEN} steps`, `${raw.length}`);
}

function checkIndex(what: string, idx: number, count: number): void {
  if (idx < count) return;
  throw coreError('core.access', `no such ${what}`, `an index below ${count}`, `${idx}`);
}

/**
 * Reads an access path (`0:1:2`) of a relocation in the BTF it was compiled with. Throws `core.access`, `btf.loop`,
 * `btf.type-id`. Source: `tools/lib/bpf/relo_core.c: bpf_core_parse_spec`.
 */
export function parseCoreSpec(btf: Btf, typeId: number, access: string, kind: CoreReloKindRow): CoreSpec {
  const spec = { btf, rootTypeId: typeId, kind };
  if (kind.basis === 'type') {
    if (access !== '0') throw coreError('core.access', 'a type relocation has a path', '"0"', JSON.stringify(access));
    btf.kindOf(typeId);
    return { ...spec, accessors: [], raw: [], bitOffset: 0 };
  }
  const raw = parsePath(access);
  const rootId = btf.skipModifiers(typeId);
  if (kind.basis === 'enumval') {
    const isEnum = isIn(ANY_ENUM_MASK, btf.types.kind(rootId));
    if (!isEnum || raw.length > 1) {
      const found = `${describeType(btf, rootId)}, path ${access}`;
      throw coreError('core.access', 'not an enumerator', 'an enum and one index', found);
    }
    checkIndex('enumerator', raw[0], btf.types.vlen(rootId));
    const name = btf.stringAt(btf.types.item(rootId, raw[0], 0));
    return { ...spec, accessors: [{ typeId: rootId, idx: raw[0], name }], raw, bitOffset: 0 };
  }
  return { ...spec, ...walkFields(btf, rootId, raw), raw };
}

function walkFields(btf: Btf, rootId: number, raw: readonly number[]): Pick<CoreSpec, 'accessors' | 'bitOffset'> {
  const { types } = btf;
  const accessors: CoreAccessor[] = [{ typeId: rootId, idx: raw[0], name: undefined }];
  let bitOffset = elementBits(btf, rootId, raw[0]);
  let id = rootId;
  for (const idx of raw.slice(1)) {
    id = btf.skipModifiers(id);
    const kind = types.kind(id);
    if (isIn(COMPOSITE_MASK, kind)) {
      checkIndex(`member of ${describeType(btf, id)}`, idx, types.vlen(id));
      bitOffset += types.memberBitOffset(id, idx);
      const name = btf.stringAt(types.item(id, idx, 0));
      if (name !== '') accessors.push({ typeId: id, idx, name });
      id = types.item(id, idx, 1);
    } else if (kind === K.ARRAY) {
      const flexible = isFlexibleArray(btf, accessors.at(-1), id);
      if (!flexible) checkIndex(`element of ${describeType(btf, id)}`, idx, types.extra(id, 2));
      id = btf.skipModifiers(types.extra(id, 0));
      accessors.push({ typeId: id, idx, name: undefined });
      bitOffset += elementBits(btf, id, idx);
    } else {
      const found = describeType(btf, id);
      throw coreError('core.access', 'access path goes through a plain value', 'a struct, union or array', found);
    }
  }
  return { accessors, bitOffset };
}

/**
 * A spec in libbpf's words: `<byte_off> [2] STRUCT task_struct.comm[3] (0:1:3 @ offset 7)`. Source: `relo_core.c:
 * bpf_core_format_spec`.
 */
export function formatCoreSpec(spec: CoreSpec): string {
  const { btf, kind, accessors, raw, bitOffset } = spec;
  const head = `<${kind.label}> ${describeType(btf, spec.rootTypeId)}`.replace(/\] (\w+)/, (_, name: string) => {
    return `] ${name.toLowerCase()}`;
  });
  if (kind.basis === 'type' || accessors.length === 0) return head;
  if (kind.basis === 'enumval') {
    const type = btf.typeById(accessors[0].typeId);
    const value = type.kind === 'ENUM' || type.kind === 'ENUM64' ? type.values[raw[0]] : undefined;
    return `${head}::${value?.name} = ${value?.value}`;
  }
  const path = accessors.map(({ name, idx }, i) => {
    if (name !== undefined) return `.${name}`;
    return i > 0 || idx > 0 ? `[${idx}]` : '';
  });
  const bits = bitOffset % 8 === 0 ? '' : `.${bitOffset % 8}`;
  return `${head}${path.join('')} (${raw.join(':')} @ offset ${Math.floor(bitOffset / 8)}${bits})`;
}
