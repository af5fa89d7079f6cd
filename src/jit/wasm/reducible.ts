import { type DominatorTree, dominatorTree } from './dominators.ts';
import { type FlowGraph, type Walk, walkGraph } from './flow-graph.ts';

/** A graph whose every loop has one entrance. */
export interface ReducibleGraph {
  readonly graph: FlowGraph;
  readonly walk: Walk;
  readonly idom: Int32Array;
  /** The node put in to dispatch to others, or -1. Its successors are in the order of their labels. */
  readonly dispatcher: number;
  /** By node of the graph given: the label to set before going to the dispatcher instead of there, or -1. */
  readonly label: Int32Array;
}

/** Rounds until every retreating edge goes through the dispatcher; compilers' code takes none, odd code two or three. */
const ROUNDS = 8;

/** Calls `found` with each edge that goes back to a node which does not dominate where it comes from. */
function badEdges(graph: FlowGraph, { rpo, number }: Walk, tree: DominatorTree, found: (u: number, v: number) => void) {
  for (let i = 0; i < rpo.length; i++) {
    const from = rpo[i];
    for (let e = graph.first[from]; e < graph.first[from + 1]; e++) {
      const to = graph.succ[e];
      if (number[to] <= i && !tree.dominates(to, from)) found(from, to);
    }
  }
}

/** The graph with a node more, through which go all edges into `targets`. */
function dispatched(graph: FlowGraph, targets: readonly number[], label: Int32Array): FlowGraph {
  const { count } = graph;
  const edges = graph.first[count];
  const first = new Int32Array(count + 2);
  first.set(graph.first);
  first[count + 1] = edges + targets.length;
  const succ = new Int32Array(edges + targets.length);
  for (let e = 0; e < edges; e++) succ[e] = label[graph.succ[e]] >= 0 ? count : graph.succ[e];
  succ.set(targets, edges);
  return { count: count + 1, first, succ };
}

/**
 * Gives loops with several entrances one: a dispatcher at the node that dominates the region all of them lie in, with a
 * label that says where to go on. What lies outside of that region stays as it is. Time and memory are linear in the graph.
 */
export function makeReducible(graph: FlowGraph): ReducibleGraph {
  const walk = walkGraph(graph);
  const tree = dominatorTree(graph, walk);
  const label = new Int32Array(graph.count).fill(-1);
  // Both ends of every bad edge, in the graph as it is; and the ends that need a label.
  const region = new Set<number>();
  const heads = new Set<number>();
  let now = { graph, walk, tree };
  for (let round = 0; ; round++) {
    let found = false;
    badEdges(now.graph, now.walk, now.tree, (from, to) => {
      found = true;
      region.add(from).add(to);
      heads.add(to);
    });
    if (!found) {
      const dispatcher = heads.size === 0 ? -1 : graph.count;
      return { graph: now.graph, walk: now.walk, idom: now.tree.idom, dispatcher, label };
    }
    if (round === ROUNDS) {
      for (let i = 0; i < walk.rpo.length; i++) {
        const from = walk.rpo[i];
        for (let e = graph.first[from]; e < graph.first[from + 1]; e++) {
          const to = graph.succ[e];
          if (walk.number[to] > i) continue;
          region.add(from).add(to);
          heads.add(to);
        }
      }
    }
    const targets = [...new Set(heads).add(tree.common(region))].sort((a, b) => walk.number[a] - walk.number[b]);
    label.fill(-1);
    targets.forEach((node, i) => {
      label[node] = i;
    });
    const next = dispatched(graph, targets, label);
    const nextWalk = walkGraph(next);
    now = { graph: next, walk: nextWalk, tree: dominatorTree(next, nextWalk) };
  }
}
