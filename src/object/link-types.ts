import { BTF_LINKAGE, type Btf, type BtfType } from '../btf/index.ts';
import type { Where } from '../util/index.ts';
import { type BtfMapDraft, readMapStruct } from './map-btf.ts';
import { objectError } from './problem.ts';

/** A type of one input. */
export interface TypeRef {
  readonly btf: Btf;
  readonly id: number;
}

const MAX_DEPTH = 256;

/**
 * Compares the declarations of one global symbol in two inputs: same shape, where pointers are followed by name only.
 * Returns what differs. Source: `tools/lib/bpf/linker.c: glob_sym_btf_matches`.
 */
export function typeMismatch(a: TypeRef, b: TypeRef): string | undefined {
  return new Comparison(a.btf, b.btf).compare(a.id, b.id, true, 0);
}

type NamedKind = 'STRUCT' | 'UNION' | 'ENUM' | 'ENUM64' | 'FWD' | 'FUNC' | 'VAR';
const NAMED: ReadonlySet<string> = new Set<NamedKind>(['STRUCT', 'UNION', 'ENUM', 'ENUM64', 'FWD', 'FUNC', 'VAR']);

class Comparison {
  readonly #a: Btf;
  readonly #b: Btf;
  /** Pairs that are being compared or were found equal. */
  readonly #assumed = new Set<string>();

  constructor(a: Btf, b: Btf) {
    this.#a = a;
    this.#b = b;
  }

  compare(idA: number, idB: number, exact: boolean, depth: number): string | undefined {
    const a = this.#a.typeById(this.#a.skipModifiers(idA));
    const b = this.#b.typeById(this.#b.skipModifiers(idB));
    const key = `${a.id}/${b.id}/${exact ? 1 : 0}`;
    if (this.#assumed.has(key)) return undefined;
    this.#assumed.add(key);
    if (depth > MAX_DEPTH) return 'types nest too deeply';
    if (!exact && (a.kind === 'FWD') !== (b.kind === 'FWD')) return forwardMismatch(a, b);
    if (a.kind !== b.kind) return `incompatible BTF kinds ${a.kind} and ${b.kind}`;
    if (NAMED.has(a.kind) && a.name !== b.name) return `incompatible ${a.kind} names '${a.name}' and '${b.name}'`;
    if ('sizeBytes' in a && 'sizeBytes' in b && 'values' in a === 'values' in b && !('members' in a)) {
      if (a.sizeBytes !== b.sizeBytes)
        return `incompatible ${a.kind} '${a.name}' size ${a.sizeBytes} and ${b.sizeBytes}`;
      return undefined;
    }
    return this.#contents(a, b, exact, depth + 1);
  }

  #contents(a: BtfType, b: BtfType, exact: boolean, depth: number): string | undefined {
    if (a.kind === 'PTR' && b.kind === 'PTR') return this.compare(a.typeId, b.typeId, false, depth);
    if (a.kind === 'ARRAY' && b.kind === 'ARRAY') return this.compare(a.typeId, b.typeId, exact, depth);
    if ((a.kind === 'FUNC' && b.kind === 'FUNC') || (a.kind === 'VAR' && b.kind === 'VAR')) {
      const isStatic = (linkage: number): boolean => linkage === BTF_LINKAGE.static;
      if (isStatic(a.linkage) !== isStatic(b.linkage)) return `incompatible ${a.kind} '${a.name}' linkage`;
      return this.compare(a.typeId, b.typeId, exact, depth);
    }
    if (a.kind === 'FUNC_PROTO' && b.kind === 'FUNC_PROTO') {
      if (a.params.length !== b.params.length) {
        return `incompatible number of params ${a.params.length} and ${b.params.length}`;
      }
      for (let i = 0; i < a.params.length; i++) {
        const problem = this.compare(a.params[i].typeId, b.params[i].typeId, exact, depth);
        if (problem !== undefined) return problem;
      }
      return this.compare(a.returnTypeId, b.returnTypeId, exact, depth);
    }
    if ((a.kind === 'STRUCT' || a.kind === 'UNION') && (b.kind === 'STRUCT' || b.kind === 'UNION')) {
      if (!exact) return undefined;
      if (a.members.length !== b.members.length) {
        return `incompatible number of ${a.kind} fields ${a.members.length} and ${b.members.length}`;
      }
      for (let i = 0; i < a.members.length; i++) {
        const [left, right] = [a.members[i], b.members[i]];
        if (left.name !== right.name) return `incompatible field #${i} names '${left.name}' and '${right.name}'`;
        if (left.bitOffset !== right.bitOffset) return `incompatible field #${i} ('${left.name}') offsets`;
        const problem = this.compare(left.typeId, right.typeId, exact, depth);
        if (problem !== undefined) return problem;
      }
      return undefined;
    }
    return a.kind === 'VOID' || a.kind === 'FWD' ? undefined : `unsupported BTF kind ${a.kind}`;
  }
}

function forwardMismatch(a: BtfType, b: BtfType): string | undefined {
  const [forward, full] = a.kind === 'FWD' ? [a, b] : [b, a];
  if (a.name !== b.name) return `incompatible forward declaration names '${a.name}' and '${b.name}'`;
  if (forward.kind === 'FWD' && forward.of.toUpperCase() === full.kind) return undefined;
  return `incompatible forward declaration and concrete kind ${full.kind}`;
}

/** Compares two declarations of a map. Source: `tools/lib/bpf/linker.c: map_defs_match`. */
export function mapMismatch(name: string, a: TypeRef, b: TypeRef, where: Where): string | undefined {
  return draftMismatch(draftOf(name, a, where), draftOf(name, b, where), a.btf, b.btf);
}

function draftOf(name: string, { btf, id }: TypeRef, where: Where): BtfMapDraft {
  const variable = btf.typeById(id);
  const struct = variable.kind === 'VAR' ? btf.typeById(btf.skipModifiers(variable.typeId)) : variable;
  if (struct.kind !== 'STRUCT') throw objectError('object.link', { ...where, name }, 'invalid map definition');
  return readMapStruct(btf, struct, name, { ...where, name }, []);
}

const PLAIN = [
  ['type', 'type'],
  ['keySizeBytes', 'key_size'],
  ['valueSizeBytes', 'value_size'],
  ['maxEntries', 'max_entries'],
  ['flags', 'map_flags'],
  ['numaNode', 'numa_node'],
  ['pinning', 'pinning'],
] as const;

function draftMismatch(a: BtfMapDraft, b: BtfMapDraft, btfA: Btf, btfB: Btf): string | undefined {
  for (const [field, name] of PLAIN) if (a[field] !== b[field]) return `map ${name} mismatch`;
  for (const [field, name] of [
    ['keyTypeId', 'key type'],
    ['valueTypeId', 'value type'],
  ] as const) {
    if ((a[field] === 0) !== (b[field] === 0)) return `map ${name} mismatch`;
    if (a[field] !== 0 && typeMismatch({ btf: btfA, id: a[field] }, { btf: btfB, id: b[field] }) !== undefined) {
      return `map ${name} mismatch`;
    }
  }
  if ((a.inner === undefined) !== (b.inner === undefined)) return 'map inner map mismatch';
  return a.inner === undefined || b.inner === undefined ? undefined : draftMismatch(a.inner, b.inner, btfA, btfB);
}
