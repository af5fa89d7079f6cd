import { describe, expect, it } from 'vitest';
import type { PendingState, VerifierEnv } from '../env.ts';
import { Refusal } from '../env.ts';
import { FuncState, newRegs } from '../state/func-state.ts';
import { KeptStates } from '../state/kept-states.ts';
import { VerifierState } from '../state/verifier-state.ts';
import { VerifierLog } from '../verifier-log.ts';
import {
  getLoopEntry,
  popStack,
  pushStack,
  tryPushStack,
  updateBranchCounts,
  updateKeptLoopEntry,
  updateLoopEntry,
} from './branches.ts';

function makeEnv(): VerifierEnv {
  const curState = new VerifierState();
  curState.frames = [new FuncState(-1, 0, 0, newRegs())];
  const log = new VerifierLog(2);
  return {
    curState,
    kept: new KeptStates(),
    log,
    pending: [] as PendingState[],
    unsettled: undefined,
    spareFrames: [] as FuncState[],
    say: (id: 'jumpsTooComplex', count: number) => log.say(id, [count]),
    fail: (errno: number) => {
      throw new Refusal(errno);
    },
  } as unknown as VerifierEnv;
}

/** Keeps what is in hand so often, each time as the child of the state kept before. */
function chain({ kept, curState }: VerifierEnv, depth: number): number[] {
  const states: number[] = [];
  curState.branches = 1;
  for (let i = 0; i < depth; i++) {
    curState.parent = kept.keep(curState, i, false);
    curState.dfsDepth++;
    states.push(curState.parent);
  }
  return states;
}

describe('paths put aside', () => {
  it('come back last first, with registers of their own', () => {
    const env = makeEnv();
    const [parent] = chain(env, 1);
    env.curState.frames[0].resizeStack(1);
    const aside = pushStack(env, 5, 4, false);
    aside.frames[0].regs[2].id = 6;
    pushStack(env, 9, 8, true);
    expect(env.kept.branches(parent)).toBe(3);
    env.curState.frames[0].regs[1].id = 77;
    env.curState.frames[0].stack[0].id = 78;
    const { curState } = env;
    const first = popStack(env, false);
    expect([first?.insnIdx, first?.prevInsnIdx, env.curState.speculative]).toEqual([9, 8, true]);
    popStack(env, false);
    expect(env.curState).toBe(curState);
    const [frame] = curState.frames;
    expect([frame.regs[1].id, frame.regs[2].id, frame.stack[0].id, curState.speculative]).toEqual([0, 6, 0, false]);
    expect(popStack(env, false)).toBe(undefined);
  });

  it('take the log back to where they began, if asked', () => {
    const env = makeEnv();
    env.log.print('before');
    pushStack(env, 1, 0, false);
    env.log.print('after');
    popStack(env, true);
    expect(env.log.text).toBe('before\n');
  });

  it('are limited', () => {
    const env = makeEnv();
    for (let i = 0; i < 8192; i++) env.pending.push({} as PendingState);
    expect(tryPushStack(env, 1, 0, false)).toBe(undefined);
    expect(env.log.lastMessage).toBe('The sequence of 8193 jumps is too complex.');
    expect(env.pending.length).toBe(0);
  });
});

describe('states on a path', () => {
  it('are complete once all that began there has ended', () => {
    const env = makeEnv();
    const states = chain(env, 4);
    env.kept.addBranches(states[1], 1);
    updateBranchCounts(env, env.curState);
    expect(states.map(s => env.kept.branches(s))).toEqual([1, 1, 0, 0]);
  });

  it('belong to the loop they lead back to', () => {
    const env = makeEnv();
    const { kept, curState } = env;
    const states = chain(env, 4);
    updateLoopEntry(kept, curState, states[2]);
    expect([curState.loopEntry, kept.isUsedAsLoopEntry(states[2])]).toEqual([states[2], true]);
    updateKeptLoopEntry(kept, states[3], states[1]);
    expect([kept.loopEntry(states[3]), kept.isUsedAsLoopEntry(states[1])]).toEqual([states[1], true]);
    updateKeptLoopEntry(kept, states[1], states[0]);
    expect(getLoopEntry(kept, states[3])).toBe(states[0]);
    expect(kept.loopEntry(states[3])).toBe(states[0]);
    curState.loopEntry = 0;
    updateBranchCounts(env, curState);
    expect(kept.loopEntry(states[2])).toBe(states[0]);
  });

  it('are in no loop with states that are complete, or further down', () => {
    const env = makeEnv();
    const { kept } = env;
    const states = chain(env, 3);
    updateKeptLoopEntry(kept, states[0], states[2]);
    expect(kept.loopEntry(states[0])).toBe(0);
    kept.addBranches(states[1], -1);
    updateKeptLoopEntry(kept, states[2], states[1]);
    expect(kept.loopEntry(states[2])).toBe(0);
  });
});
