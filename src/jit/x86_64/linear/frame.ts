import type { Blocks } from '../../rows/index.ts';
import { CALL_HELPER, type Ir, LEAVE, LOAD, MAY_GOTO, NONE, NOP, PACKET, STORE_K, TAIL } from '../../rows/ir.ts';
import { R8, RBP, RCX, RDI, RDX, RSI } from '../registers.ts';
import type { LocalHome } from './emission.ts';
import { HOME, KEPT, SPARE } from './registers.ts';

/**
 * What a function takes of the machine's stack, and of the linear memory's:
 *
 * ```
 *   rsp + localBytes   registers of callers that are used here
 *   rsp                locals that found no register, 8 bytes each; the budget of may_goto
 * ```
 */
export interface FunctionFrame {
  readonly saved: readonly number[];
  readonly localBytes: number;
  readonly locals: readonly LocalHome[];
  /** From rsp, of the budget of may_goto; -1 for none. */
  readonly mayGotoOff: number;
  /** Anything of the frame is in the memory: rbp is its end. */
  readonly inMemory: boolean;
  /** What it calls has to find its own frame below this one. */
  readonly movesSp: boolean;
  readonly frameBytes: number;
}

const calls = ({ kind, n }: Ir): boolean => {
  for (let i = 0; i < n; i++) if ((kind[i] >= CALL_HELPER && kind[i] <= TAIL) || kind[i] === PACKET) return true;
  return false;
};

/** How often a block runs, guessed: ten times as often for each loop around it that goes back over it. */
function weights({ count, taken, next }: Blocks): Float64Array {
  const depth = new Float64Array(count + 1);
  // Only backward jumps make loops: what lies between their ends is in them.
  for (let at = 0; at < count; at++) {
    for (const to of [taken[at], next[at]]) {
      if (to < 0 || to > at) continue;
      depth[to]++;
      depth[at + 1]--;
    }
  }
  const found = new Float64Array(count);
  for (let at = 0, deep = 0; at < count; at++) {
    deep += depth[at];
    found[at] = 10 ** Math.min(deep, 6);
  }
  return found;
}

/** Registers for the locals that are used most. @param inMemory anything of the frame is in the memory */
export function planFunction(
  rows: Ir,
  blocks: Blocks,
  localCount: number,
  frameBytes: number,
  inMemory: boolean,
): FunctionFrame {
  const { kind, a, b, d, off, aux } = rows;
  const uses = new Float64Array(localCount);
  const weight = localCount === 0 ? undefined : weights(blocks);
  let named = 0b1;
  let mayGoto = false;
  for (let at = 0; at < blocks.count; at++) {
    for (let i = blocks.start[at]; i < blocks.start[at + 1]; i++) {
      const k = kind[i];
      if (k === NOP) continue;
      if (k === MAY_GOTO) mayGoto = true;
      const memory = k >= LOAD && k <= STORE_K;
      if (d[i] !== NONE) named |= 1 << d[i];
      if (a[i] !== NONE && k !== LEAVE) named |= 1 << a[i];
      if (b[i] !== NONE) named |= 1 << b[i];
      if (memory && aux[i] > 0) named |= 1 << (aux[i] - 1);
      if (a[i] === NONE && memory && weight !== undefined) uses[off[i]] += weight[at];
    }
  }
  const leaf = !calls(rows);
  const saved: number[] = [];
  const isNamed = (register: number): boolean => (named & (1 << register)) !== 0;
  for (const register of KEPT) if (isNamed(register)) saved.push(HOME[register]);
  const free: number[] = [];
  if (leaf) {
    free.push(SPARE);
    [RDI, RSI, RDX, RCX, R8].forEach((register, r) => {
      // Arguments that nobody reads are as good as any other register.
      if (!isNamed(r + 1)) free.push(register);
    });
  }
  const kept = KEPT.filter(register => !isNamed(register)).map(register => HOME[register]);
  if (!inMemory) kept.push(RBP);
  if (inMemory) saved.push(RBP);
  const order = Array.from(uses.keys()).sort((x, y) => uses[y] - uses[x]);
  const locals: LocalHome[] = new Array(localCount);
  let slots = 0;
  for (const local of order) {
    // One that is stored and loaded once costs as much where it is as a register that has to be kept for the caller.
    let register = uses[local] === 0 ? -1 : (free.shift() ?? -1);
    if (register < 0 && uses[local] > 2) {
      register = kept.shift() ?? -1;
      if (register >= 0) saved.push(register);
    }
    locals[local] = { register, offBytes: register >= 0 || uses[local] === 0 ? -1 : 8 * slots++ };
  }
  const mayGotoOff = mayGoto ? 8 * slots++ : -1;
  return {
    saved,
    localBytes: 8 * slots,
    locals,
    mayGotoOff,
    inMemory,
    movesSp: inMemory && !leaf && frameBytes > 0,
    frameBytes,
  };
}
