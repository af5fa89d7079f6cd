import type { Btf } from './btf.ts';
import { isIn, K, KIND_ROWS, kindMask } from './kind.ts';

/** Kinds that are things rather than types: each stays itself, however alike two are. */
const NEVER_EQUAL = kindMask(K.VAR, K.DATASEC);
const FOLD = 2 ** 26;

/** Numbers sequences of small integers exactly: equal sequences, and only those, get equal numbers. */
class Interner {
  readonly #known = new Map<number, number>();
  #next = 1;

  /** Number of the sequence numbered `prefix` followed by `value`; both below 2^26. */
  fold(prefix: number, value: number): number {
    const key = prefix * FOLD + value;
    let found = this.#known.get(key);
    if (found === undefined) {
      found = this.#next++;
      this.#known.set(key, found);
    }
    return found;
  }
}

class Numbering<T> {
  readonly #known = new Map<T, number>();

  of(value: T): number {
    let found = this.#known.get(value);
    if (found === undefined) {
      found = this.#known.size + 1;
      this.#known.set(value, found);
    }
    return found;
  }
}

/** One type of one input. */
export interface TypeNode {
  readonly input: number;
  readonly id: number;
}

/**
 * The types of several BTFs as one graph, for finding which are the same type. Node 0 is void; nodes below `firstOwn`
 * are the types of the common base, each itself.
 */
export class TypeGraph {
  readonly inputs: readonly Btf[];
  readonly firstOwn: number;
  readonly nodes: readonly TypeNode[];
  /** Everything about a node but its references, as a number. */
  readonly #shapes: Int32Array;
  readonly #edgeStart: Int32Array;
  readonly #edges: Int32Array;
  /** First node of each input. */
  readonly #offsets: number[] = [];

  constructor(inputs: readonly Btf[]) {
    this.inputs = inputs;
    this.firstOwn = inputs[0]?.startId ?? 1;
    const nodes: TypeNode[] = Array.from({ length: this.firstOwn }, (_, id) => ({ input: 0, id }));
    inputs.forEach((btf, input) => {
      this.#offsets.push(nodes.length - btf.startId);
      for (let id = btf.startId; id < btf.typeCount; id++) nodes.push({ input, id });
    });
    this.nodes = nodes;
    this.#shapes = new Int32Array(nodes.length);
    this.#edgeStart = new Int32Array(nodes.length + 1);
    const edges: number[] = [];
    const names = new Numbering<string>();
    const values = new Numbering<number>();
    const interner = new Interner();
    let unique = 0;
    nodes.forEach(({ input, id }, node) => {
      const btf = inputs[input];
      if (node < this.firstOwn || isIn(NEVER_EQUAL, btf.types.kind(id))) this.#shapes[node] = -++unique;
      if (node >= this.firstOwn) {
        let shape = 0;
        const put = (value: number): void => {
          shape = interner.fold(shape, value);
        };
        this.#describe(
          btf,
          id,
          text => put(names.of(text)),
          value => put(values.of(value)),
          target => edges.push(this.nodeOf(input, target)),
        );
        if (this.#shapes[node] === 0) this.#shapes[node] = shape;
      }
      this.#edgeStart[node + 1] = edges.length;
    });
    this.#edges = Int32Array.from(edges);
  }

  nodeOf(input: number, id: number): number {
    return id < this.firstOwn ? id : this.#offsets[input] + id;
  }

  shape(node: number): number {
    return this.#shapes[node];
  }

  /** Sorts the words of a type into names, plain values and references. */
  #describe(
    btf: Btf,
    id: number,
    name: (text: string) => void,
    value: (value: number) => void,
    edge: (id: number) => void,
  ): void {
    const { types } = btf;
    const kind = types.kind(id);
    const row = KIND_ROWS[kind];
    value(kind);
    value(types.vlen(id));
    value(types.kindFlag(id) ? 1 : 0);
    name(btf.nameOf(id));
    if (row === undefined) return;
    if (row.third === 'type') edge(types.third(id));
    else if (row.third === 'size') value(types.third(id));
    for (let word = 0; word < row.fixedWords; word++) {
      if (kind === K.ARRAY && word < 2) edge(types.extra(id, word));
      else value(types.extra(id, word));
    }
    const words = row.itemWords * (row.itemWords === 0 ? 0 : types.vlen(id));
    for (let at = 0; at < words; at++) {
      const word = types.extra(id, at);
      const place = at % row.itemWords;
      if (place === row.itemName) name(btf.stringAt(word));
      else if (place === row.itemType) edge(word);
      else value(word);
    }
  }

  /**
   * Divides the nodes into classes of equal types: the coarsest division in which equal nodes have equal shapes and
   * refer to equal nodes, so that types that refer to themselves are equal if their unfoldings are. `alias` names the
   * node a reference to another one really means.
   */
  classes(alias: Int32Array): Int32Array {
    let classes: Int32Array = this.#shapes.slice();
    let count = renumber(classes);
    for (;;) {
      const interner = new Interner();
      const next = new Int32Array(classes.length);
      for (let node = 0; node < next.length; node++) {
        let folded = interner.fold(0, classes[node]);
        for (let at = this.#edgeStart[node]; at < this.#edgeStart[node + 1]; at++) {
          folded = interner.fold(folded, classes[alias[this.#edges[at]]]);
        }
        next[node] = folded;
      }
      const nextCount = renumber(next);
      classes = next;
      if (nextCount === count) return classes;
      count = nextCount;
    }
  }
}

/** Makes the numbers 1, 2, … in the order of their first appearance; returns how many there are. */
function renumber(classes: Int32Array): number {
  const numbering = new Map<number, number>();
  for (let i = 0; i < classes.length; i++) {
    let found = numbering.get(classes[i]);
    if (found === undefined) {
      found = numbering.size + 1;
      numbering.set(classes[i], found);
    }
    classes[i] = found;
  }
  return numbering.size;
}
