import { PTR_TO_STACK } from '../../helpers/index.ts';
import { MAX_BPF_REG, MAY_GOTO } from '../../isa/index.ts';
import { scalarEqual } from '../domain/index.ts';
import type { VerifierEnv } from '../env.ts';
import { printVerifierState } from '../print/state-text.ts';
import { type FrameImages, NO_ASYNC_ENTRY } from '../state/frame-images.ts';
import type { FuncState } from '../state/func-state.ts';
import type { KeptStates } from '../state/kept-states.ts';
import { getSpi } from '../state/marks.ts';
import { BPF_ITER_STATE_ACTIVE, type RegContent, sameInfo } from '../state/reg.ts';
import { STACK_ITER } from '../state/stack.ts';
import type { VerifierState } from '../state/verifier-state.ts';
import { printImage, updateLoopEntry } from './branches.ts';
import { EXACT, RANGE_WITHIN, statesEqual } from './compare.ts';

/** No fingerprint was taken. */
export const NO_PRINT = 0;

/** Registers that are the very same have the same fingerprint. */
function fingerprintWith(print: number, { type, off, id, scalar }: RegContent): number {
  const { valueLo, uminLo, smaxHi } = scalar;
  return (
    Math.imul(print ^ (type + Math.imul(off ^ id, 0x2c1b3c6d)), 0x297a2d39) ^
    valueLo ^
    Math.imul(uminLo ^ smaxHi, 0x85ebca6b)
  );
}

/** Of the registers of the frame in hand. */
export function fingerprintOf(frame: FuncState): number {
  const { regs } = frame;
  let print = 0;
  for (let i = 0; i < MAX_BPF_REG; i++) print = fingerprintWith(print, regs[i].content);
  return print | 1;
}

export function fingerprintOfImage(images: FrameImages, image: number): number {
  const known = images.fingerprint(image);
  if (known !== NO_PRINT) return known;
  let print = 0;
  for (let i = 0; i < MAX_BPF_REG; i++) print = fingerprintWith(print, images.capturedReg(image, i));
  images.setFingerprint(image, print | 1);
  return print | 1;
}

/** Whether registers of the frame in hand are the very same, ids and all. */
function statesMaybeLooping(kept: KeptStates, old: number, cur: VerifierState): boolean {
  const frame = cur.curframe;
  if (kept.curframe(old) !== frame) return false;
  const { images } = kept;
  const image = kept.imageOf(old, frame);
  const { regs } = cur.frames[frame];
  for (let i = 0; i < MAX_BPF_REG; i++) {
    const a = images.capturedReg(image, i);
    const b = regs[i].content;
    if (a === b) continue;
    if (a.type !== b.type || a.off !== b.off || a.id !== b.id || a.refObjId !== b.refObjId) return false;
    if (!scalarEqual(a.scalar, b.scalar) || !sameInfo(a.info, b.info)) return false;
  }
  return true;
}

/** Whether an iterator that may give more has been asked another number of times. */
function iterActiveDepthsDiffer(kept: KeptStates, old: number, cur: VerifierState): boolean {
  const { images } = kept;
  for (let f = cur.curframe; f >= 0; f--) {
    const image = kept.imageOf(old, f);
    for (let spi = 0; spi < images.slotCount(image); spi++) {
      const slot = images.slotOf(image, spi);
      if ((slot.slotTypes & 15) !== STACK_ITER || slot.info.iterState !== BPF_ITER_STATE_ACTIVE) continue;
      if (cur.frames[f].stack[spi].info.iterDepth !== slot.info.iterDepth) return true;
    }
  }
  return false;
}

/** What may end a path that comes to an instruction again and again. */
export const PLAIN = 0;
export const ITER_NEXT = 1;
export const GOES_MAYBE = 2;
export const CALLS_BACK = 3;
/** As ITER_NEXT, but the iterator gives no more: nothing ends the path. */
export const ITER_ENDED = 4;
export type LoopKind = typeof PLAIN | typeof ITER_NEXT | typeof GOES_MAYBE | typeof CALLS_BACK | typeof ITER_ENDED;

/** Whether R1 points to an iterator that gives no more. */
function isIterEnded(env: VerifierEnv, frame: FuncState): boolean {
  const reg = frame.regs[1];
  if (reg.type !== PTR_TO_STACK) return false;
  const slot = env.curState.frames[reg.frameno].stack[getSpi(reg.off + reg.scalar.valueLo)];
  return slot !== undefined && slot.info.iterState !== BPF_ITER_STATE_ACTIVE;
}

export function loopKindOf(env: VerifierEnv, insnIdx: number, frame: FuncState): LoopKind {
  if (env.insnAux[insnIdx].detail.isIterNext) return isIterEnded(env, frame) ? ITER_ENDED : ITER_NEXT;
  if (env.cfg.callsCallback[insnIdx] !== 0) return CALLS_BACK;
  const { code, src } = env.insns[insnIdx];
  return code === MAY_GOTO && src === 0 ? GOES_MAYBE : PLAIN;
}

/**
 * The path in hand goes through `old` a second time: whether that ends it. Refuses if it would never end.
 * `kind` is that of the instruction.
 */
export function isLoopVisited(
  env: VerifierEnv,
  old: number,
  cur: VerifierState,
  kind: LoopKind,
  insnIdx: number,
): boolean {
  const { kept } = env;
  const entry = kept.images.asyncEntryCnt(kept.imageOf(old, kept.curframe(old)));
  // Another entry of an asynchronous callback is no loop.
  if (entry !== NO_ASYNC_ENTRY && entry !== cur.frame.asyncEntryCnt) return false;
  switch (kind) {
    case ITER_NEXT:
      if (!statesEqual(env, old, cur, RANGE_WITHIN)) return false;
      updateLoopEntry(kept, cur, old);
      return true;
    case ITER_ENDED:
      return false;
    case CALLS_BACK:
      return statesEqual(env, old, cur, RANGE_WITHIN);
    case GOES_MAYBE:
      if (kept.mayGotoDepth(old) === cur.mayGotoDepth) break;
      if (!statesEqual(env, old, cur, RANGE_WITHIN)) return false;
      updateLoopEntry(kept, cur, old);
      return true;
  }
  if (
    kept.mayGotoDepth(old) === cur.mayGotoDepth &&
    kept.rare(old).callbackUnrollDepth === cur.callbackUnrollDepth &&
    statesMaybeLooping(kept, old, cur) &&
    statesEqual(env, old, cur, EXACT) &&
    !iterActiveDepthsDiffer(kept, old, cur)
  )
    refuseLoop(env, old, cur, insnIdx);
  return false;
}

function refuseLoop(env: VerifierEnv, old: number, cur: VerifierState, insnIdx: number): never {
  env.lines.print(insnIdx, '; ');
  env.say('infiniteLoop', insnIdx);
  if (env.logging) {
    env.verbose('cur state:');
    printVerifierState(env, cur.frame, true);
    env.verbose('old state:');
    printImage(env, env.kept.imageOf(old, cur.curframe));
  }
  env.fail(22);
}
