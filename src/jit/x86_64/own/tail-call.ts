import { tailCallSite } from '../../types.ts';
import { ADD, aluImm, CC, CMP, JCC8, jmpReg, lea, leaRip, mov, rm, test, W } from '../encode.ts';
import { RAX, RBP, RDX, RSI } from '../registers.ts';
import type { Emission } from './emission.ts';
import { emitTeardown, TAIL_ENTRY_BYTES } from './frame.ts';
import { SCRATCH, SCRATCH2 } from './registers.ts';

/** Arguments: R2 the array, R3 the index; R1, the context, stays where it is. */
const ARRAY = RSI;
const INDEX = RDX;
/** The program, and before the count; the slot that counts. */
const PROG = SCRATCH;
const COUNTER = SCRATCH2;
/** Tail calls one run may make (`MAX_TAIL_CALL_CNT`). */
const LIMIT = 33;
const CMP_MEM = 0x39;
const LOAD = 0x8b;

/**
 * `bpf_tail_call`: on to another program's main in this function's place, or behind this slot. Where a function has several
 * they share one sequence, which finds in rax where to go on.
 */
export function emitTailCall(e: Emission, i: number): void {
  const { c, unit } = e;
  const start = c.length;
  if (unit.facts.tailCalls > 1) {
    if (e.tailStub < 0) e.tailStub = c.label();
    leaRip(c, RAX, 0);
    const from = c.length;
    e.jump(e.tailStub, i);
    c.patchU32(from - 4, c.length - from);
  } else for (const out of emitAttempt(e)) e.landed(out);
  e.called();
  e.sites.push(tailCallSite(i, start, c.length));
}

/** What a function's tail calls share, behind its code. */
export function emitTailStub(e: Emission): void {
  if (e.tailStub < 0) return;
  e.c.bind(e.tailStub);
  for (const out of emitAttempt(e)) e.landed(out);
  jmpReg(e.c, RAX);
}

/**
 * The call, and jumps to be landed where there is none.
 *
 * One count serves all frames of a run. A frame's slot holds the count itself, 0 to 33, or the address of the slot above
 * that does; any number larger than 33 is an address. The program called finds in rax what its own slot is to hold: the
 * one instruction it skips would set that to 0.
 */
function emitAttempt(e: Emission): readonly number[] {
  const { c, unit } = e;
  const { arrayMaxEntries, arrayPtrs, progBpfFunc } = unit.env.space.kernel.structs;
  const { countOff } = unit.frame;
  const outs: number[] = [];
  mov(c, 0, INDEX, INDEX);
  rm(c, 0, CMP_MEM, INDEX, ARRAY, arrayMaxEntries);
  outs.push(e.skip(JCC8 | CC.be));
  // Where the count is: follow addresses.
  lea(c, W, SCRATCH, RBP, countOff);
  const chase = c.length;
  mov(c, W, COUNTER, SCRATCH);
  rm(c, W, LOAD, SCRATCH, COUNTER, 0);
  aluImm(c, W, CMP, SCRATCH, LIMIT);
  c.u8(JCC8 | CC.a);
  c.u8((chase - (c.length + 1)) & 0xff);
  outs.push(e.skip(JCC8 | CC.e));
  rm(c, W, LOAD, PROG, ARRAY, arrayPtrs, INDEX, 3);
  test(c, W, PROG, PROG);
  outs.push(e.skip(JCC8 | CC.e));
  rm(c, W, 0xff, 0, COUNTER, 0);
  rm(c, W, LOAD, PROG, PROG, progBpfFunc);
  aluImm(c, W, ADD, PROG, TAIL_ENTRY_BYTES);
  rm(c, W, LOAD, RAX, RBP, countOff);
  emitTeardown(c, unit.frame);
  jmpReg(c, PROG);
  return outs;
}
