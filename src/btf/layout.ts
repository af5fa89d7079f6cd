import { COMPOSITE_MASK, isIn, K, kindMask, MODIFIER_MASK } from './kind.ts';
import type { TypeTable } from './type-table.ts';

/** How many types deep a size is looked for, as libbpf and the kernel do. */
export const MAX_RESOLVE_DEPTH = 32;
/** How many typedefs and qualifiers may follow one another before it is taken for a loop. */
const MAX_MODIFIERS = 1024;
/** How deep structs may nest by value when alignment is computed. */
const MAX_NESTING = 256;
const UINT32_MAX = 0xffffffff;

/** Reasons why a type has no size. */
export type NoSize = 'no-size' | 'too-deep' | 'too-large';

const SIZED = kindMask(K.INT, K.STRUCT, K.UNION, K.ENUM, K.ENUM64, K.DATASEC, K.FLOAT);
const TRANSPARENT = MODIFIER_MASK | kindMask(K.VAR, K.DECL_TAG);
const SCALAR = kindMask(K.INT, K.ENUM, K.ENUM64, K.FLOAT);

/** The type under typedefs and qualifiers; -1 if they form a loop. */
export function skipModifiers(types: TypeTable, id: number): number {
  let at = id;
  for (let depth = 0; depth < MAX_MODIFIERS; depth++) {
    if (!isIn(MODIFIER_MASK, types.kind(at))) return at;
    at = types.third(at);
  }
  return -1;
}

/**
 * Size in bytes of a type through typedefs, qualifiers and arrays, or why there is none. Source: `tools/lib/bpf/btf.c:
 * btf__resolve_size`.
 */
export function resolveSize(types: TypeTable, id: number, pointerSizeBytes: number): number | NoSize {
  let at = id;
  let nelems = 1;
  for (let depth = 0; depth < MAX_RESOLVE_DEPTH && at !== 0; depth++) {
    const kind = types.kind(at);
    if (isIn(SIZED, kind) || kind === K.PTR) {
      const size = nelems * (kind === K.PTR ? pointerSizeBytes : types.third(at));
      return size > UINT32_MAX ? 'too-large' : size;
    }
    if (kind === K.ARRAY) {
      nelems *= types.extra(at, 2);
      if (nelems > UINT32_MAX) return 'too-large';
      at = types.extra(at, 0);
    } else if (isIn(TRANSPARENT, kind)) at = types.third(at);
    else return 'no-size';
  }
  return at === 0 ? 'no-size' : 'too-deep';
}

/**
 * Alignments in bytes as C on the target has them, judged from offsets and sizes (a struct whose members are not
 * aligned is packed and has alignment 1). Source: `tools/lib/bpf/btf.c: btf__align_of`.
 */
export class Alignments {
  readonly #types: TypeTable;
  readonly #pointerSizeBytes: number;
  /** Known alignments of structs and unions; -1 while one is being computed. */
  readonly #known = new Map<number, number>();

  constructor(types: TypeTable, pointerSizeBytes: number) {
    this.#types = types;
    this.#pointerSizeBytes = pointerSizeBytes;
  }

  /** 0 if the type has no alignment: void, functions, forward declarations, types that contain themselves. */
  of(id: number, depth = 0): number {
    const types = this.#types;
    let at = id;
    for (let steps = 0; steps < MAX_MODIFIERS; steps++) {
      const kind = types.kind(at);
      if (kind === K.ARRAY) at = types.extra(at, 0);
      else if (isIn(MODIFIER_MASK, kind)) at = types.third(at);
      else if (isIn(SCALAR, kind)) return Math.min(this.#pointerSizeBytes, types.third(at));
      else if (kind === K.PTR) return this.#pointerSizeBytes;
      else if (isIn(COMPOSITE_MASK, kind)) return this.#ofComposite(at, depth);
      else return 0;
    }
    return 0;
  }

  #ofComposite(id: number, depth: number): number {
    const known = this.#known.get(id);
    if (known !== undefined) return Math.max(0, known);
    if (depth >= MAX_NESTING) return 0;
    this.#known.set(id, -1);
    const align = this.#compute(id, depth);
    this.#known.set(id, align);
    return align;
  }

  #compute(id: number, depth: number): number {
    const types = this.#types;
    let max = 1;
    for (let i = 0; i < types.vlen(id); i++) {
      const align = this.of(types.item(id, i, 1), depth + 1);
      if (align === 0) return 0;
      max = Math.max(max, align);
      if (types.memberBitSize(id, i) === 0 && types.memberBitOffset(id, i) % (8 * align) !== 0) return 1;
    }
    return types.third(id) % max === 0 ? max : 1;
  }
}

/** Names compilers give the integer whose size is that of a pointer. */
const LONG_NAMES: ReadonlySet<string> = new Set([
  'long',
  'long int',
  'int long',
  'unsigned long',
  'long unsigned',
  'unsigned long int',
  'unsigned int long',
  'long unsigned int',
  'long int unsigned',
  'int unsigned long',
  'int long unsigned',
]);

/**
 * Pointer size in bytes guessed from the first `long`-like integer of 4 or 8 bytes; undefined if there is none.
 * Source: `tools/lib/bpf/btf.c: determine_ptr_size`.
 */
export function guessPointerSize(types: TypeTable, nameAt: (off: number) => string | undefined): 4 | 8 | undefined {
  for (let id = 1; id < types.endId; id++) {
    if (types.kind(id) !== K.INT) continue;
    const size = types.third(id);
    if ((size === 4 || size === 8) && LONG_NAMES.has(nameAt(types.nameOff(id)) ?? '')) return size;
  }
  return undefined;
}
