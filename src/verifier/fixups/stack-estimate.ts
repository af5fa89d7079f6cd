import {
  BPF_ALU,
  BPF_ALU64,
  BPF_ATOMIC,
  BPF_CMPXCHG,
  BPF_DW,
  BPF_FETCH,
  BPF_LD,
  BPF_LDX,
  BPF_LOAD_ACQ,
  BPF_REG_FP,
  BPF_ST,
  BPF_STX,
  BPF_X,
  CALL,
  type Insn,
  MAX_BPF_STACK,
} from '../../isa/index.ts';
import { flowOf, SlotStack } from './flow.ts';
import type { FunctionTable } from './functions.ts';

/** Registers followed: R0..R9 and AX, which R10's column stands for. */
const COLUMNS = 11;
const AX = 11;

/*
 * A register's value in one word, smaller meaning deeper, so that two ways meet in the smaller:
 *   TOP                nothing known yet
 *   NOT                no pointer into this frame
 *   2 * offset + 1     the frame pointer plus `offset`
 *   2 * offset         the frame pointer plus `offset` plus something unknown, taken not to be negative
 *   LOST               a pointer into the frame, nobody knows where
 */
const TOP = 0x7fffffff;
const NOT = 0x7ffffffe;
const LOST = -0x80000000;
const pointer = (offBytes: number, isExact: boolean): number => {
  if (offBytes < -MAX_BPF_STACK) return LOST;
  return 2 * Math.min(offBytes, MAX_BPF_STACK) + (isExact ? 1 : 0);
};
const isPointer = (value: number): boolean => value !== NOT && value !== TOP;
const offsetOf = (value: number): number => value >> 1;
const isExact = (value: number): boolean => (value & 1) !== 0;

/** Times a slot's state may change before pointers that still move are given up: loops that walk down. */
const PATIENCE = 40;

const MOV64_REG = 0xbf;
const ADD64 = 0x07;
const SUB64 = 0x17;

/** Arguments a call reads, by its instruction; unknown ones are taken to read all five. */
type ArgCountOf = (insn: Insn) => number | undefined;

/**
 * How deep each function reaches into its frame, in bytes, without the verifier: pointers into the frame are followed through moves
 * and additions, and every access, pointer passed to a call and pointer stored counts. Where a pointer is lost or its place depends on
 * more than the program says, the answer is 512, the most there is.
 *
 * Differs from Linux, which knows how many bytes a helper touches and what an index may be: the estimate is the same for programs
 * that use the stack at constant offsets, else rarely more.
 *
 * Source: what it stands for: `kernel/bpf/verifier.c: check_stack_range_initialized, grow_stack_state`.
 */
export function estimateStackDepths(
  insns: readonly Insn[],
  functions: FunctionTable,
  argCountOf: ArgCountOf = () => undefined,
): Int32Array {
  const flow = flowOf(insns);
  const depths = new Int32Array(functions.count);
  const states = new Int32Array(insns.length * COLUMNS).fill(TOP);
  const now = new Int32Array(COLUMNS);
  const work = new SlotStack(insns.length);
  const changes = new Uint8Array(insns.length);
  const enter = (slot: number): void => {
    let changed = false;
    for (let column = 0, at = slot * COLUMNS; column < COLUMNS; column++, at++) {
      if (now[column] >= states[at]) continue;
      states[at] = changes[slot] > PATIENCE && isPointer(now[column]) ? LOST : now[column];
      changed = true;
    }
    if (!changed) return;
    changes[slot] = Math.min(changes[slot] + 1, PATIENCE + 1);
    work.push(slot);
  };
  for (let func = functions.count - 1; func >= 0; func--) {
    now.fill(NOT);
    enter(functions.starts[func]);
  }
  for (let idx = work.pop(); idx >= 0; idx = work.pop()) {
    for (let column = 0; column < COLUMNS; column++) now[column] = states[idx * COLUMNS + column];
    const depth = step(insns[idx], now, argCountOf);
    const func = functions.funcOf[idx];
    if (depth > depths[func]) depths[func] = depth;
    if (flow.next[idx] >= 0) enter(flow.next[idx]);
    if (flow.jump[idx] >= 0) enter(flow.jump[idx]);
  }
  return depths;
}

const get = (regs: Int32Array, reg: number): number =>
  reg === BPF_REG_FP ? pointer(0, true) : regs[reg === AX ? BPF_REG_FP : reg];
function set(regs: Int32Array, reg: number, value: number): void {
  if (reg !== BPF_REG_FP) regs[reg === AX ? BPF_REG_FP : reg] = value;
}

/** Bytes of stack that memory at `value + off` takes. */
function depthAt(value: number, off: number): number {
  if (!isPointer(value)) return 0;
  if (value === LOST) return MAX_BPF_STACK;
  const at = offsetOf(value) + off;
  // Nothing lies above the frame: an index that makes such a pointer useful is negative.
  if (at >= 0) return isExact(value) ? 0 : MAX_BPF_STACK;
  return Math.min(-at, MAX_BPF_STACK);
}

/** Carries `regs` over one instruction and returns how deep it reaches. */
function step(insn: Insn, regs: Int32Array, argCountOf: ArgCountOf): number {
  const { code, dst, src, off } = insn;
  switch (code & 7) {
    case BPF_ALU64:
      set(regs, dst, aluValue(insn, regs));
      return 0;
    case BPF_ALU:
    case BPF_LD:
      set(regs, dst, NOT);
      return 0;
    case BPF_LDX: {
      const depth = depthAt(get(regs, src), off);
      set(regs, dst, NOT);
      return depth;
    }
    case BPF_ST:
      return depthAt(get(regs, dst), off);
    case BPF_STX:
      return storeDepth(insn, regs);
    default:
      return code === CALL ? callDepth(insn, regs, argCountOf) : 0;
  }
}

function aluValue({ code, dst, src, off, imm }: Insn, regs: Int32Array): number {
  if (code === MOV64_REG) return off === 0 ? get(regs, src) : NOT;
  const value = get(regs, dst);
  const add = code & ~BPF_X;
  if (add !== ADD64 && add !== SUB64) return isPointer(value) && (code & 0xf0) !== 0xb0 ? LOST : NOT;
  const other = (code & BPF_X) !== 0 ? get(regs, src) : NOT;
  if (!isPointer(value)) {
    if (!isPointer(other) || add === SUB64) return NOT;
    return other === LOST ? LOST : pointer(offsetOf(other), false);
  }
  if (isPointer(other)) return NOT; // a distance
  if (value === LOST) return LOST;
  if ((code & BPF_X) !== 0) return add === ADD64 ? pointer(offsetOf(value), false) : LOST;
  return pointer(offsetOf(value) + (add === ADD64 ? imm : -imm), isExact(value));
}

function storeDepth({ code, dst, src, off, imm }: Insn, regs: Int32Array): number {
  const isAtomic = (code & BPF_ATOMIC) === BPF_ATOMIC;
  if (isAtomic && imm === BPF_LOAD_ACQ) {
    const depth = depthAt(get(regs, src), off);
    set(regs, dst, NOT);
    return depth;
  }
  let depth = depthAt(get(regs, dst), off);
  if ((code & 0x18) === BPF_DW) depth = Math.max(depth, depthAt(get(regs, src), 0));
  if (isAtomic && (imm & BPF_FETCH) !== 0) set(regs, imm === BPF_CMPXCHG ? 0 : src, NOT);
  return depth;
}

function callDepth(insn: Insn, regs: Int32Array, argCountOf: ArgCountOf): number {
  const args = argCountOf(insn) ?? 5;
  let depth = 0;
  for (let reg = 1; reg <= args; reg++) depth = Math.max(depth, depthAt(regs[reg], 0));
  for (let reg = 0; reg <= 5; reg++) regs[reg] = NOT;
  return depth;
}
