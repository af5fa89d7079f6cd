import type { InsnDef } from '../../isa/index.ts';
import { ERRNO } from '../../uapi/index.ts';
import { JitError } from '../types.ts';
import type { FlowGraph } from './flow-graph.ts';
import type { SplitProgram } from './function-split.ts';

/** The basic blocks of one function. Node 0 stands for its prologue, node 1 for the block at its first slot. */
export interface FunctionGraph extends FlowGraph {
  /** Slots of node n: from `slots[n]` up to `slots[n + 1]`. Node 0 has none. */
  readonly slots: Int32Array;
}

/** Whether control leaves the instruction otherwise than to the one behind it. */
const ENDS_BLOCK: ReadonlySet<InsnDef['kind']> = new Set(['ja', 'jcond', 'may_goto', 'exit', 'gotox']);

/** Throws JitError for jumps out of the function or into an instruction. */
export function functionGraph(program: SplitProgram, func: number): FunctionGraph {
  const { insns, defs, starts } = program;
  const start = starts[func];
  const end = starts[func + 1];
  const targetOf = (slot: number, def: InsnDef): number => {
    const to = slot + 1 + (def.off === 'jump' ? insns[slot].off : insns[slot].imm);
    if (to < start || to >= end || defs[to] === undefined) {
      throw new JitError(ERRNO.EINVAL, `jump out of range from insn ${slot} to ${to}`);
    }
    return to;
  };
  const nodeAt = new Int32Array(end - start);
  nodeAt[0] = 1;
  for (let slot = start; slot < end; slot++) {
    const def = defs[slot];
    if (def === undefined || !ENDS_BLOCK.has(def.kind)) continue;
    if (slot + 1 < end) nodeAt[slot + 1 - start] = 1;
    if (def.kind !== 'exit' && def.kind !== 'gotox') nodeAt[targetOf(slot, def) - start] = 1;
  }
  let count = 1;
  for (let i = 0; i < nodeAt.length; i++) {
    if (nodeAt[i] !== 0) count++;
    nodeAt[i] = count - 1;
  }
  const slots = new Int32Array(count + 1);
  for (let i = nodeAt.length - 1; i >= 0; i--) slots[nodeAt[i]] = start + i;
  slots[0] = start;
  slots[count] = end;
  const first = new Int32Array(count + 1);
  const succ = new Int32Array(2 * count);
  succ[0] = 1;
  let edges = 1;
  for (let node = 1; node < count; node++) {
    first[node] = edges;
    let last = slots[node + 1] - 1;
    if (defs[last] === undefined) last--;
    const def = defs[last] as InsnDef;
    const jumps = ENDS_BLOCK.has(def.kind);
    if (jumps && def.kind !== 'exit' && def.kind !== 'gotox') succ[edges++] = nodeAt[targetOf(last, def) - start];
    const falls = !jumps || def.kind === 'jcond' || def.kind === 'may_goto';
    if (falls) {
      if (slots[node + 1] < end) succ[edges++] = node + 1;
      else if (jumps || end < insns.length)
        throw new JitError(ERRNO.EINVAL, `insn ${last}: control leaves the function`);
    }
  }
  first[count] = edges;
  return { count, first, succ: succ.subarray(0, edges), slots };
}
