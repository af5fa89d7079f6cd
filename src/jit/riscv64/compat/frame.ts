import { alignUp, hi32, lo32 } from '../../../util/index.ts';
import { addi } from '../encode.ts';
import { constant64 } from './constant.ts';
import type { Emission } from './emission.ts';
import { A0, ARENA, COUNT, COUNT_SAVED, FP, FRAME_POINTER, KEPT, RA, RESULT, SP, T3, ZERO } from './registers.ts';

/*
 * From the caller's sp down, each register that is used:
 *
 *   ra, s0, s1 … s6, s7         s0 points above
 *   BPF stack, rounded to 16    its upper end is s5; sp its lower one
 *
 * Source: arch/riscv/net/bpf_jit_comp64.c of 6.12, without CONFIG_CFI_CLANG.
 */
const MAX_TAIL_CALL_CNT = 33;
const FENTRY_WORDS = 2;
/** Where tail calls enter: behind room for a call, and what sets the count. */
export const TAIL_ENTRY_BYTES = 4 * (FENTRY_WORDS + 1);

/** Registers stored, in their order. */
function stored(e: Emission): number[] {
  const regs: number[] = [];
  if (e.sees(RA)) regs.push(RA);
  regs.push(FP);
  for (const reg of KEPT) if (e.sees(reg)) regs.push(reg);
  if (e.unit.func.arena !== undefined) regs.push(ARENA);
  return regs;
}

const frameBytes = (e: Emission, count: number): number => alignUp(8 * count, 16) + e.unit.stackBytes;

export function emitPrologue(e: Emission): void {
  const { func, stackBytes } = e.unit;
  if (stackBytes > 0) e.see(FRAME_POINTER);
  const regs = stored(e);
  const bytes = frameBytes(e, regs.length);
  for (let i = 0; i < FENTRY_WORDS; i++) e.word(addi(ZERO, ZERO, 0));
  e.word(addi(COUNT, ZERO, MAX_TAIL_CALL_CNT));
  e.addi(SP, SP, -bytes);
  for (const [i, reg] of regs.entries()) e.sd(reg, bytes - 8 * (i + 1), SP);
  e.addi(FP, SP, bytes);
  if (stackBytes > 0) e.addi(FRAME_POINTER, SP, stackBytes);
  if (e.ctx.tailCall && e.sees(RA)) e.mv(COUNT_SAVED, COUNT);
  if (func.arena !== undefined) {
    const base = func.arena.kernVmStart;
    constant64(e, ARENA, hi32(base), lo32(base));
  }
}

/** Everything back as the caller had it, and away: to the caller, or on to the program whose address is in t3. */
export function leave(e: Emission, isTailCall: boolean): void {
  const regs = stored(e);
  const bytes = frameBytes(e, regs.length);
  for (const [i, reg] of regs.entries()) e.ld(reg, bytes - 8 * (i + 1), SP);
  e.addi(SP, SP, bytes);
  if (!isTailCall) e.addiw(A0, RESULT, 0);
  e.jalr(ZERO, isTailCall ? T3 : RA, isTailCall ? TAIL_ENTRY_BYTES : 0);
}
