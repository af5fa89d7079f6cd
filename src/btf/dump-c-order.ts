import type { Btf } from './btf.ts';
import { btfError } from './header.ts';
import { COMPOSITE_MASK, isIn, K, KIND_ROWS } from './kind.ts';
import type { TypeTable } from './type-table.ts';

/**
 * Bounds of a dump, so that no input can exhaust stack or time: how deep types may nest, and how many steps a dump may
 * take for each word of BTF.
 */
const MAX_DEPTH = 600;
const STEPS_PER_WORD = 16;
const MIN_STEPS = 1 << 20;

/** Counts the steps and the depth of one dump; throws `btf.too-deep` and `btf.too-large`. */
export class DumpBudget {
  readonly #btf: Btf;
  #steps: number;
  #depth = 0;

  constructor(btf: Btf) {
    this.#btf = btf;
    let words = 0;
    for (let at: Btf | undefined = btf; at !== undefined; at = at.base) words += at.types.words.length;
    this.#steps = MIN_STEPS + STEPS_PER_WORD * words;
  }

  step(id: number): void {
    if (--this.#steps >= 0) return;
    throw btfError('btf.too-large', this.#btf.where, `the C text of type [${id}] and others is too long`);
  }

  /** Runs `body` one level deeper. */
  enter<T>(id: number, body: () => T): T {
    this.step(id);
    if (this.#depth >= MAX_DEPTH) {
      throw btfError('btf.too-deep', this.#btf.where, `types nest too deep at [${id}]`, `${MAX_DEPTH} levels at most`);
    }
    this.#depth++;
    try {
      return body();
    } finally {
      this.#depth--;
    }
  }
}

/** Which types any other type refers to, by id. An anonymous enum nobody refers to stands on its own in C. */
export function findReferenced(types: TypeTable): Uint8Array {
  const referenced = new Uint8Array(types.endId);
  for (let id = 1; id < types.endId; id++) {
    const kind = types.kind(id);
    const row = KIND_ROWS[kind];
    if (row === undefined) continue;
    if (row.third === 'type') referenced[types.third(id)] = 1;
    if (kind === K.ARRAY) {
      referenced[types.extra(id, 0)] = 1;
      referenced[types.extra(id, 1)] = 1;
    }
    if (row.itemType < 0) continue;
    for (let i = 0; i < types.vlen(id); i++) referenced[types.item(id, i, row.itemType)] = 1;
  }
  return referenced;
}

const ORDERING = 1;
const ORDERED = 2;

/**
 * Puts definitions in an order C accepts: what a type holds by value comes before it; what it only points to may come
 * later, behind a forward declaration. A link through a pointer is weak unless everything behind the pointer is
 * anonymous and therefore written in place. Source of the order: `tools/lib/bpf/btf_dump.c: btf_dump_order_type`.
 */
export class DefinitionOrder {
  readonly #btf: Btf;
  readonly #types: TypeTable;
  readonly #referenced: Uint8Array;
  readonly #budget: DumpBudget;
  readonly #state: Uint8Array;
  #queue: number[] = [];

  constructor(btf: Btf, budget: DumpBudget) {
    this.#btf = btf;
    this.#types = btf.types;
    this.#budget = budget;
    this.#referenced = findReferenced(btf.types);
    this.#state = new Uint8Array(btf.typeCount);
    this.#state[0] = ORDERED;
  }

  /** The definitions a type needs that no earlier call returned, itself last. Throws `btf.loop`. */
  definitionsFor(id: number): number[] {
    this.#queue = [];
    this.#visit(id, false);
    return this.#queue;
  }

  /** True if whoever refers to the type needs its definition first. */
  #visit(id: number, throughPtr: boolean): boolean {
    if (this.#state[id] === ORDERED) return true;
    const types = this.#types;
    const kind = types.kind(id);
    const named = types.nameOff(id) !== 0;
    if (this.#state[id] === ORDERING) {
      if (isIn(COMPOSITE_MASK, kind) && throughPtr && named) return false;
      throw btfError('btf.loop', this.#btf.where, `type [${id}] contains itself by value`, 'a pointer in between');
    }
    return this.#budget.enter(id, () => this.#order(id, kind, named, throughPtr));
  }

  #order(id: number, kind: number, named: boolean, throughPtr: boolean): boolean {
    const types = this.#types;
    switch (kind) {
      case K.PTR: {
        const strong = this.#visit(types.third(id), true);
        this.#state[id] = ORDERED;
        return strong;
      }
      case K.ARRAY:
        return this.#visit(types.extra(id, 0), false);
      case K.STRUCT:
      case K.UNION:
        if (throughPtr && named) return false;
        this.#state[id] = ORDERING;
        for (let i = 0; i < types.vlen(id); i++) this.#visit(types.item(id, i, 1), false);
        return this.#define(id, named);
      case K.ENUM:
      case K.ENUM64:
      case K.FWD:
        return this.#define(id, named || this.#referenced[id] === 0);
      case K.TYPEDEF:
        return !this.#visit(types.third(id), throughPtr) && throughPtr ? false : this.#define(id, true);
      case K.VOLATILE:
      case K.CONST:
      case K.RESTRICT:
      case K.TYPE_TAG:
        return this.#visit(types.third(id), throughPtr);
      case K.FUNC_PROTO: {
        let strong = this.#visit(types.third(id), throughPtr);
        for (let i = 0; i < types.vlen(id); i++) strong = this.#visit(types.item(id, i, 1), throughPtr) || strong;
        return strong;
      }
      default:
        // Integers and floats need no definition; functions, variables and their like have none here.
        this.#state[id] = ORDERED;
        return false;
    }
  }

  #define(id: number, emit: boolean): true {
    if (emit) this.#queue.push(id);
    this.#state[id] = ORDERED;
    return true;
  }
}
