import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { dominatorTree } from './dominators.ts';
import { type FlowGraph, walkGraph } from './flow-graph.ts';
import { ModuleWriter } from './module-writer.ts';
import * as w from './opcodes.ts';
import { makeReducible } from './reducible.ts';
import { writeStructured } from './structure.ts';

/** A graph from its successors; a node is put before them all, as no edge may lead to the entry. */
function graphOf(succs: readonly (readonly number[])[]): FlowGraph {
  const all = [[1], ...succs.map(to => to.map(n => n + 1))];
  const first = new Int32Array(all.length + 1);
  all.forEach((to, n) => {
    first[n + 1] = first[n] + to.length;
  });
  return { count: all.length, first, succ: Int32Array.from(all.flat()) };
}

const succsOf = ({ first, succ }: FlowGraph, node: number): Int32Array => succ.subarray(first[node], first[node + 1]);

class Enough extends Error {}

/** The nodes met when the graph's code runs; `choose` decides, every time, which way to go. */
function runCode(graph: FlowGraph, choose: () => number, most: number): number[] {
  const m = new ModuleWriter();
  const visit = m.import('env', 'visit', 'func', m.type([w.I32], []));
  const ask = m.import('env', 'ask', 'func', m.type([], [w.I32]));
  m.export('run', 'func', m.func(m.type([], [])));
  const code = m.body([[1, w.I32]]);
  writeStructured(
    graph,
    code,
    {
      node(n) {
        code.i32(n);
        code.call(visit);
        if (succsOf(graph, n).length === 0) code.op(w.RETURN);
      },
      condition: () => code.call(ask),
    },
    0,
  );
  code.op(w.UNREACHABLE);
  m.endBody();
  const met: number[] = [];
  const env = {
    visit(n: number) {
      met.push(n);
      if (met.length === most) throw new Enough();
    },
    ask: choose,
  };
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(m.finish()), { env });
  try {
    (exports.run as () => void)();
  } catch (error) {
    if (!(error instanceof Enough)) throw error;
  }
  return met;
}

/** The same by following edges; where both lead to one node, nothing is asked. */
function follow(graph: FlowGraph, choose: () => number, most: number): number[] {
  const met: number[] = [];
  for (let node = 0; ; ) {
    met.push(node);
    const to = succsOf(graph, node);
    if (met.length === most || to.length === 0) return met;
    node = to.length === 1 || to[0] === to[1] || choose() !== 0 ? to[0] : to[1];
  }
}

/** Decisions from a seed. */
function chooser(seed: number): () => number {
  let state = seed | 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state & 4;
  };
}

function expectSame(graph: FlowGraph, seeds: readonly number[], most = 300): void {
  for (const seed of seeds) expect(runCode(graph, chooser(seed), most)).toEqual(follow(graph, chooser(seed), most));
}

const anyGraph = (nodes: number) =>
  fc
    .array(fc.array(fc.nat(), { maxLength: 2 }), { minLength: 1, maxLength: nodes })
    .map(succs => graphOf(succs.map(to => to.map(n => n % succs.length))));

describe('dominators', () => {
  it('are the nodes without which another is not reached', () => {
    fc.assert(
      fc.property(anyGraph(14), graph => {
        const walk = walkGraph(graph);
        const tree = dominatorTree(graph, walk);
        const reachedWithout = (gone: number): Set<number> => {
          const seen = new Set<number>();
          const work = gone === 0 ? [] : [0];
          for (let node = work.pop(); node !== undefined; node = work.pop()) {
            if (seen.has(node) || node === gone) continue;
            seen.add(node);
            work.push(...succsOf(graph, node));
          }
          return seen;
        };
        for (const a of walk.rpo) {
          const seen = reachedWithout(a);
          for (const b of walk.rpo) expect(tree.dominates(a, b)).toBe(!seen.has(b));
        }
      }),
      { numRuns: 150 },
    );
  });
});

describe('structured code goes the graph’s ways', () => {
  it('of any graph', () => {
    fc.assert(
      fc.property(anyGraph(20), fc.array(fc.integer(), { minLength: 3, maxLength: 3 }), (graph, seeds) => {
        expectSame(graph, seeds, 120);
      }),
      { numRuns: 400 },
    );
  });

  it('of loops with two and three entrances, nested, and inside of a good loop', () => {
    const irreducible = [
      [[1, 2], [2], [1]],
      [[1, 4], [2, 4], [3, 1], [1, 2], [2, 5], []],
      // A loop 1..5 with one entrance around one with two (3, 4); 6 leaves.
      [[1], [2, 6], [3, 4], [4], [3, 5], [1], []],
      // The inner loop's second entrance skips the outer head.
      [[1, 2], [2, 5], [3], [2, 4], [1], []],
    ];
    for (const succs of irreducible) {
      const graph = graphOf(succs);
      expect(makeReducible(graph).dispatcher).toBe(graph.count);
      expectSame(graph, [1, 2, 3, 4, 5, 6, 7, 8]);
    }
    const good = makeReducible(graphOf([[1], [2, 3], [1], []]));
    expect(good.dispatcher).toBe(-1);
  });

  it('leaves what lies outside of the bad loop alone', () => {
    // Nodes 2..6 are a loop; in it 4 and 5 are one that 3 enters at both. 3 dominates that.
    const { dispatcher, label } = makeReducible(graphOf([[1], [2, 8], [3, 4], [4], [3, 5], [1], [], [], []]));
    expect(dispatcher).toBeGreaterThan(0);
    expect([...label.keys()].filter(n => label[n] >= 0)).toEqual([3, 4]);
  });

  const N = 10_000;
  const upTo = (count: number, make: (n: number) => number[]): FlowGraph =>
    graphOf(Array.from({ length: count }, (_, n) => make(n)));
  const deep: Readonly<Record<string, FlowGraph>> = {
    'exits to one place': upTo(N, n => (n === N - 1 ? [] : [N - 1, n + 1])),
    'conditions inside each other': upTo(2 * N + 1, n => (n >= N ? [] : [n + N + 1, n + 1])),
    'loops inside each other': upTo(2 * N, n => (n === 2 * N - 1 ? [] : n < N ? [n + 1] : [2 * N - 1 - n, n + 1])),
    'places many jump to': upTo(2 * N, n => (n === 2 * N - 1 ? [] : n < N ? [n + 1, 2 * N - 1 - n] : [n + 1])),
    'ways back to the loops around': upTo(N, n => (n === N - 1 ? [] : [n >> 1, n + 1])),
    'loops that enter each other': upTo(N, n => (n === N - 1 ? [] : [(n * 7919) % N, n + 1])),
  };
  it.each(Object.entries(deep))('of 10,000 %s', (_, graph) => expectSame(graph, [1, 7], 40));
});
