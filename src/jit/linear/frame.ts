import type { Room } from '../room.ts';
import type { Blocks } from '../rows/index.ts';
import { AX, CALL_HELPER, type Ir, LOAD, MAY_GOTO, NONE, NOP, PACKET, STORE_K, TAIL } from '../rows/ir.ts';

/** Machine registers, as code over the linear memory uses them. */
export interface LinearRegisters {
  /** Of R0 to R9, in functions that call something. */
  readonly home: readonly number[];
  /** In functions that call nothing; those of R0 to R5 are the same. */
  readonly leafHome: readonly number[];
  /** What functions give back as they found it, but for the memory's address. */
  readonly kept: readonly number[];
  /** Others, that locals may have where nothing is called. */
  readonly free: readonly number[];
  /** One of `free` that the optimiser's own register, `AX`, is in, if it may have one; it is never live where something is called. */
  readonly extra?: number;
  /** Where the frame in the linear memory is; one of `kept`. */
  readonly frame: number;
}

/** Where a local of the optimiser's is: in a register, or at a distance from the frame's first local; both -1: nowhere. */
export interface LocalHome {
  readonly register: number;
  readonly offBytes: number;
}

/**
 * What a function takes of the machine's stack, and of the linear memory's. On the stack are registers of callers that are used here
 * and locals that found no register, 8 bytes each, among them the budget of may_goto.
 */
export interface FunctionFrame {
  /** Of R0 to R9. */
  readonly home: readonly number[];
  /** Nothing is called from here. */
  readonly leaf: boolean;
  readonly saved: readonly number[];
  readonly localBytes: number;
  readonly locals: readonly LocalHome[];
  /** From the first local, of the budget of may_goto; -1 for none. */
  readonly mayGotoOff: number;
  /** Anything of the frame is in the memory: the frame's register says where. */
  readonly inMemory: boolean;
  /** What it calls has to find its own frame below this one. */
  readonly movesSp: boolean;
  readonly frameBytes: number;
}

const NONE_USED: number[] = [];

/** By how many loops are around a block. */
const WEIGHTS = [1, 10, 100, 1000, 10_000, 100_000, 1_000_000];

/** How often a block runs, guessed: ten times as often for each loop around it that goes back over it. */
function weights({ count, taken, next }: Blocks, room: Room): Int32Array {
  const found = room.ints(count);
  const depth = room.ints(count + 1);
  // Only backward jumps make loops: what lies between their ends is in them.
  for (let at = 0; at < count; at++) {
    for (let side = 0; side < 2; side++) {
      const to = side === 0 ? taken[at] : next[at];
      if (to < 0 || to > at) continue;
      depth[to]++;
      depth[at + 1]--;
    }
  }
  for (let at = 0, deep = 0; at < count; at++) {
    deep += depth[at];
    found[at] = WEIGHTS[Math.min(deep, WEIGHTS.length - 1)];
  }
  return found;
}

/** As many are put in order one by one: sorting costs more until there are many. */
const FEW_LOCALS = 32;

/** Locals by number, those that are used most first. */
function byUses(uses: readonly number[]): number[] {
  const order = uses.map((_, local) => local);
  if (order.length > FEW_LOCALS) return order.sort((x, y) => uses[y] - uses[x]);
  for (let n = 1; n < order.length; n++) {
    const local = order[n];
    let at = n;
    for (; at > 0 && uses[order[at - 1]] < uses[local]; at--) order[at] = order[at - 1];
    order[at] = local;
  }
  return order;
}

/** Registers for the locals that are used most. @param inMemory anything of the frame is in the memory */
export function planFunction(
  rows: Ir,
  blocks: Blocks,
  localCount: number,
  frameBytes: number,
  inMemory: boolean,
  registers: LinearRegisters,
  room: Room,
): FunctionFrame {
  const { kind, a, b, d, off, aux } = rows;
  const mark = room.mark();
  const uses: number[] = localCount === 0 ? NONE_USED : new Array(localCount).fill(0);
  const weight = localCount === 0 ? undefined : weights(blocks, room);
  let named = 0b1;
  let mayGoto = false;
  let leaf = true;
  for (let at = 0; at < blocks.count; at++) {
    for (let i = blocks.start[at], end = blocks.start[at + 1]; i < end; i++) {
      const k = kind[i];
      if (k === NOP) continue;
      // That of NONE says nothing; what functions return is in R0 in any case.
      named |= (1 << d[i]) | (1 << a[i]) | (1 << b[i]);
      if (k >= LOAD && k <= STORE_K) {
        if (aux[i] > 0) named |= 1 << (aux[i] - 1);
        if (a[i] === NONE && weight !== undefined) uses[off[i]] += weight[at];
      } else if ((k >= CALL_HELPER && k <= TAIL) || k === PACKET) leaf = false;
      else if (k === MAY_GOTO) mayGoto = true;
    }
  }
  room.release(mark);
  const home = leaf ? registers.leafHome : registers.home;
  const isNamed = (register: number): boolean => (named & (1 << register)) !== 0;
  const isKept = (machine: number): boolean => registers.kept.includes(machine);
  const saved: number[] = [];
  const taken = (named & (1 << AX)) !== 0 ? registers.extra : undefined;
  const free: number[] = leaf ? registers.free.filter(machine => machine !== taken) : [];
  const kept: number[] = [];
  for (let r = 1; r < home.length; r++) {
    const machine = home[r];
    if (isNamed(r)) {
      if (isKept(machine)) saved.push(machine);
    } else if (isKept(machine)) kept.push(machine);
    // Arguments that nobody reads are as good as any other register.
    else if (leaf) free.push(machine);
  }
  for (const machine of registers.kept) if (machine !== registers.frame && !home.includes(machine)) kept.push(machine);
  (inMemory ? saved : kept).push(registers.frame);
  const locals: LocalHome[] = new Array(localCount);
  let slots = 0;
  for (const local of byUses(uses)) {
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
    home,
    leaf,
    saved,
    localBytes: 8 * slots,
    locals,
    mayGotoOff,
    inMemory,
    movesSp: inMemory && !leaf && frameBytes > 0,
    frameBytes,
  };
}
