import { InternalError } from '../../util/index.ts';
import type { Code } from './code.ts';
import type { FlowGraph } from './flow-graph.ts';
import * as w from './opcodes.ts';
import { makeReducible } from './reducible.ts';

/** What a graph's nodes are made of. */
export interface NodeWriter {
  /** The node without its jump; of a node without successors all of it, ending in `return` or `unreachable`. */
  node(node: number): void;
  /** Of a node with two successors: leaves an i32 on the stack, not 0 to go to the first. */
  condition(node: number): void;
}

// What is left to do, on a stack of its own: input decides how deep it gets.
const TREE = 0;
const JUMP = 1;
const ELSE = 2;
const END = 3;

const IF_LABEL = -1;

/**
 * Writes a control-flow graph as nested blocks and loops, each node once (N. Ramsey, "Beyond Relooper", ICFP 2022): what a
 * node dominates is inside of it; nodes met from several sides follow blocks that jumps leave; jumps back repeat loops.
 *
 * ```
 *   node with merge nodes m1, m2 below it (m2 later in reverse postorder):
 *   [loop] block block NODE… end m1… end m2… [end]
 * ```
 *
 * @param graph node 0 is the entry, no edge leads there; a node has at most two successors
 * @param labelLocal an i32 local for dispatchers of loops that have several entrances
 */
export function writeStructured(input: FlowGraph, code: Code, writer: NodeWriter, labelLocal: number): void {
  new Structure(input, code, writer, labelLocal).write();
}

class Structure {
  readonly #code: Code;
  readonly #writer: NodeWriter;
  readonly #labelLocal: number;
  readonly #graph: FlowGraph;
  readonly #input: FlowGraph;
  readonly #number: Int32Array;
  readonly #dispatcher: number;
  readonly #label: Int32Array;
  readonly #isLoop: Uint8Array;
  /** Follows a block of its own instead of the one jump that leads to it. */
  readonly #isMerge: Uint8Array;
  /** Merge nodes a node dominates at once, the last in reverse postorder first: lists. */
  readonly #child: Int32Array;
  readonly #sibling: Int32Array;
  /** Open blocks, loops and ifs: the node that follows a block, or IF_LABEL, or another negative number for loops. */
  readonly #open: Int32Array;
  /** For each open one the nearest at or below it that is no if. */
  readonly #solid: Int32Array;
  #depth = 0;
  /** By node: where its block or loop is in `#open`. */
  readonly #labelAt: Int32Array;
  readonly #work: Int32Array;
  #workLength = 0;

  constructor(input: FlowGraph, code: Code, writer: NodeWriter, labelLocal: number) {
    const { graph, walk, idom, dispatcher, label } = makeReducible(input);
    const { count, first, succ } = graph;
    const { rpo, number } = walk;
    this.#input = input;
    this.#code = code;
    this.#writer = writer;
    this.#labelLocal = labelLocal;
    this.#graph = graph;
    this.#number = number;
    this.#dispatcher = dispatcher;
    this.#label = label;
    this.#isLoop = new Uint8Array(count);
    this.#isMerge = new Uint8Array(count);
    this.#child = new Int32Array(count).fill(-1);
    this.#sibling = new Int32Array(count).fill(-1);
    this.#labelAt = new Int32Array(count);
    this.#open = new Int32Array(3 * count + 1);
    this.#solid = new Int32Array(3 * count + 1);
    // A node adds at most itself, the ends of its block, loop and if, the other arm and its two jumps.
    this.#work = new Int32Array(3 * (8 * count + 8));
    const forward = new Int32Array(count);
    for (let i = 0; i < rpo.length; i++) {
      const node = rpo[i];
      for (let e = first[node]; e < first[node + 1]; e++) {
        const to = succ[e];
        if (number[to] <= i) this.#isLoop[to] = 1;
        else if (++forward[to] > 1 || node === dispatcher) this.#isMerge[to] = 1;
      }
    }
    for (let i = 1; i < rpo.length; i++) {
      const node = rpo[i];
      if (this.#isMerge[node] === 0) continue;
      this.#sibling[node] = this.#child[idom[node]];
      this.#child[idom[node]] = node;
    }
  }

  write(): void {
    this.#push(TREE, 0, 0);
    while (this.#workLength > 0) {
      const at = (this.#workLength -= 3);
      const a = this.#work[at + 1];
      switch (this.#work[at]) {
        case TREE:
          this.#tree(a);
          break;
        case JUMP:
          this.#jump(a, this.#work[at + 2]);
          break;
        case ELSE:
          this.#code.op(w.ELSE);
          break;
        default:
          this.#depth--;
          this.#code.op(w.END);
      }
    }
  }

  #push(what: number, a: number, b: number): void {
    const at = this.#workLength;
    this.#work[at] = what;
    this.#work[at + 1] = a;
    this.#work[at + 2] = b;
    this.#workLength = at + 3;
  }

  #enter(opcode: number, label: number): void {
    const at = this.#depth++;
    this.#code.open(opcode);
    this.#open[at] = label;
    this.#solid[at] = label === IF_LABEL && at > 0 ? this.#solid[at - 1] : at;
  }

  #tree(node: number): void {
    const loop = this.#isLoop[node] === 1;
    if (loop) {
      this.#push(END, 0, 0);
      this.#labelAt[node] = this.#depth;
      this.#enter(w.LOOP, IF_LABEL - 1);
    }
    for (let child = this.#child[node]; child >= 0; child = this.#sibling[child]) {
      this.#push(TREE, child, 0);
      this.#push(END, 0, 0);
      this.#labelAt[child] = this.#depth;
      this.#enter(w.BLOCK, child);
    }
    if (node === this.#dispatcher) this.#dispatch(node);
    else this.#leave(node);
  }

  #dispatch(node: number): void {
    const { first, succ } = this.#graph;
    const depths = new Int32Array(first[node + 1] - first[node] + 1);
    for (let e = first[node]; e < first[node + 1]; e++) depths[e - first[node]] = this.#depthOf(succ[e]);
    depths[depths.length - 1] = depths[0];
    this.#code.get(this.#labelLocal);
    this.#code.brTable(depths);
  }

  /** The node's own code and where it goes on. */
  #leave(node: number): void {
    const { first, succ } = this.#input;
    this.#writer.node(node);
    const at = first[node];
    const ways = first[node + 1] - at;
    if (ways === 0) return;
    const taken = succ[at];
    if (ways === 1 || succ[at + 1] === taken) {
      this.#jump(node, taken);
      return;
    }
    if (ways > 2) throw new InternalError(`node ${node} has ${ways} successors`);
    const next = succ[at + 1];
    this.#writer.condition(node);
    if (this.#plainBranch(node, taken)) {
      this.#code.brIf(this.#depthOf(taken));
      this.#jump(node, next);
    } else if (this.#plainBranch(node, next)) {
      this.#code.op(w.I32_EQZ);
      this.#code.brIf(this.#depthOf(next));
      this.#jump(node, taken);
    } else {
      this.#enter(w.IF, IF_LABEL);
      this.#push(END, 0, 0);
      this.#push(JUMP, node, next);
      this.#push(ELSE, 0, 0);
      this.#push(JUMP, node, taken);
    }
  }

  #depthOf(node: number): number {
    return this.#depth - 1 - this.#labelAt[node];
  }

  /** Whether going there takes a branch, rather than being where the node is written. */
  #branches(from: number, to: number): boolean {
    return this.#isMerge[to] === 1 || this.#number[to] <= this.#number[from];
  }

  #plainBranch(from: number, to: number): boolean {
    return this.#label[to] < 0 && this.#branches(from, to);
  }

  #jump(from: number, target: number): void {
    let to = target;
    if (this.#label[target] >= 0) {
      this.#code.i32(this.#label[target]);
      this.#code.set(this.#labelLocal);
      to = this.#dispatcher;
    }
    if (!this.#branches(from, to)) {
      this.#push(TREE, to, 0);
      return;
    }
    // Everything open inside of its block ends here: the way leads there by itself.
    const inside = this.#depth - 1;
    if (this.#open[this.#solid[inside]] !== to) this.#code.br(this.#depthOf(to));
  }
}
