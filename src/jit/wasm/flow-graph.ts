/**
 * A control-flow graph in arrays: the successors of node n are `succ[first[n] .. first[n + 1])`. Node 0 is the entry.
 * No edge leads to the entry. Of a conditional jump the first successor is where it jumps to, the second what follows.
 */
export interface FlowGraph {
  readonly count: number;
  readonly first: Int32Array;
  readonly succ: Int32Array;
}

/** Edges turned round. */
export function predecessors(graph: FlowGraph): FlowGraph {
  const { count, first, succ } = graph;
  const at = new Int32Array(count + 2);
  for (let e = 0; e < first[count]; e++) at[succ[e] + 2]++;
  for (let n = 0; n < count; n++) at[n + 2] += at[n + 1];
  const back = new Int32Array(first[count]);
  for (let n = 0; n < count; n++) for (let e = first[n]; e < first[n + 1]; e++) back[at[succ[e] + 1]++] = n;
  return { count, first: at.subarray(0, count + 1), succ: back };
}

/** A depth-first walk from the entry. */
export interface Walk {
  /** Nodes reached. */
  readonly reached: number;
  /** Nodes in the order they were met, and each node's place in it, or -1. */
  readonly order: Int32Array;
  readonly place: Int32Array;
  /** Node each was met from, by node. */
  readonly parent: Int32Array;
  /** Nodes so that every edge but retreating ones leads forward, and each node's place there, or -1. */
  readonly rpo: Int32Array;
  readonly number: Int32Array;
}

/** Walks the graph without recursion, the first successor first, so that in `rpo` what the last leads to comes first. */
export function walkGraph(graph: FlowGraph): Walk {
  const { count, first, succ } = graph;
  const order = new Int32Array(count);
  const place = new Int32Array(count).fill(-1);
  const parent = new Int32Array(count).fill(-1);
  const post = new Int32Array(count);
  const next = new Int32Array(count);
  const stack = new Int32Array(count);
  let met = 0;
  let left = 0;
  let depth = 0;
  const meet = (node: number): void => {
    place[node] = met;
    order[met++] = node;
    next[node] = first[node];
    stack[depth++] = node;
  };
  if (count > 0) meet(0);
  while (depth > 0) {
    const node = stack[depth - 1];
    if (next[node] === first[node + 1]) {
      post[left++] = node;
      depth--;
      continue;
    }
    const to = succ[next[node]++];
    if (place[to] >= 0) continue;
    parent[to] = node;
    meet(to);
  }
  const rpo = post.subarray(0, left).reverse();
  const number = new Int32Array(count).fill(-1);
  for (let i = 0; i < left; i++) number[rpo[i]] = i;
  return { reached: met, order: order.subarray(0, met), place, parent, rpo, number };
}
