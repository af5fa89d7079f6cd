import { hi32, lo32 } from '../../../util/index.ts';
import { addImm, br, FP, LR, ldpPost, nop, ret, SP, stpPre, subImm, X, ZR } from '../encode.ts';
import { move } from './alu.ts';
import { constant64 } from './constant.ts';
import type { Emission, Unit } from './emission.ts';
import { ARENA, COUNT_POINTER, FRAME_POINTER, RESULT, T1 } from './registers.ts';

/*
 * From the caller's sp down:
 *
 *   x29, x30                              x29 points here
 *   count of tail calls, x26              main: 0, and x26 points here; a function: x26, x26
 *   kept registers in pairs               boundaries of exceptions: x19 … x28
 *   BPF stack, rounded to 16              its upper end is x25; sp its lower one
 *
 * Source: arch/arm64/net/bpf_jit_comp.c of 6.12, with CONFIG_ARM64_PTR_AUTH_KERNEL and without CONFIG_ARM64_BTI_KERNEL.
 */
const PACIASP = 0xd503233f | 0;
const AUTIASP = 0xd50323bf | 0;
/** Instructions of a main program that tail calls skip (`PROLOGUE_OFFSET`). */
export const TAIL_ENTRY_WORDS = 7;
/** What a boundary of exceptions keeps, by pairs. */
const ALL: readonly number[] = [19, 20, 21, 22, 23, 24, 25, 26, 27, 28];
/** Bytes below x29 that a boundary has pushed: the count and {@link ALL}. */
const BOUNDARY_BYTES = 96;

const push = (e: Emission, a: number, b: number): void => e.emit(stpPre(a, b, SP, -16));
const pop = (e: Emission, a: number, b: number): void => e.emit(ldpPost(a, b, SP, 16));

function keptOf({ func, kept }: Unit): readonly number[] {
  return func.exceptionBoundary || func.exceptionCallback ? ALL : kept;
}

export function emitPrologue(e: Emission): void {
  const { unit } = e;
  const { func, stackBytes } = unit;
  e.emit(move(X, 9, LR));
  // Where a call of a trampoline may be put in.
  e.emit(nop());
  if (func.exceptionCallback) {
    // (cookie, sp, fp): the boundary's frame becomes this one, and what it pushed stays.
    e.emit(move(X, FP, 2));
    e.emit(subImm(X, SP, FP, BOUNDARY_BYTES));
  } else {
    e.emit(PACIASP);
    push(e, FP, LR);
    e.emit(move(X, FP, SP));
    if (func.index === 0) {
      push(e, ZR, COUNT_POINTER);
      e.emit(move(X, COUNT_POINTER, SP));
    } else push(e, COUNT_POINTER, COUNT_POINTER);
    const kept = keptOf(unit);
    for (let i = 0; i < kept.length; i += 2) push(e, kept[i], kept[i + 1] ?? ZR);
  }
  if (func.exceptionBoundary || (unit.usesFrame && !func.exceptionCallback)) e.emit(move(X, FRAME_POINTER, SP));
  if (stackBytes > 0) e.emit(subImm(X, SP, SP, stackBytes));
  if (func.arena !== undefined) {
    const base = func.arena.kernVmStart;
    constant64(e, ARENA, hi32(base), lo32(base));
  }
}

/** Stack and kept registers as they were before the prologue pushed them. */
function popFrame(e: Emission): void {
  if (e.unit.stackBytes > 0) e.emit(addImm(X, SP, SP, e.unit.stackBytes));
  const kept = keptOf(e.unit);
  for (let i = (kept.length - 1) & ~1; i >= 0; i -= 2) pop(e, kept[i], kept[i + 1] ?? ZR);
}

export function emitEpilogue(e: Emission): void {
  popFrame(e);
  pop(e, ZR, COUNT_POINTER);
  pop(e, FP, LR);
  e.emit(move(X, 0, RESULT));
  e.emit(AUTIASP);
  e.emit(ret());
}

/** The frame goes, but for the count and x29; then on to what T1 will hold. */
export function leaveFrame(e: Emission): void {
  popFrame(e);
}

/** `ldr x10, .+8; br x10`, for calls of trampolines out of reach; the address behind it begins at a multiple of 8. */
export function emitPlt(e: Emission): void {
  if (e.idx % 2 !== 0) e.emit(nop());
  e.emit(0x58000040 | T1);
  e.emit(br(T1));
}
