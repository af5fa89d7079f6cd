import { BPF_FLAGS, ERRNO } from '../../uapi/index.ts';
import { type FramePlan, unsetWords } from '../opt/index.ts';
import type { Blocks } from '../rows/index.ts';
import {
  ALU_K,
  ALU_X,
  ATOMIC,
  AX,
  BARRIER,
  BSWAP,
  CALL_HELPER,
  CALL_KFUNC,
  CALL_SUB,
  CAST_USER,
  CMPXCHG,
  CONST,
  FUNC,
  HIGH,
  type Ir,
  JA,
  JCC_K,
  JCC_X,
  LEAVE,
  LOAD,
  LOAD_ACQ,
  MASK,
  MAY_GOTO,
  MOV,
  NONE,
  NOP,
  PACKET,
  SEXT,
  STORE,
  STORE_K,
  STORE_REL,
  TAIL,
  ZERO_FRAME,
} from '../rows/ir.ts';
import { JitError } from '../types.ts';
import { RUN_STATE } from './abi.ts';
import type { FlowGraph } from './flow-graph.ts';
import type { ModuleWriter } from './module-writer.ts';
import { I32, I32_ADD, I32_WRAP_I64, I32_XOR, I64, I64_STORE, UNREACHABLE } from './opcodes.ts';
import {
  emitConstant,
  emitFunctionAddress,
  emitMask,
  emitMove,
  emitOperation,
  emitSignExtension,
  emitSwap,
} from './row-alu.ts';
import {
  emitCondition,
  emitFault,
  emitFunctionCall,
  emitHelperCall,
  emitKfuncCall,
  emitLeave,
  emitPacketLoad,
  emitTailCall,
} from './row-control.ts';
import { HIGH_SHIFT, lowOnly, RowEmission, type RowLocals } from './row-emission.ts';
import { emitAtomic, emitLoad, emitStore } from './row-memory.ts';
import { writeStructured } from './structure.ts';

/** As many words of a frame are zeroed one by one. */
const MOST_STORED_WORDS = 8;

/** A function ready to be written. */
export interface AnalyzedFunction {
  readonly rows: Ir;
  readonly slots: Int32Array;
  readonly blocks: Blocks;
  /** Halves live where each block begins. */
  readonly live: Int32Array;
  readonly frameBytes: number;
  /** Whether anything of the frame is left in memory. */
  readonly inMemory: boolean;
  readonly frame: FramePlan;
  /** Number of the first local that stands for a place in the frame. */
  readonly firstPlace: number;
}

type EmitRow = (e: RowEmission, i: number) => void;

const nothing: EmitRow = () => {};
const refuse: EmitRow = (e, i) => {
  throw new JitError(ERRNO.ENOTSUPP, `slot ${e.slots[i]}: nothing of this kind has a translation`);
};

/** What writes a row, by its kind. Jumps are written by the structure. */
const EMIT: readonly EmitRow[] = rowWriters();

function rowWriters(): EmitRow[] {
  const writers: EmitRow[] = new Array(ZERO_FRAME + 1).fill(refuse);
  const put = (write: EmitRow, ...kinds: number[]): void => {
    for (const kind of kinds) writers[kind] = write;
  };
  put(nothing, NOP, JA, JCC_K, JCC_X, MAY_GOTO, BARRIER);
  put(emitMove, MOV, CAST_USER);
  put(emitConstant, CONST);
  put(emitFunctionAddress, FUNC);
  put(emitMask, MASK);
  put(emitSignExtension, SEXT);
  put(emitSwap, BSWAP);
  put(emitOperation, ALU_K, ALU_X);
  put(emitLoad, LOAD, LOAD_ACQ);
  put(emitStore, STORE, STORE_K, STORE_REL);
  put(emitAtomic, ATOMIC, CMPXCHG);
  put(emitHelperCall, CALL_HELPER);
  put(emitKfuncCall, CALL_KFUNC);
  put(emitFunctionCall, CALL_SUB);
  put(emitTailCall, TAIL);
  put(emitPacketLoad, PACKET);
  put(emitLeave, LEAVE);
  return writers;
}

/** Node 0 is what comes before the first block, node n + 1 block n. */
function graphOf({ count, taken, next }: Blocks): FlowGraph {
  const first = new Int32Array(count + 2);
  const succ = new Int32Array(2 * count + 1);
  succ[0] = 1;
  let edges = 1;
  for (let at = 0; at < count; at++) {
    first[at + 1] = edges;
    if (taken[at] >= 0) succ[edges++] = taken[at] + 1;
    if (next[at] >= 0) succ[edges++] = next[at] + 1;
  }
  first[count + 1] = edges;
  return { count: count + 1, first, succ: succ.subarray(0, edges) };
}

/** What of its machine's locals a function needs, each of them once. */
class LocalPlan {
  readonly locals: RowLocals;
  readonly runs: [count: number, type: number][];

  /** @param halves what its WebAssembly function takes */
  constructor({ rows, blocks, live, inMemory, frame: plan }: AnalyzedFunction, halves: number) {
    const localCount = plan.locals;
    const wide = new Int32Array(16).fill(-1);
    const low = new Int32Array(16).fill(-1);
    const slots = new Int32Array(localCount).fill(-1);
    const slotIsWide = new Uint8Array(localCount);
    let params = 0;
    for (let r = 1; r <= 5; r++) {
      if ((halves & (1 << (r + HIGH_SHIFT))) !== 0) wide[r] = params++;
      else if ((halves & (1 << r)) !== 0) low[r] = params++;
    }
    let wides = 0;
    let lows = 0;
    let slotsUsed = 0;
    let scratch = 0;
    for (let at = 0; at < blocks.count; at++) {
      wides |= live[at] >>> HIGH_SHIFT;
      lows |= lowOnly(live[at]);
    }
    const { n, kind, a, d, sub, off, flags } = rows;
    for (let i = 0; i < n; i++) {
      const k = kind[i];
      if (k === NOP) continue;
      if (d[i] !== NONE) {
        if ((flags[i] & HIGH) !== 0) wides |= 1 << d[i];
        else lows |= 1 << d[i];
      }
      if (a[i] === NONE && k >= LOAD && k <= STORE_K) {
        slots[off[i]] = 0;
        if ((sub[i] & 3) === 3) slotIsWide[off[i]] = 1;
        slotsUsed++;
      } else if (k === MAY_GOTO) scratch |= 1;
      else if (k === ATOMIC || k === CMPXCHG) scratch |= 2 | 8;
      else if (k === BSWAP) scratch |= 4 | 8;
      else if (k === TAIL) scratch |= 4;
    }
    let next = params;
    for (let r = 0; r <= AX; r++) if ((wides & (1 << r)) !== 0 && wide[r] < 0) wide[r] = next++;
    const old = (scratch & 8) !== 0 ? next++ : -1;
    if (slotsUsed > 0)
      for (let s = 0; s < localCount; s++) if (slots[s] === 0 && slotIsWide[s] === 1) slots[s] = next++;
    const wideCount = next - params;
    for (let r = 0; r <= AX; r++) if ((lows & (1 << r)) !== 0 && low[r] < 0) low[r] = next++;
    if (slotsUsed > 0) for (let s = 0; s < localCount; s++) if (slots[s] === 0) slots[s] = next++;
    const label = next++;
    const frame = inMemory ? next++ : -1;
    const mayGoto = (scratch & 1) !== 0 ? next++ : -1;
    const addr = (scratch & 2) !== 0 ? next++ : -1;
    const word = (scratch & 4) !== 0 ? next++ : -1;
    this.locals = { wide, low, slots, slotIsWide, frame, label, mayGoto, addr, word, old };
    this.runs = [
      [wideCount, I64],
      [next - params - wideCount, I32],
    ];
  }
}

/**
 * Frames begin as zeros: what a program does not set is the same in every run. What is set before it can be read needs none.
 *
 * @param row the row the function begins at
 * @param top bytes from the frame's end to the first that is not the function's any more; it has those from `bottom` on
 */
function zeroFrame(e: RowEmission, func: AnalyzedFunction, row: number, bottom: number, top: number): void {
  const { code, locals } = e;
  const { rows, blocks, frame, frameBytes } = func;
  const words = unsetWords(rows, blocks, frame.touched, frameBytes, row, bottom, top);
  if (words.length > MOST_STORED_WORDS) {
    code.get(locals.frame);
    if (words[0] > 0) {
      code.i32(words[0]);
      code.op(I32_ADD);
    }
    code.i32(0);
    code.i32(words[words.length - 1] + 8 - words[0]);
    code.memoryFill();
    return;
  }
  for (const at of words) {
    code.get(locals.frame);
    code.i64(0, 0);
    code.access(I64_STORE, at);
  }
}

/** The frame of a function that was put in here: it may have been through it before. */
function emitZeroFrame(e: RowEmission, func: AnalyzedFunction, i: number): void {
  const { code, locals } = e;
  const { rows, frame, frameBytes, firstPlace } = func;
  const top = frameBytes - rows.imm[i];
  const bottom = top - rows.aux[i];
  frame.places.forEach((off, k) => {
    const at = frameBytes + off;
    const local = locals.slots[firstPlace + k];
    if (local < 0 || at < bottom || at >= top) return;
    if (locals.slotIsWide[firstPlace + k] === 1) code.i64(0, 0);
    else code.i32(0);
    code.set(local);
  });
  if (func.inMemory) zeroFrame(e, func, i, bottom, top);
}

function prologue(e: RowEmission, func: AnalyzedFunction, halves: number): void {
  const { code, state, frameBytes, locals } = e;
  if (func.inMemory) {
    // sp - frameBytes in a way that V8 does not add up with what comes behind it: on x86-64, an address of a base, an index
    // and a distance is slower than one without the distance, which the access itself adds for nothing.
    state.get32(RUN_STATE.sp);
    code.i32(-1);
    code.op(I32_XOR);
    code.i32(frameBytes);
    code.op(I32_ADD);
    code.i32(-1);
    code.op(I32_XOR);
    code.set(locals.frame);
    zeroFrame(e, func, 0, 0, frameBytes);
    if (e.movesSp) state.put32(RUN_STATE.sp, () => code.get(locals.frame));
  }
  if (locals.mayGoto >= 0) {
    code.i32(BPF_FLAGS.BPF_MAX_LOOPS);
    code.set(locals.mayGoto);
  }
  e.narrow = lowOnly(halves);
  narrowLocals(e, lowOnly(func.live[0]));
}

/** Makes the i32 locals of registers of which no more than that is going to be read, and which are there as i64. */
function narrowLocals(e: RowEmission, wanted: number): void {
  const { code, locals } = e;
  for (let left = wanted & ~e.narrow; left !== 0; left &= left - 1) {
    const register = 31 - Math.clz32(left & -left);
    if (locals.wide[register] < 0) continue;
    code.get(locals.wide[register]);
    code.op(I32_WRAP_I64);
    code.set(locals.low[register]);
  }
}

/** What all functions of a program are written with. */
export type ProgramParts = Pick<RowEmission, 'imports' | 'how' | 'signatures' | 'starts'> & {
  readonly stateOf: (code: RowEmission['code']) => RowEmission['state'];
};

const calls = ({ kind, n }: Ir): boolean => {
  for (let i = 0; i < n; i++) if ((kind[i] >= CALL_HELPER && kind[i] <= TAIL) || kind[i] === PACKET) return true;
  return false;
};

/**
 * Writes the body of a function.
 *
 * @param halves what its WebAssembly function takes
 * @param isEntry it gives the low half of R0 as an i32, not all of it
 */
export function writeRowFunction(
  module: ModuleWriter,
  parts: ProgramParts,
  func: AnalyzedFunction,
  halves: number,
  isEntry: boolean,
): void {
  const { rows, blocks, live, slots, frameBytes } = func;
  const plan = new LocalPlan(func, halves);
  const code = module.body(plan.runs);
  const e = new RowEmission({
    code,
    rows,
    slots,
    imports: parts.imports,
    state: parts.stateOf(code),
    how: parts.how,
    locals: plan.locals,
    signatures: parts.signatures,
    starts: parts.starts,
    frameBytes,
    movesSp: func.inMemory && calls(rows),
    isEntry,
  });
  const { start, taken, next } = blocks;
  const { kind } = rows;
  writeStructured(
    graphOf(blocks),
    code,
    {
      node(node) {
        if (node === 0) {
          prologue(e, func, halves);
          return;
        }
        const at = node - 1;
        e.narrow = lowOnly(live[at]);
        const end = start[at + 1];
        for (let i = start[at]; i < end; i++) {
          if (kind[i] === ZERO_FRAME) emitZeroFrame(e, func, i);
          else EMIT[kind[i]](e, i);
        }
        let wanted = 0;
        if (taken[at] >= 0) wanted |= lowOnly(live[taken[at]]);
        if (next[at] >= 0) wanted |= lowOnly(live[next[at]]);
        if (wanted !== 0) narrowLocals(e, wanted);
        const last = kind[end - 1];
        if (taken[at] < 0 && next[at] < 0 && last !== LEAVE) emitFault(e, 'left-program', slots[end - 1]);
      },
      condition(node) {
        emitCondition(e, start[node] - 1);
      },
    },
    plan.locals.label,
  );
  // Every way out was a return; the type of the body asks for a value here.
  code.op(UNREACHABLE);
}
