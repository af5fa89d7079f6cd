import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { VerifierEnv } from '../env.ts';
import { BacktrackState } from '../state/backtrack.ts';
import { InsnHistory, NO_ENTRY } from '../state/insn-history.ts';
import { VerifierState } from '../state/verifier-state.ts';
import {
  getInsnHistEntry,
  getPrevInsnIdx,
  HISTORY_EXHAUSTED,
  INSN_F_DST_REG_STACK,
  INSN_F_STACK_ACCESS,
  insnStackAccessFlags,
  insnStackAccessFrameno,
  insnStackAccessSpi,
  linkedReg,
  linkedRegFrameno,
  linkedRegIsReg,
  linkedRegSpi,
  linkedRegsPush,
  pushInsnHistory,
} from './history.ts';

function makeEnv(): VerifierEnv {
  return {
    insnIdx: 0,
    prevInsnIdx: -1,
    insnHist: new InsnHistory(),
    curHistEnt: NO_ENTRY,
  } as unknown as VerifierEnv;
}

function walk(env: VerifierEnv, state: VerifierState, path: readonly number[], flags = 0): void {
  for (const idx of path) {
    env.prevInsnIdx = env.insnIdx;
    env.insnIdx = idx;
    env.curHistEnt = NO_ENTRY;
    if (idx !== env.prevInsnIdx + 1) pushInsnHistory(env, state, flags, undefined);
  }
}

function wayBack(env: VerifierEnv, state: VerifierState, from: number): number[] {
  const bt = new BacktrackState();
  bt.histEnd = state.insnHistEnd;
  const idxs: number[] = [];
  for (let i = from; i !== HISTORY_EXHAUSTED; i = getPrevInsnIdx(env, state.firstInsnIdx, i, state.insnHistStart, bt))
    idxs.push(i);
  return idxs;
}

describe('the history of a path', () => {
  it('leads back the way it went, loops and all', () => {
    const jumps = fc.array(fc.tuple(fc.nat(20), fc.integer({ min: 1, max: 5 })), { minLength: 1, maxLength: 20 });
    fc.assert(
      fc.property(jumps, blocks => {
        const path = blocks.flatMap(([start, length]) => Array.from({ length }, (_, i) => start + i));
        const env = makeEnv();
        env.insnIdx = 50;
        const state = new VerifierState();
        state.firstInsnIdx = path[0];
        walk(env, state, path);
        expect(wayBack(env, state, path[path.length - 1])).toEqual(path.toReversed());
      }),
    );
  });

  it('of a child does not change that of its parent', () => {
    const env = makeEnv();
    const parent = new VerifierState();
    walk(env, parent, [7, 3]);
    const child = new VerifierState();
    child.insnHistStart = child.insnHistEnd = parent.insnHistEnd;
    walk(env, child, [9, 2]);
    const other = new VerifierState();
    other.insnHistStart = other.insnHistEnd = parent.insnHistEnd;
    walk(env, other, [5]);
    expect([...env.insnHist.idx.subarray(0, 4)]).toEqual([7, 3, 5, 2]);
    expect(env.insnHist.prevIdx[getInsnHistEntry(env, 0, parent.insnHistEnd, 3)]).toBe(7);
    expect(getInsnHistEntry(env, 0, parent.insnHistEnd, 7)).toBe(NO_ENTRY);
    expect(getInsnHistEntry(env, 2, 2, 5)).toBe(NO_ENTRY);
  });

  it('has one entry for an instruction that is remembered twice', () => {
    const env = makeEnv();
    const state = new VerifierState();
    pushInsnHistory(env, state, INSN_F_STACK_ACCESS, undefined);
    pushInsnHistory(env, state, INSN_F_DST_REG_STACK, [1, 2]);
    const { idx, prevIdx, flags, linkedRegs } = env.insnHist;
    expect([idx[0], prevIdx[0], flags[0]]).toEqual([0, -1, INSN_F_STACK_ACCESS | INSN_F_DST_REG_STACK]);
    expect(linkedRegs).toEqual([[1, 2]]);
    expect(state.insnHistEnd).toBe(1);
  });

  it('packs slots and linked registers without loss', () => {
    fc.assert(
      fc.property(fc.nat(7), fc.nat(63), fc.boolean(), (frame, spi, isReg) => {
        const flags = insnStackAccessFlags(frame, spi);
        expect([insnStackAccessFrameno(flags), insnStackAccessSpi(flags)]).toEqual([frame, spi]);
        const entry = linkedReg(frame, spi, isReg);
        expect([linkedRegFrameno(entry), linkedRegSpi(entry), linkedRegIsReg(entry)]).toEqual([frame, spi, isReg]);
      }),
    );
  });

  it('remembers six linked registers at most', () => {
    const linked: number[] = [];
    const taken = Array.from({ length: 8 }, (_, i) => linkedRegsPush(linked, 0, i, true));
    expect(taken).toEqual([true, true, true, true, true, true, false, false]);
  });
});
