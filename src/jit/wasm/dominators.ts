import { type FlowGraph, predecessors, type Walk } from './flow-graph.ts';

/**
 * The immediate dominator of each node, -1 for the entry and for nodes never reached. Lengauer and Tarjan's algorithm with
 * path compression ("A Fast Algorithm for Finding Dominators in a Flowgraph", 1979): O(m log n) whatever the graph.
 */
export function immediateDominators(graph: FlowGraph, { order, place, parent }: Walk): Int32Array {
  const { count } = graph;
  const back = predecessors(graph);
  // By place in the order of the walk.
  const n = order.length;
  const semi = Int32Array.from({ length: n }, (_, i) => i);
  const label = semi.slice();
  const ancestor = new Int32Array(n).fill(-1);
  const dom = new Int32Array(n);
  // Nodes whose semidominator is i: lists.
  const bucket = new Int32Array(n).fill(-1);
  const bucketNext = new Int32Array(n).fill(-1);
  const path = new Int32Array(n);

  const best = (v: number): number => {
    if (ancestor[v] < 0) return v;
    let depth = 0;
    for (let at = v; ancestor[ancestor[at]] >= 0; at = ancestor[at]) path[depth++] = at;
    while (depth > 0) {
      const at = path[--depth];
      const up = ancestor[at];
      if (semi[label[up]] < semi[label[at]]) label[at] = label[up];
      ancestor[at] = ancestor[up];
    }
    return label[v];
  };

  for (let v = n - 1; v > 0; v--) {
    const node = order[v];
    const up = place[parent[node]];
    for (let e = back.first[node]; e < back.first[node + 1]; e++) {
      const from = place[back.succ[e]];
      if (from < 0) continue;
      const by = semi[best(from)];
      if (by < semi[v]) semi[v] = by;
    }
    bucketNext[v] = bucket[semi[v]];
    bucket[semi[v]] = v;
    ancestor[v] = up;
    for (let member = bucket[up]; member >= 0; member = bucketNext[member]) {
      const by = best(member);
      dom[member] = semi[by] < semi[member] ? by : up;
    }
    bucket[up] = -1;
  }
  const idom = new Int32Array(count).fill(-1);
  for (let v = 1; v < n; v++) {
    if (dom[v] !== semi[v]) dom[v] = dom[dom[v]];
    idom[order[v]] = order[dom[v]];
  }
  return idom;
}

/** The dominator tree, with answers in constant time. */
export interface DominatorTree {
  readonly idom: Int32Array;
  dominates(a: number, b: number): boolean;
  /** The node nearest to all of these that dominates them all; of none, -1. */
  common(nodes: Iterable<number>): number;
}

export function dominatorTree(graph: FlowGraph, walk: Walk): DominatorTree {
  const idom = immediateDominators(graph, walk);
  const { count } = graph;
  const { rpo, number } = walk;
  // Preorder intervals, from subtree sizes: parents come before children in reverse postorder.
  const size = new Int32Array(count);
  const start = new Int32Array(count);
  const used = new Int32Array(count);
  for (let i = rpo.length - 1; i > 0; i--) size[idom[rpo[i]]] += ++size[rpo[i]];
  for (let i = 1; i < rpo.length; i++) {
    const node = rpo[i];
    const up = idom[node];
    start[node] = start[up] + 1 + used[up];
    used[up] += size[node];
  }
  if (rpo.length > 0) size[rpo[0]]++;
  return {
    idom,
    dominates: (a, b) => start[b] >= start[a] && start[b] < start[a] + size[a],
    common(nodes) {
      // The first and the last in preorder say where all of them hang.
      let x = -1;
      let y = -1;
      for (const node of nodes) {
        if (x < 0 || start[node] < start[x]) x = node;
        if (y < 0 || start[node] > start[y]) y = node;
      }
      while (x !== y) {
        if (number[x] > number[y]) x = idom[x];
        else y = idom[y];
      }
      return x;
    },
  };
}
