import { tailCallSite } from '../../types.ts';
import { add, addi, bctr, cmpldi, cmplw, ld, lwz, mflr, mr, mtctr, rldic, std } from '../encode.ts';
import type { Emission } from './emission.ts';
import { COUNT_OFF, teardownOf } from './frame.ts';

/** Registers of bpf_tail_call's arguments: R2 the array, R3 the index; R1, the context, stays in r3. */
const ARRAY = 4;
const INDEX = 5;
/** The count, and at the end what the next program's slot is to hold; the slot that counts; the program. */
const COUNT = 9;
const COUNTER = 10;
const PROG = 12;
/** Tail calls one run may make (`MAX_TAIL_CALL_CNT`). */
const LIMIT = 33;
/** Tail calls enter behind the first instruction. */
export const TAIL_ENTRY_BYTES = 4;

/**
 * `bpf_tail_call`: on to another program's main in this function's place, or behind this row.
 *
 * One count serves all frames of a run. A frame's count slot, 8 bytes below its caller's r1, holds the count itself, 0 to
 * 33, or the address of the slot above that does; any number larger than 33 is an address. The program called finds in
 * r9 what its own slot is to hold, LR in r0, and r2 right: that is what the one instruction it skips may have set.
 */
export function emitTailCall(e: Emission, i: number): void {
  const { arrayMaxEntries, arrayPtrs, progBpfFunc } = e.unit.env.space.kernel.structs;
  const { sizeBytes, savesLr } = e.frame;
  const slot = sizeBytes + COUNT_OFF;
  const start = e.buffer.length;
  const out = e.buffer.label();
  // Nothing else lives in volatile registers here.
  e.w(lwz(COUNT, arrayMaxEntries, ARRAY));
  e.w(cmplw(0, INDEX, COUNT));
  e.branchIf(4, 0, out);
  // Where the count is: follow addresses.
  e.w(addi(COUNT, 1, slot));
  const chase = e.buffer.label();
  e.bind(chase);
  e.w(mr(COUNTER, COUNT));
  e.w(ld(COUNT, 0, COUNTER));
  e.w(cmpldi(0, COUNT, LIMIT));
  e.branchIf(12, 1, chase);
  e.branchIf(12, 2, out);
  e.w(rldic(PROG, INDEX, 3, 29));
  e.w(add(PROG, PROG, ARRAY));
  e.w(ld(PROG, arrayPtrs, PROG));
  e.w(cmpldi(0, PROG, 0));
  e.branchIf(12, 2, out);
  e.w(addi(COUNT, COUNT, 1));
  e.w(std(COUNT, 0, COUNTER));
  e.w(ld(PROG, progBpfFunc, PROG));
  if (e.unit.abi.descriptors) e.w(ld(PROG, 0, PROG));
  e.w(addi(PROG, PROG, TAIL_ENTRY_BYTES));
  e.w(mtctr(PROG));
  e.w(ld(COUNT, slot, 1));
  for (const word of teardownOf(e.frame)) e.w(word);
  if (!savesLr) e.w(mflr(0));
  e.w(bctr());
  e.bind(out);
  e.changedByCall();
  e.sites.push(tailCallSite(i, start, e.buffer.length));
}
