import { tailCallSite } from '../../types.ts';
import { add, addi, EQ, GEU, jal, jalr, LTU, ld, lwu, SP, sd, sh3add, slli, ZERO } from '../encode.ts';
import { COUNT } from './call-rows.ts';
import type { Emission } from './emission.ts';
import { emitTeardown } from './prologue.ts';

/** Registers of bpf_tail_call's arguments: R2 the array, R3 the index; R1, the context, stays in a0. */
const ARRAY = 11;
const INDEX = 12;
/** R4's: the slot that counts. */
const COUNTER = 13;
/** R5's: where the sequence goes back. It is no link register to the CPU, whose stack of returns stays as it is. */
const BACK = 14;
/** t1. */
const SCRATCH = 6;
/** Tail calls one run may make (`MAX_TAIL_CALL_CNT`). */
const LIMIT = 33;
/** Tail calls enter behind the first instruction, which starts the count. */
export const TAIL_ENTRY_BYTES = 2;

/** How far back jal reaches. */
const REACH_BYTES = 0x100000;

/**
 * `bpf_tail_call`: on to another program's main in this function's place, or behind this row. Where a function has several,
 * they share the sequence of the first, which goes back by a4.
 */
export function emitTailCall(e: Emission, i: number): void {
  const start = e.here;
  if (e.unit.tails === 1) emitAttempt(e);
  else if (e.tailStub >= 0 && start - e.tailStub <= REACH_BYTES) e.w(jal(BACK, e.tailStub - start));
  else {
    e.w(jal(BACK, 8));
    const over = e.skipIf(EQ, ZERO, ZERO);
    e.tailStub = e.here;
    emitAttempt(e);
    e.w(jalr(ZERO, 0, BACK));
    e.land(over);
  }
  e.forgetClobbered();
  e.sites.push(tailCallSite(i, start, e.here));
}

/**
 * The call; it goes on behind where there is none.
 *
 * One count serves all frames of a run. A frame's count slot holds the count itself, 0 to 33, or the address of a slot
 * further up that leads to it; any number larger than 33 is an address. The program called finds in a5 what its own slot
 * is to hold.
 */
function emitAttempt(e: Emission): void {
  const { arrayMaxEntries, arrayPtrs, progBpfFunc } = e.unit.env.space.kernel.structs;
  const t1 = SCRATCH;
  const { countOff } = e.unit.frame;
  // What one site knows of the index another does not.
  if (e.unit.tails > 1) e.forget();
  e.zeroExtend(INDEX, INDEX);
  e.w(lwu(t1, arrayMaxEntries, ARRAY));
  const outside = e.skipIf(GEU, INDEX, t1);
  e.addConstant(COUNT, SP, countOff);
  e.w(addi(t1, ZERO, LIMIT));
  // Where the count is: follow addresses.
  const chase = e.here;
  e.move(COUNTER, COUNT);
  e.w(ld(COUNT, 0, COUNTER));
  e.backIf(LTU, t1, COUNT, chase);
  const spent = e.skipIf(EQ, COUNT, t1);
  if (e.unit.zba) e.w(sh3add(ARRAY, INDEX, ARRAY));
  else {
    e.w(slli(INDEX, INDEX, 3));
    e.w(add(ARRAY, ARRAY, INDEX));
  }
  e.w(ld(ARRAY, arrayPtrs, ARRAY));
  const empty = e.skipIf(EQ, ARRAY, ZERO);
  e.w(addi(COUNT, COUNT, 1));
  e.w(sd(COUNT, 0, COUNTER));
  e.w(ld(ARRAY, progBpfFunc, ARRAY));
  e.w(ld(COUNT, countOff, SP));
  emitTeardown(e);
  e.w(jalr(ZERO, TAIL_ENTRY_BYTES, ARRAY));
  for (const skip of [outside, spent, empty]) e.land(skip);
}
