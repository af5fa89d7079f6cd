import { hi32, lo32 } from '../../../util/index.ts';
import type { CodeBuffer } from '../../code-buffer.ts';
import { alu, aluImm, CC, CMP, JCC8, JMP8, leave, mov, pop, push, ret, rr, SUB, W, XOR } from '../encode.ts';
import { nops } from '../nops.ts';
import { RAX, RBP, RDX, RSI, RSP } from '../registers.ts';
import { constant64 } from './constant.ts';
import type { Emission, Unit } from './emission.ts';
import { ARENA, KEPT } from './registers.ts';

/*
 * From rbp down:
 *
 *   rbp+8   where it returns to
 *   rbp     its caller's rbp                   R10 = rbp
 *           BPF stack, rounded to 8
 *           tail call count, or its address    if a tail call may happen here or below
 *           address of the count                the same
 *           r12                                 in boundaries of exceptions, and with an arena
 *           rbx, r13, r14, r15, as far as named
 *
 * Source: arch/x86/net/bpf_jit_comp.c of 6.12.
 */

const ENDBR64 = Uint8Array.of(0xf3, 0x0f, 0x1e, 0xfa);
/** Where tail calls enter: behind the room for a call, and `push rbp`, `mov rbp, rsp` (`X86_TAIL_CALL_OFFSET`). */
export const TAIL_ENTRY_BYTES = 16;
/** Room for a call or a jump to be put in later (`X86_PATCH_SIZE`). */
export const PATCH_BYTES = 5;
export const MAX_TAIL_CALL_CNT = 33;
/** Every register of {@link KEPT}. */
const ALL = 0b1111;

const INT3 = 0xcc;

/** Offset from rbp of the address of the count. */
export const countPointerOff = (unit: Unit): number => -16 - unit.stackBytes;

function pushKept(c: CodeBuffer, mask: number): void {
  for (let i = 0; i < KEPT.length; i++) if ((mask >> i) & 1) push(c, KEPT[i]);
}

function popKept(c: CodeBuffer, mask: number): void {
  for (let i = KEPT.length - 1; i >= 0; i--) if ((mask >> i) & 1) pop(c, KEPT[i]);
}

/** A main program entered with a count pushes it and its address; one entered with an address, and a function, that twice. */
function emitCount(c: CodeBuffer, isMain: boolean): void {
  if (isMain) {
    aluImm(c, W, CMP, RAX, MAX_TAIL_CALL_CNT);
    c.u8(JCC8 | CC.a);
    c.u8(6);
    push(c, RAX);
    mov(c, W, RAX, RSP);
    c.u8(JMP8);
    c.u8(1);
  }
  push(c, RAX);
  push(c, RAX);
}

export function emitPrologue(e: Emission): void {
  const { c, unit } = e;
  const { func, stackBytes } = unit;
  const isMain = func.index === 0;
  c.put(ENDBR64);
  nops(c, PATCH_BYTES);
  if (func.tailCallReachable && isMain) alu(c, W, XOR, RAX, RAX);
  else nops(c, 3);
  if (func.exceptionCallback) {
    // (cookie, rsp, rbp): what the boundary pushed goes back, and its frame becomes this one.
    mov(c, W, RSP, RSI);
    mov(c, W, RBP, RDX);
    popKept(c, ALL);
    pop(c, ARENA);
    mov(c, W, RSP, RBP);
  } else {
    push(c, RBP);
    mov(c, W, RBP, RSP);
  }
  c.put(ENDBR64);
  if (stackBytes > 0) {
    rr(c, W, 0x81, SUB, RSP);
    c.u32(stackBytes);
  }
  if (func.tailCallReachable) emitCount(c, isMain);
  if (func.exceptionBoundary || func.arena !== undefined) push(c, ARENA);
  pushKept(c, func.exceptionBoundary ? ALL : unit.kept);
  if (func.arena !== undefined) {
    const base = func.arena.kernVmStart;
    constant64(c, ARENA, hi32(base), lo32(base));
  }
}

/** What the prologue pushed last comes back. */
export function popSaved(e: Emission): void {
  const { c, unit } = e;
  const { func } = unit;
  popKept(c, func.exceptionBoundary ? ALL : unit.kept);
  if (func.exceptionBoundary || func.arena !== undefined) pop(c, ARENA);
}

/** Behind it a trap, against speculation past the return. */
export function emitEpilogue(e: Emission): void {
  popSaved(e);
  leave(e.c);
  ret(e.c);
  e.c.u8(INT3);
}

/** An indirect jump, and a trap behind it. */
export function jumpTo(c: CodeBuffer, reg: number): void {
  c.u8(0xff);
  c.u8(0xe0 + reg);
  c.u8(INT3);
}
