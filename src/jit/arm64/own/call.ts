import { BPF_PSEUDO_CALL, BPF_PSEUDO_KFUNC_CALL } from '../../../isa/index.ts';
import { hi32, lo32 } from '../../../util/index.ts';
import { callTarget } from '../../func-addr.ts';
import { type CallSite, tailCallSite } from '../../types.ts';
import {
  addImm,
  addUxtw,
  bCond,
  bl,
  blr,
  br,
  cb,
  cmp,
  cmpImm,
  EQ,
  HI,
  HS,
  LOAD,
  ldr,
  mov,
  movk,
  movz,
  SP,
  str,
  W,
  X,
} from '../encode.ts';
import type { Emission } from './emission.ts';
import { TAIL_ENTRY_BYTES, teardownOf } from './frame.ts';
import { access } from './memory.ts';
import { CALL_RESULT, COUNT, T0, T2 } from './registers.ts';

/** Tail calls one run may make (`MAX_TAIL_CALL_CNT`). */
const LIMIT = 33;
/** Words of a call whose callee has no address yet: any constant, and `blr`. */
const LONGEST = 5;

/** Address of what slot `i` calls; undefined while callees have none. */
function targetOf(e: Emission, i: number): bigint | undefined {
  const insn = e.scan.insns[i];
  const { func, env } = e.unit;
  const target = callTarget(insn, e.callees, env.space, func.kfuncAddr);
  if (insn.src !== BPF_PSEUDO_CALL) return BigInt.asUintN(64, target);
  if (e.callees === undefined) return undefined;
  // Who carries a tail call count enters behind what starts one.
  const callee = e.callees[insn.off];
  return e.frame.reachable ? callee.localEntry : callee.entry;
}

export function emitCall(e: Emission, i: number): void {
  const insn = e.scan.insns[i];
  const local = insn.src === BPF_PSEUDO_CALL;
  const target = targetOf(e, i);
  // Tail calls below count where ours do.
  if (local && e.frame.reachable) e.addConstant(X, COUNT, SP, e.frame.countOff);
  const start = e.here;
  const form = target === undefined ? placeholder(e) : reach(e, target, start);
  e.fill(start);
  const site: CallSite = {
    insnIdx: i,
    kind: local ? 'subprog' : insn.src === BPF_PSEUDO_KFUNC_CALL ? 'kfunc' : 'helper',
    offBytes: start,
    endBytes: e.here,
    target: target ?? 0n,
    subprog: local ? insn.off : 0,
    form,
  };
  e.sites.push(site);
  e.leader();
  if ((e.unit.live[i] & 1) !== 0) e.move(e.target(i), CALL_RESULT);
}

function placeholder(e: Emission): string {
  for (let hw = 0; hw < LONGEST - 1; hw++) e.w(hw === 0 ? movz(X, T0, 0) : movk(X, T0, 0, hw));
  e.w(blr(T0));
  return 'placeholder';
}

function reach(e: Emission, target: bigint, start: number): string {
  const [hi, lo] = [hi32(target), lo32(target)];
  const distance = e.distance(hi, lo, start);
  if (distance >= -0x8000000 && distance < 0x8000000) {
    e.w(bl(distance));
    return 'bl';
  }
  const form = e.address(T0, hi, lo);
  e.w(blr(T0));
  return form;
}

/** A return: R0 to where callers look, and the epilogue, or a branch to it where it is longer than that. */
export function emitExit(e: Emission, i: number): void {
  e.move(CALL_RESULT, e.register(0));
  const { lastExit } = e.unit;
  if (i !== lastExit && e.epilogue.length > 1) {
    e.branch(e.leaveLabel);
    return;
  }
  if (i === lastExit) e.buffer.bind(e.leaveLabel);
  for (const word of e.epilogue) e.w(word);
}

/**
 * `bpf_tail_call`: on to another program's main in this function's place, or behind this slot.
 *
 * One count serves all frames of a run. A frame's count slot holds the count itself, 0 to 33, or the address of the slot
 * above that does; any number larger than 33 is an address. The program called finds in x9 what its own slot is to hold,
 * and x30 as this function found it.
 */
export function emitTailCall(e: Emission, i: number): void {
  const { arrayMaxEntries, arrayPtrs, progBpfFunc } = e.unit.env.space.kernel.structs;
  const { countOff } = e.frame;
  // R1 to R3: context, array, index.
  const [array, index] = [1, 2];
  const start = e.here;
  const exits: number[] = [];
  const leaveIf = (word: number): void => {
    exits.push(e.here);
    e.w(word);
  };
  access(e, 2, LOAD, T2, array, arrayMaxEntries);
  e.w(cmp(W, index, T2));
  leaveIf(bCond(HS, 0));
  e.addConstant(X, COUNT, SP, countOff);
  // Follow addresses to where the count is.
  const chase = e.here;
  e.w(mov(X, T0, COUNT));
  e.w(ldr(COUNT, T0, 0));
  e.w(cmpImm(X, COUNT, LIMIT));
  e.w(bCond(HI, chase - e.here));
  leaveIf(bCond(EQ, 0));
  e.w(addUxtw(T2, array, index, 3));
  access(e, 3, LOAD, T2, T2, arrayPtrs);
  leaveIf(cb(X, 0, T2, 0));
  e.w(addImm(X, COUNT, COUNT, 1));
  e.w(str(COUNT, T0, 0));
  access(e, 3, LOAD, T2, T2, progBpfFunc);
  e.w(ldr(COUNT, SP, countOff));
  for (const word of teardownOf(e.frame)) e.w(word);
  e.w(addImm(X, T2, T2, TAIL_ENTRY_BYTES));
  e.w(br(T2));
  for (const off of exits) e.buffer.patchU32(off, e.buffer.peekU32(off) | (((e.here - off) >> 2) << 5));
  e.leader();
  e.sites.push(tailCallSite(i, start, e.here));
}
