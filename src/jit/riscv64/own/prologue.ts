import { add, addi, ld, SP, sd, ZERO } from '../encode.ts';
import { NO_REG } from './allocate.ts';
import { COUNT } from './call-rows.ts';
import { type Emission, isS12 } from './emission.ts';

/** R2 of an exception callback: sp of the frame exceptions end in. */
const CALLBACK_SP = 11;

function moveSp(e: Emission, by: number): void {
  if (isS12(by)) {
    if (by !== 0) e.w(addi(SP, SP, by));
    return;
  }
  const { t3 } = e.unit.allocation;
  e.load(t3, by >> 31, by);
  e.w(add(SP, SP, t3));
}

/**
 * What a function begins with; returns where a caller that has a count enters. Tail calls enter main behind its first
 * instruction of 2 bytes, whatever that is.
 */
export function emitPrologue(e: Emission): number {
  const { frame, func, allocation } = e.unit;
  const { sizeBytes, firstBytes, saved } = frame;
  if (frame.reachable) e.w(addi(COUNT, ZERO, 0));
  const localEntry = e.here;
  if (func.index === 0 && !frame.reachable) e.w(addi(ZERO, ZERO, 0));
  // The boundary's caller is ours: its sp is in the boundary's frame, and registers lie where we would save them.
  if (frame.callback) e.w(ld(SP, 0, CALLBACK_SP));
  moveSp(e, -firstBytes);
  if (!frame.callback) saved.forEach((register, k) => void e.w(sd(register, firstBytes - 8 - 8 * k, SP)));
  if (frame.reachable) e.w(sd(COUNT, firstBytes - 8 - 8 * saved.length, SP));
  moveSp(e, firstBytes - sizeBytes);
  if (frame.boundary) {
    e.addConstant(COUNT, SP, sizeBytes);
    e.w(sd(COUNT, 0, SP));
  }
  if (allocation.base !== NO_REG) {
    const start = func.arena?.kernVmStart ?? 0n;
    e.load(allocation.base, Number(BigInt.asIntN(32, start >> 32n)), Number(BigInt.asIntN(32, start)));
  }
  return localEntry;
}

/** Restores what the prologue changed. */
export function emitTeardown(e: Emission): void {
  const { sizeBytes, firstBytes, saved } = e.unit.frame;
  moveSp(e, sizeBytes - firstBytes);
  saved.forEach((register, k) => void e.w(ld(register, firstBytes - 8 - 8 * k, SP)));
  moveSp(e, firstBytes);
}
