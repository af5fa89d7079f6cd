import { type Btf, type BtfKind, kindNumber } from '../../btf/index.ts';
import { ERRNO } from '../../uapi/index.ts';

const MAX_RESOLVE_DEPTH = 32;
const { E2BIG, EEXIST, EINVAL } = ERRNO;

const [INT, PTR, ARRAY, STRUCT, UNION, FWD, TYPEDEF, FUNC, FUNC_PROTO, VAR, DATASEC, DECL_TAG] = (
  [
    'INT',
    'PTR',
    'ARRAY',
    'STRUCT',
    'UNION',
    'FWD',
    'TYPEDEF',
    'FUNC',
    'FUNC_PROTO',
    'VAR',
    'DATASEC',
    'DECL_TAG',
  ] as const
).map(kind => kindNumber(kind));
const VOID = 0;
const maskOf = (...kinds: number[]): number => kinds.reduce((mask, kind) => mask | (1 << kind), 0);

const MODIFIERS = maskOf(
  ...(['TYPEDEF', 'VOLATILE', 'CONST', 'RESTRICT', 'TYPE_TAG'] as const).map((kind: BtfKind) => kindNumber(kind)),
);
const COMPOSITES = maskOf(STRUCT, UNION);
const NO_SIZE = maskOf(VOID, FWD, FUNC, FUNC_PROTO, DECL_TAG);
/** Types nothing but a section refers to. */
const SOURCES_ONLY = maskOf(VAR, DECL_TAG, DATASEC);
const TAGGED = maskOf(STRUCT, UNION, FUNC, VAR, TYPEDEF);
const NEED_RESOLVE = MODIFIERS | COMPOSITES | maskOf(PTR, ARRAY, VAR, FUNC, DECL_TAG, DATASEC);
/** Types that need no further look, on the way of a pointer, of a struct or array, and of anything else. */
const SINKS = [~NEED_RESOLVE, ~(MODIFIERS | maskOf(PTR)), ~(MODIFIERS | COMPOSITES | maskOf(ARRAY))] as const;
const TBD = 0;
const OF_PTR = 1;
const OF_STRUCT_OR_ARRAY = 2;
type Mode = typeof TBD | typeof OF_PTR | typeof OF_STRUCT_OR_ARRAY;

const VISITED = 1;
const RESOLVED = 2;

/** What is left to do of a type: it is done. */
const DONE = 0;

class Resolver {
  readonly #btf: Btf;
  /** What libbpf rewrites before the kernel sees it. */
  readonly #rewritten: ReadonlySet<number>;
  readonly #state: Uint8Array;
  /** Where typedefs, qualifiers, pointers and variables lead to. */
  readonly #resolved: Uint32Array;
  readonly #stack = new Int32Array(MAX_RESOLVE_DEPTH);
  readonly #next = new Int32Array(MAX_RESOLVE_DEPTH);
  #top = 0;
  #mode: Mode = TBD;

  constructor(btf: Btf, rewritten: ReadonlySet<number>) {
    this.#btf = btf;
    this.#rewritten = rewritten;
    this.#state = new Uint8Array(btf.typeCount);
    this.#resolved = new Uint32Array(btf.typeCount);
  }

  #is(id: number, mask: number): boolean {
    return ((1 << this.#btf.types.kind(id)) & mask) !== 0;
  }
  /** Needs to be looked at before whoever refers to it. */
  #isOpen(id: number): boolean {
    return !this.#is(id, SINKS[this.#mode]) && this.#state[id] !== RESOLVED;
  }
  /** The type that has the size, through one resolved reference; 0 for none. */
  #sizedId(id: number): number {
    if (this.#is(id, NO_SIZE)) return 0;
    if (!this.#is(id, MODIFIERS | maskOf(VAR))) return id;
    const end = this.#resolved[id];
    return this.#is(end, NO_SIZE | MODIFIERS | maskOf(VAR)) ? 0 : end;
  }

  #push(id: number): number {
    if (this.#top === MAX_RESOLVE_DEPTH) return -E2BIG;
    if (this.#state[id] !== 0) return -EEXIST;
    this.#state[id] = VISITED;
    this.#next[this.#top] = 0;
    this.#stack[this.#top++] = id;
    if (this.#mode === TBD) {
      if (this.#is(id, maskOf(PTR))) this.#mode = OF_PTR;
      else if (this.#is(id, COMPOSITES | maskOf(ARRAY))) this.#mode = OF_STRUCT_OR_ARRAY;
    }
    return 0;
  }

  /** 0, or a negative errno. */
  resolve(id: number): number {
    if (!this.#is(id, NEED_RESOLVE) || this.#state[id] === RESOLVED) return 0;
    this.#mode = TBD;
    this.#top = 0;
    let failed = this.#push(id);
    while (failed === 0 && this.#top > 0) {
      const at = this.#stack[this.#top - 1];
      const step = this.#rewritten.has(at) ? DONE : this.#step(at);
      if (step < 0) failed = step;
      else if (step !== DONE) failed = this.#push(step);
      else {
        this.#state[at] = RESOLVED;
        this.#top--;
      }
    }
    return failed;
  }

  /** The type that has to be resolved first, DONE, or a negative errno. */
  #step(id: number): number {
    if (this.#is(id, MODIFIERS)) return this.#reference(id);
    switch (this.#btf.types.kind(id)) {
      case PTR:
      case VAR:
        return this.#reference(id);
      case ARRAY:
        return this.#array(id);
      case STRUCT:
      case UNION:
        return this.#composite(id);
      case DATASEC:
        return this.#section(id);
      case DECL_TAG:
        return this.#tag(id);
      default:
        this.#resolved[id] = this.#btf.types.third(id);
        return DONE;
    }
  }

  /** Source: `btf_modifier_resolve`, `btf_ptr_resolve`, `btf_var_resolve`. */
  #reference(id: number): number {
    const next = this.#btf.types.third(id);
    if (this.#is(next, SOURCES_ONLY)) return -EINVAL;
    if (this.#isOpen(next)) return next;
    if (!this.#is(id, MODIFIERS) && this.#is(next, MODIFIERS)) {
      // It may have been resolved as far as a pointer only.
      const end = this.#resolved[next];
      if (this.#is(end, maskOf(PTR)) && this.#isOpen(end)) return end;
    }
    let end = this.#sizedId(next);
    if (end === 0) {
      if (this.#is(id, maskOf(VAR))) return -EINVAL;
      end = this.#state[next] === RESOLVED ? this.#resolved[next] : next;
      if (!this.#is(end, maskOf(VOID, FWD, FUNC_PROTO))) return -EINVAL;
    }
    this.#resolved[id] = end;
    return DONE;
  }

  /** Source: `btf_array_resolve`. */
  #array(id: number): number {
    const { types } = this.#btf;
    const elem = types.extra(id, 0);
    const index = types.extra(id, 1);
    if (this.#is(index, NO_SIZE | SOURCES_ONLY)) return -EINVAL;
    if (this.#isOpen(index)) return index;
    if (types.kind(this.#sizedId(index)) !== INT) return -EINVAL;
    if (this.#is(elem, NO_SIZE | SOURCES_ONLY)) return -EINVAL;
    if (this.#isOpen(elem)) return elem;
    if (this.#sizedId(elem) === 0) return -EINVAL;
    const size = this.#btf.trySizeOf(id);
    return typeof size === 'number' ? DONE : -EINVAL;
  }

  /** Source: `btf_struct_resolve`; where members lie is looked at elsewhere. */
  #composite(id: number): number {
    const { types } = this.#btf;
    const count = types.vlen(id);
    for (let i = this.#next[this.#top - 1]; i < count; i++) {
      const member = types.item(id, i, 1);
      if (this.#is(member, NO_SIZE | SOURCES_ONLY)) return -EINVAL;
      if (!this.#isOpen(member)) continue;
      this.#next[this.#top - 1] = i + 1;
      return member;
    }
    return DONE;
  }

  /** Source: `btf_datasec_resolve`. */
  #section(id: number): number {
    const { types } = this.#btf;
    const count = types.vlen(id);
    this.#mode = TBD;
    for (let i = this.#next[this.#top - 1]; i < count; i++) {
      const variable = types.item(id, i, 0);
      if (types.kind(variable) !== VAR) return -EINVAL;
      if (!this.#isOpen(variable)) continue;
      this.#next[this.#top - 1] = i + 1;
      return variable;
    }
    return DONE;
  }

  /** Source: `btf_decl_tag_resolve`. */
  #tag(id: number): number {
    const { types } = this.#btf;
    const target = types.third(id);
    if (this.#rewritten.has(target)) return DONE;
    if (!this.#is(target, TAGGED)) return -EINVAL;
    if (this.#isOpen(target)) return target;
    const component = types.extra(id, 0) | 0;
    if (component === -1) return DONE;
    if (this.#is(target, maskOf(VAR, TYPEDEF))) return -EINVAL;
    const whole = types.kind(target) === FUNC ? types.third(target) : target;
    return component >>> 0 < types.vlen(whole) ? DONE : -EINVAL;
  }
}

/**
 * Follows every reference between types of an object's BTF as the kernel does when it takes it: 0, or a negative errno where
 * one leads to a type of a wrong kind (EINVAL), never ends (EEXIST), or ends too far away (E2BIG). What comes out of BTF that
 * passed can be followed without fear of loops.
 *
 * Source: `kernel/bpf/btf.c: btf_check_all_types, btf_resolve`.
 */
export function btfResolveErrno(btf: Btf, rewritten: ReadonlySet<number>): number {
  const resolver = new Resolver(btf, rewritten);
  for (let id = Math.max(1, btf.startId); id < btf.typeCount; id++) {
    const failed = resolver.resolve(id);
    if (failed !== 0) return failed;
  }
  return 0;
}
