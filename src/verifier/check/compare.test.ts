import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  NOT_INIT,
  PTR_TO_ARENA,
  PTR_TO_MAP_VALUE,
  PTR_TO_PACKET,
  PTR_TO_STACK,
  SCALAR_VALUE,
} from '../../helpers/index.ts';
import { SCALAR_UNKNOWN, type Scalar, scalarKnown } from '../domain/index.ts';
import type { VerifierEnv } from '../env.ts';
import { FuncState, newRegs } from '../state/func-state.ts';
import { checkIds, IdMap } from '../state/idmap.ts';
import { KeptStates } from '../state/kept-states.ts';
import {
  AT_PKT_END,
  BEYOND_PKT_END,
  BPF_ADD_CONST,
  dynptrInfo,
  iterInfo,
  mapInfo,
  NO_INFO,
  REG_LIVE_READ64,
  RegState,
  rangeInfo,
} from '../state/reg.ts';
import {
  STACK_DYNPTR,
  STACK_INVALID,
  STACK_ITER,
  STACK_MISC,
  STACK_SPILL,
  STACK_ZERO,
  setSlotType,
  slotTypeOf,
} from '../state/stack.ts';
import { VerifierState } from '../state/verifier-state.ts';
import { EXACT, type ExactLevel, NOT_EXACT, RANGE_WITHIN, regsafe, statesEqual } from './compare.ts';

const makeEnv = (allowUninitStack = true, exploreAluLimits = false): VerifierEnv =>
  ({
    allowUninitStack,
    exploreAluLimits,
    idGen: 1000,
    idmapScratch: new IdMap(),
    kept: new KeptStates(),
  }) as unknown as VerifierEnv;

function reg(type: number, scalar: Scalar = SCALAR_UNKNOWN, rest: Partial<RegState> = {}): RegState {
  return Object.assign(new RegState(), { type, scalar, live: REG_LIVE_READ64, precise: true }, rest);
}
const safe = (old: RegState, cur: RegState, exact: ExactLevel = NOT_EXACT, env = makeEnv()): boolean =>
  safeIfRead(env, old, cur, env.idmapScratch, exact);

/** What nobody reads is safe unless states have to be alike. */
const safeIfRead = (env: VerifierEnv, old: RegState, cur: RegState, idmap: IdMap, exact: ExactLevel): boolean =>
  (exact === NOT_EXACT && old.live === 0) || regsafe(env, old.content, old.precise, cur.content, idmap, exact);

const ZERO = scalarKnown(0, 0);
const ONE = scalarKnown(0, 1);

describe('a register that is safe for', () => {
  it.each<[string, RegState, RegState, boolean]>([
    ['any number', reg(SCALAR_VALUE), reg(SCALAR_VALUE, ONE), true],
    ['one number, with any', reg(SCALAR_VALUE, ONE), reg(SCALAR_VALUE), false],
    ['one number that does not matter', reg(SCALAR_VALUE, ONE, { precise: false }), reg(SCALAR_VALUE), true],
    ['what nobody reads', reg(SCALAR_VALUE, ONE, { live: 0 }), reg(PTR_TO_STACK), true],
    ['nothing', reg(NOT_INIT), reg(PTR_TO_STACK), true],
    ['a number, with a pointer', reg(SCALAR_VALUE), reg(PTR_TO_STACK), false],
    ['an arena', reg(PTR_TO_ARENA, ONE), reg(PTR_TO_ARENA, ZERO), true],
    ['its frame', reg(PTR_TO_STACK, ZERO, { frameno: 1 }), reg(PTR_TO_STACK, ZERO, { frameno: 1 }), true],
    ['its frame, with another', reg(PTR_TO_STACK, ZERO, { frameno: 1 }), reg(PTR_TO_STACK, ZERO), false],
    ['any offset', reg(PTR_TO_MAP_VALUE), reg(PTR_TO_MAP_VALUE, ONE), true],
    ['one offset, with any', reg(PTR_TO_MAP_VALUE, ONE), reg(PTR_TO_MAP_VALUE), false],
    ['a linked scalar, with one that is not', reg(SCALAR_VALUE, ONE, { id: 1 }), reg(SCALAR_VALUE, ONE), true],
    [
      'a scalar, with one linked at a distance',
      reg(SCALAR_VALUE, ONE, { id: 1 }),
      reg(SCALAR_VALUE, ONE, { id: 1 | BPF_ADD_CONST }),
      false,
    ],
    [
      'a scalar linked at a distance, with another distance',
      reg(SCALAR_VALUE, ONE, { id: 1 | BPF_ADD_CONST, off: 4 }),
      reg(SCALAR_VALUE, ONE, { id: 1 | BPF_ADD_CONST, off: 8 }),
      false,
    ],
    ['a scalar linked to nothing, with any', reg(SCALAR_VALUE), reg(SCALAR_VALUE, ONE, { id: 7, off: 3 }), true],
  ])('%s', (_what, old, cur, expected) => {
    expect(safe(old, cur)).toBe(expected);
  });

  it.each([
    [10, 20, true],
    [20, 10, false],
    [10, 10, true],
    [AT_PKT_END, AT_PKT_END, true],
    [AT_PKT_END, BEYOND_PKT_END, false],
    [AT_PKT_END, 10, false],
    [10, BEYOND_PKT_END, false],
  ])('%d bytes of a packet, with %d', (old, cur, expected) => {
    const packet = (range: number): RegState => reg(PTR_TO_PACKET, ZERO, { info: rangeInfo(range) });
    expect(safe(packet(old), packet(cur))).toBe(expected);
  });

  it('one map is not safe for another', () => {
    const map = (name: string): RegState => reg(PTR_TO_MAP_VALUE, ZERO, { info: mapInfo({ name } as never) });
    const a = map('a');
    expect([safe(a, a), safe(a, map('b'))]).toEqual([true, false]);
  });

  it('a range is compared by value in loops, and as a whole where loops would never end', () => {
    const old = reg(SCALAR_VALUE, SCALAR_UNKNOWN, { live: 0, precise: false });
    const cur = reg(SCALAR_VALUE, ONE);
    expect([safe(old, cur, RANGE_WITHIN), safe(cur, old, RANGE_WITHIN), safe(old, cur, EXACT)]).toEqual([
      true,
      false,
      false,
    ]);
  });

  it('limits of arithmetic are explored with one value at a time', () => {
    expect(safe(reg(SCALAR_VALUE), reg(SCALAR_VALUE, ONE), NOT_EXACT, makeEnv(true, true))).toBe(false);
  });
});

/** What the kernel does with every byte of a stack, written down byte by byte. */
function stackModel(
  env: VerifierEnv,
  old: readonly RegState[],
  cur: readonly RegState[],
  idmap: IdMap,
  exact: ExactLevel,
): boolean {
  const unbound = reg(SCALAR_VALUE, SCALAR_UNKNOWN, { precise: false });
  const scalarOf = (slot: RegState): RegState | undefined => {
    const types = [0, 1, 2, 3, 4, 5, 6, 7].map(i => slotTypeOf(slot, i));
    if (types[0] === STACK_SPILL && slot.type === SCALAR_VALUE) return slot;
    const misc = types.every(t => t === STACK_MISC || (t === STACK_INVALID && env.allowUninitStack));
    return misc ? unbound : undefined;
  };
  for (let i = 0; i < old.length * 8; i++) {
    const a = old[i >> 3];
    const b = cur[i >> 3];
    const ta = slotTypeOf(a, i & 7);
    if (exact !== NOT_EXACT && (b === undefined || ta !== slotTypeOf(b, i & 7))) return false;
    if (a.live === 0 && exact === NOT_EXACT) {
      i += 7;
      continue;
    }
    if (ta === STACK_INVALID || (env.allowUninitStack && ta === STACK_MISC)) continue;
    if (b === undefined) return false;
    const ra = scalarOf(a);
    const rb = scalarOf(b);
    if (ra !== undefined && rb !== undefined) {
      if (!safeIfRead(env, ra, rb, idmap, exact)) return false;
      i += 7;
      continue;
    }
    const tb = slotTypeOf(b, i & 7);
    if (ta === STACK_MISC && tb === STACK_ZERO) continue;
    if (ta !== tb) return false;
    if ((i & 7) !== 7) continue;
    if (ta === STACK_SPILL && !safeIfRead(env, a, b, idmap, exact)) return false;
    if (ta === STACK_DYNPTR && (a.info.dynptrType !== b.info.dynptrType || !checkIds(a.refObjId, b.refObjId, idmap)))
      return false;
    if (
      ta === STACK_ITER &&
      (a.info.iterState !== b.info.iterState ||
        a.info.btfId !== b.info.btfId ||
        !checkIds(a.refObjId, b.refObjId, idmap))
    )
      return false;
  }
  return true;
}

function stateOf(stack: readonly RegState[], callsite = -1): VerifierState {
  const state = new VerifierState();
  const frame = new FuncState(callsite, 0, 0, newRegs());
  frame.stack = [...stack];
  state.frames = [frame];
  return state;
}

/** Whether `cur` needs no look once `old` was kept. */
const equalOnceKept = (env: VerifierEnv, old: VerifierState, cur: VerifierState, exact: ExactLevel): boolean =>
  statesEqual(env, env.kept.keep(old, 0, false), cur, exact);

describe('two states', () => {
  const ITERS = [iterInfo(undefined as never, 1, 1, 0), iterInfo(undefined as never, 1, 2, 0)];
  const DYNPTRS = [dynptrInfo(1, true), dynptrInfo(2, true)];
  const kinds = fc.oneof(
    { weight: 3, arbitrary: fc.constantFrom(0, 0x22222222, 0x11111111, 0x33333333, 0x55555555, 0x44444444) },
    {
      weight: 1,
      arbitrary: fc
        .array(fc.constantFrom(STACK_INVALID, STACK_MISC, STACK_ZERO, STACK_SPILL), { minLength: 8, maxLength: 8 })
        .map(types => {
          const slot = new RegState();
          types.forEach((type, i) => {
            setSlotType(slot, i, type);
          });
          return slot.slotTypes;
        }),
    },
  );
  const slot = fc
    .record({
      slotTypes: kinds,
      type: fc.constantFrom(SCALAR_VALUE, SCALAR_VALUE, PTR_TO_MAP_VALUE, NOT_INIT),
      scalar: fc.constantFrom(SCALAR_UNKNOWN, ZERO),
      live: fc.constantFrom(REG_LIVE_READ64, REG_LIVE_READ64, 0),
      precise: fc.boolean(),
      id: fc.nat(2),
      refObjId: fc.nat(2),
      iter: fc.nat(1),
    })
    .map(({ iter, ...fields }) => {
      const isIter = fields.slotTypes === 0x55555555;
      const info = isIter ? ITERS[iter] : fields.slotTypes === 0x44444444 ? DYNPTRS[iter] : NO_INFO;
      return Object.assign(new RegState(), fields, { info });
    });

  it.each([true, false])('compare stacks as a walk over all bytes does, unread memory allowed: %s', allowUninit => {
    const stack = fc.array(fc.tuple(slot, slot, fc.boolean()), { maxLength: 5 });
    const outcomes = new Set<boolean>();
    fc.assert(
      fc.property(stack, fc.nat(5), fc.constantFrom(NOT_EXACT, EXACT, RANGE_WITHIN), (pairs, missing, exact) => {
        const old = pairs.map(([a]) => a);
        const cur = pairs
          .map(([a, b, same]) => (same ? Object.assign(new RegState(), b, { slotTypes: a.slotTypes }) : b))
          .slice(0, missing < 4 ? undefined : missing - 4);
        const env = makeEnv(allowUninit);
        const idmap = new IdMap();
        idmap.reset(env.idGen);
        const expected = stackModel(env, old, cur, idmap, exact);
        outcomes.add(expected);
        expect(equalOnceKept(env, stateOf(old), stateOf(cur), exact)).toBe(expected);
      }),
      { numRuns: 2000 },
    );
    expect(outcomes.size).toBe(2);
  });

  it.each<[string, (state: VerifierState) => void, boolean]>([
    ['a call site', s => s.frames[0].changeHead({ callsite: 4 }), false],
    ['a lock', s => (s.activeLock = { ptr: {}, id: 1 }), false],
    ['an RCU section', s => (s.activeRcuLock = true), false],
    ['preemption', s => (s.activePreemptLock = 1), false],
    ['sleeping', s => (s.inSleepable = true), false],
    ['a reference', s => (s.frames[0].refs = [{ id: 1, insnIdx: 0, callbackRef: 0 }]), false],
    ['speculation of the one in hand', s => (s.speculative = true), true],
    ['callbacks already called', s => (s.frames[0].callbackDepth = 1), true],
    ['nothing', () => {}, true],
  ])('differ in %s', (_what, change, expected) => {
    const cur = stateOf([]);
    change(cur);
    expect(equalOnceKept(makeEnv(), stateOf([]), cur, NOT_EXACT)).toBe(expected);
  });

  it('that was speculated upon prunes nothing that really runs', () => {
    const old = stateOf([]);
    old.speculative = true;
    expect(equalOnceKept(makeEnv(), old, stateOf([]), NOT_EXACT)).toBe(false);
  });
});
