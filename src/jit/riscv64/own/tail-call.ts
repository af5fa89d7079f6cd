import { add, addi, EQ, GEU, jalr, LTU, ld, lwu, SP, sd, sh3add, slli, ZERO } from '../encode.ts';
import { COUNT } from './call-rows.ts';
import type { Emission } from './emission.ts';
import { emitTeardown } from './prologue.ts';

/** Registers of bpf_tail_call's arguments: R2 the array, R3 the index; R1, the context, stays in a0. */
const ARRAY = 11;
const INDEX = 12;
/** R4's: the slot that counts. */
const COUNTER = 13;
/** t1. */
const SCRATCH = 6;
/** Tail calls one run may make (`MAX_TAIL_CALL_CNT`). */
const LIMIT = 33;
/** Tail calls enter behind the first instruction, which starts the count. */
export const TAIL_ENTRY_BYTES = 2;

/**
 * `bpf_tail_call`: on to another program's main in this function's place, or behind this row.
 *
 * One count serves all frames of a run. A frame's count slot holds the count itself, 0 to 33, or the address of a slot
 * further up that leads to it; any number larger than 33 is an address. The program called finds in a5 what its own slot
 * is to hold.
 */
export function emitTailCall(e: Emission, i: number): void {
  const { arrayMaxEntries, arrayPtrs, progBpfFunc } = e.unit.env.space.kernel.structs;
  const t1 = SCRATCH;
  const { countOff } = e.unit.frame;
  const start = e.here;
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
  e.forgetClobbered();
  e.sites.push({
    insnIdx: i,
    kind: 'tail_call',
    offBytes: start,
    endBytes: e.here,
    target: 0n,
    subprog: 0,
    form: 'tail_call',
  });
}
