import { addi, blr, ld, li, mflr, mr, mtlr, std, stdu } from '../encode.ts';
import { frameHeaderBytes, LR_SAVE, PACA_KERNEL_TOC } from './abi.ts';
import type { Emission, Unit } from './emission.ts';
import { ARG0, FRAME_POINTER, KEPT, PACA, R0, RESULT, SP, T1, TOC } from './registers.ts';

/*
 * With a frame (something is called, or the BPF stack is used):
 *
 *   previous r1  ────────────────┐
 *       r27 … r31     5 × 8      │
 *       tail call count 8        │
 *       scratch        16        │
 *   r31 ────────────────         │
 *       BPF stack, rounded to 16 │
 *       frame header 32 (112)    │
 *   r1  back chain  ─────────────┘
 *
 * Without one the upper three lie at the same distances below r1, in the red zone.
 *
 * Source: arch/powerpc/net/bpf_jit_comp64.c of 6.12.
 */
const SAVE_BYTES = 8 * KEPT.length;
const LOCALS_BYTES = 24;

const hasFrame = (e: Emission) => e.seen.call || e.isKept(FRAME_POINTER);

const frameBytes = (unit: Unit) => frameHeaderBytes(unit.abi) + LOCALS_BYTES + SAVE_BYTES + unit.stackBytes;

/** Offset from r1 of 16 bytes for the JIT's own use. */
export function scratchOff(e: Emission): number {
  return hasFrame(e) ? frameHeaderBytes(e.unit.abi) + e.unit.stackBytes : -(SAVE_BYTES + LOCALS_BYTES);
}

/** Offset from r1 of the count of tail calls. */
export function tailCountOff(e: Emission): number {
  return scratchOff(e) + 16;
}

/** Offset of a kept register's place from r1 as it is inside the function. */
function keptOff(e: Emission, reg: number): number {
  return (hasFrame(e) ? frameBytes(e.unit) : 0) - 8 * (32 - reg);
}

/** Whether functions begin with loading the kernel's TOC. */
export function loadsToc(unit: Unit): boolean {
  return unit.abi.elf === 2 && !unit.env.pcrel;
}

/** Bytes of the prologue that a tail call skips: the TOC, and setting the count to 0. */
export function tailEntryBytes(unit: Unit): number {
  return loadsToc(unit) ? 12 : 8;
}

export function emitPrologue(e: Emission): void {
  if (loadsToc(e.unit)) e.emit(ld(TOC, PACA_KERNEL_TOC, PACA));
  if (e.seen.tailCall) {
    e.emit(li(T1, 0));
    // There is no frame yet: the count's place, seen from the caller's r1.
    e.emit(std(T1, -(SAVE_BYTES + 8), SP));
  } else {
    e.nops(2);
  }
  if (hasFrame(e)) {
    if (e.seen.call) {
      e.emit(mflr(R0));
      e.emit(std(R0, LR_SAVE, SP));
    }
    e.emit(stdu(SP, -frameBytes(e.unit), SP));
  }
  for (const reg of KEPT) if (e.isKept(reg)) e.emit(std(reg, keptOff(e, reg), SP));
  if (e.isKept(FRAME_POINTER)) e.emit(addi(FRAME_POINTER, SP, scratchOff(e)));
}

/** Everything back as the caller had it; no return yet. */
export function emitTeardown(e: Emission): void {
  for (const reg of KEPT) if (e.isKept(reg)) e.emit(ld(reg, keptOff(e, reg), SP));
  if (!hasFrame(e)) return;
  e.emit(addi(SP, SP, frameBytes(e.unit)));
  if (e.seen.call) {
    e.emit(ld(R0, LR_SAVE, SP));
    e.emit(mtlr(R0));
  }
}

export function emitEpilogue(e: Emission): void {
  emitTeardown(e);
  e.emit(mr(ARG0, RESULT));
  e.emit(blr());
}
