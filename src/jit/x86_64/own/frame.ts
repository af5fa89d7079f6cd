import { alignUp } from '../../../util/index.ts';
import type { CodeBuffer } from '../../code-buffer.ts';
import type { FuncInput } from '../../types.ts';
import { ADD, alu, aluImm, leave, mov, nop2, pop, push, ret, SUB, W, XOR } from '../encode.ts';
import { R12, R13, R14, R15, RAX, RBP, RBX, RSI, RSP } from '../registers.ts';
import type { Facts } from './facts.ts';

/** Tail calls enter behind the first instruction of a main function, whatever it is. */
export const TAIL_ENTRY_BYTES = 2;
/** Stack of this many bytes is made by pushing something, a byte for each eight. */
const PUSHED_BYTES = 24;

/**
 * A function's frame. The kernel's stack has no red zone, so all of it lies above rsp:
 *
 * ```
 *   rbp+8   where it returns to
 *   rbp     its caller's rbp                  R10 = rbp
 *           stack of the BPF function         8 bytes each up to here
 *   count   tail call count or its address    (if a tail call may happen here or below)
 *           rbx, r12 … r15, as far as used
 *   rsp     rbp                               (in boundaries: leads from rsp to the frame)
 * ```
 *
 * Without R10 and tail calls rbp stays the caller's and only used registers are pushed.
 */
export interface Frame {
  readonly hasRbp: boolean;
  readonly stackBytes: number;
  /** Registers pushed, in this order. */
  readonly saved: readonly number[];
  /** A tail call may happen in it or below. */
  readonly reachable: boolean;
  /** Of the count, from rbp. */
  readonly countOff: number;
  /** Of what rsp points to, from rbp, between instructions of BPF. */
  readonly rspOff: number;
  readonly boundary: boolean;
  readonly callback: boolean;
  readonly isMain: boolean;
}

/** What a boundary saves: all that a callee might. */
const BOUNDARY_SAVED = [RBX, R12, R13, R14, R15] as const;

/** Registers kept for callers that R6 to R9 may live in. */
const KEPT: readonly number[] = [RBX, R13, R14, R15];

export function planFrame(func: FuncInput, facts: Facts, reg: readonly number[], arenaBase: boolean): Frame {
  const boundary = func.exceptionBoundary;
  const callback = func.exceptionCallback;
  const reachable = func.tailCallReachable || facts.tailCalls > 0;
  const stackBytes = alignUp(func.stackDepthBytes, 8);
  const used: number[] = [];
  for (let n = 6; n <= 9; n++) if ((facts.used & (1 << n)) !== 0 && KEPT.includes(reg[n])) used.push(reg[n]);
  if (arenaBase) used.push(R12);
  const hasRbp = (facts.used & (1 << 10)) !== 0 || reachable || boundary || callback;
  const saved = boundary ? BOUNDARY_SAVED : used;
  return {
    hasRbp,
    stackBytes: hasRbp ? stackBytes : 0,
    saved,
    reachable,
    countOff: -stackBytes - 8,
    rspOff: -stackBytes - 8 * (saved.length + (reachable ? 1 : 0) + (boundary ? 1 : 0)),
    boundary,
    callback,
    isMain: func.index === 0,
  };
}

export function emitPrologue(c: CodeBuffer, frame: Frame): void {
  const { hasRbp, stackBytes, saved, reachable, boundary, callback, isMain } = frame;
  if (isMain) {
    if (reachable) alu(c, 0, XOR, RAX, RAX);
    else nop2(c);
  }
  if (callback) {
    // (cookie, rsp of the boundary): its frame becomes ours, with what its caller is owed put back.
    mov(c, W, RSP, RSI);
    pop(c, RBP);
    for (let i = BOUNDARY_SAVED.length - 1; i >= 0; i--) pop(c, BOUNDARY_SAVED[i]);
    mov(c, W, RSP, RBP);
    if (reachable) alu(c, 0, XOR, RAX, RAX);
  } else if (hasRbp) {
    push(c, RBP);
    mov(c, W, RBP, RSP);
  }
  if (stackBytes > PUSHED_BYTES) {
    if (stackBytes === 128) aluImm(c, W, ADD, RSP, -128);
    else aluImm(c, W, SUB, RSP, stackBytes);
  } else for (let i = 0; i < stackBytes; i += 8) push(c, RAX);
  if (reachable) push(c, RAX);
  for (const register of saved) push(c, register);
  if (boundary) push(c, RBP);
}

/** Puts everything back, so that rsp is where it was at the entry. */
export function emitTeardown(c: CodeBuffer, frame: Frame): void {
  const { hasRbp, saved, stackBytes, reachable, boundary } = frame;
  if (boundary) pop(c, RBP);
  for (let i = saved.length - 1; i >= 0; i--) pop(c, saved[i]);
  if (!hasRbp) return;
  if (stackBytes > 0 || reachable) leave(c);
  else pop(c, RBP);
}

export function emitEpilogue(c: CodeBuffer, frame: Frame): void {
  emitTeardown(c, frame);
  ret(c);
}

/** Bytes of {@link emitEpilogue}. */
export function epilogueBytes({ hasRbp, saved, boundary }: Frame): number {
  let bytes = 1 + (hasRbp ? 1 : 0) + (boundary ? 1 : 0);
  for (const register of saved) bytes += register > 7 ? 2 : 1;
  return bytes;
}
