import { describe, expect, it } from 'vitest';
import {
  ARG_PTR_TO_DYNPTR,
  CONST_PTR_TO_DYNPTR,
  DYNPTR_TYPE_LOCAL,
  DYNPTR_TYPE_RINGBUF,
  MEM_UNINIT,
  NOT_INIT,
  PTR_MAYBE_NULL,
  PTR_TO_MEM,
  PTR_TO_STACK,
  SCALAR_VALUE,
} from '../../helpers/index.ts';
import { ERRNO } from '../../uapi/index.ts';
import { Refusal, VerifierEnv } from '../env.ts';
import { FuncState, newRegs } from '../state/func-state.ts';
import { markRegKnownZeroRaw } from '../state/marks.ts';
import { BPF_DYNPTR_TYPE_LOCAL, BPF_DYNPTR_TYPE_RINGBUF, memInfo, REG_LIVE_WRITTEN, RegState } from '../state/reg.ts';
import { STACK_DYNPTR, STACK_INVALID, STACK_MISC, slotTypesAll } from '../state/stack.ts';
import { VerifierState } from '../state/verifier-state.ts';
import { VerifierLog } from '../verifier-log.ts';
import {
  argToDynptrType,
  destroyIfDynptrStackSlot,
  dynptrGetSpi,
  dynptrId,
  isDynptrRegValidInit,
  isDynptrRegValidUninit,
  isDynptrTypeExpected,
  markDynptrCbReg,
  markStackSlotsDynptr,
  unmarkStackSlotsDynptr,
} from './dynptr.ts';

const LOCAL = ARG_PTR_TO_DYNPTR | DYNPTR_TYPE_LOCAL | MEM_UNINIT;
const RINGBUF = ARG_PTR_TO_DYNPTR | DYNPTR_TYPE_RINGBUF | MEM_UNINIT;

function setUp(slots: number): VerifierEnv {
  const env = new VerifierEnv({
    prog: { capBpf: true, capPerfmon: true },
    kernel: { version: '6.12' },
    subprogs: { list: [{}] },
    log: new VerifierLog(2),
  } as unknown as ConstructorParameters<typeof VerifierEnv>[0]);
  const frame = new FuncState(-1, 0, 0, newRegs());
  for (let i = 0; i < slots; i++) {
    const slot = new RegState();
    slot.slotTypes = slotTypesAll(STACK_MISC);
    frame.stack.push(slot);
  }
  env.curState = new VerifierState();
  env.curState.frames = [frame];
  return env;
}

/** A register that points `off` bytes (negative) from the frame's end. */
function stackPtr(off: number): RegState {
  const reg = new RegState();
  markRegKnownZeroRaw(reg);
  reg.type = PTR_TO_STACK;
  reg.off = off;
  return reg;
}

function refusal(run: () => void): number {
  try {
    run();
  } catch (error) {
    if (error instanceof Refusal) return error.errno;
    throw error;
  }
  return 0;
}

const typesOf = (env: VerifierEnv): number[] => env.frame.stack.map(slot => slot.slotTypes);
const D = slotTypesAll(STACK_DYNPTR);
const GONE = slotTypesAll(STACK_INVALID);
const MISC = slotTypesAll(STACK_MISC);

describe('where a dynptr may lie', () => {
  it.each([
    [-16, 1],
    [-32, 3],
    [-24, 2],
  ])('fp%i is slot %i', (off, spi) => {
    expect(dynptrGetSpi(setUp(4), stackPtr(off))).toBe(spi);
  });

  it.each([
    [-8, -ERRNO.EINVAL, 'cannot pass in dynptr at an offset=-8\n'],
    [-12, -ERRNO.EINVAL, 'cannot pass in dynptr at an offset=-12\n'],
    [0, -ERRNO.EINVAL, 'cannot pass in dynptr at an offset=0\n'],
    [-40, -ERRNO.ERANGE, ''],
  ])('fp%i is no place: %i', (off, err, text) => {
    const env = setUp(4);
    expect(dynptrGetSpi(env, stackPtr(off))).toBe(err);
    expect(env.log.text).toBe(text);
  });

  it('is not a place that varies', () => {
    const env = setUp(4);
    const reg = new RegState();
    reg.type = PTR_TO_STACK;
    expect(dynptrGetSpi(env, reg)).toBe(-ERRNO.EINVAL);
    expect(env.log.text).toBe('dynptr has to be at a constant offset\n');
  });

  it('may be made below what the stack reaches', () => {
    expect(isDynptrRegValidUninit(setUp(0), stackPtr(-16))).toBe(true);
    expect(isDynptrRegValidUninit(setUp(0), stackPtr(-8))).toBe(false);
    expect(isDynptrRegValidInit(setUp(0), stackPtr(-16))).toBe(false);
  });
});

describe('a dynptr on the stack', () => {
  it('takes two slots that share an id', () => {
    const env = setUp(4);
    markStackSlotsDynptr(env, stackPtr(-24), LOCAL, 7, 0);
    expect(typesOf(env)).toEqual([MISC, D, D, MISC]);
    const { stack } = env.frame;
    expect(stack.map(slot => slot.id)).toEqual([0, 1, 1, 0]);
    expect([stack[2].info.firstSlot, stack[1].info.firstSlot]).toEqual([true, false]);
    expect(stack[2].info.dynptrType).toBe(BPF_DYNPTR_TYPE_LOCAL);
    expect(stack[1].live & stack[2].live & REG_LIVE_WRITTEN).not.toBe(0);
    expect(env.frame.refs).toEqual([]);
    expect(isDynptrRegValidInit(env, stackPtr(-24))).toBe(true);
    expect(isDynptrRegValidInit(env, stackPtr(-16))).toBe(false);
    expect(isDynptrTypeExpected(env, stackPtr(-24), ARG_PTR_TO_DYNPTR)).toBe(true);
    expect(isDynptrTypeExpected(env, stackPtr(-24), ARG_PTR_TO_DYNPTR | DYNPTR_TYPE_RINGBUF)).toBe(false);
    expect(dynptrId(env, stackPtr(-24))).toBe(1);
  });

  it('ends both it overlaps', () => {
    const env = setUp(4);
    markStackSlotsDynptr(env, stackPtr(-32), LOCAL, 0, 0);
    markStackSlotsDynptr(env, stackPtr(-16), LOCAL, 1, 0);
    markStackSlotsDynptr(env, stackPtr(-24), LOCAL, 2, 0);
    expect(typesOf(env)).toEqual([GONE, D, D, GONE]);
    expect(env.frame.stack.map(slot => slot.id)).toEqual([0, 3, 3, 0]);
  });

  it('takes its slices with it, and only them', () => {
    const env = setUp(2);
    markStackSlotsDynptr(env, stackPtr(-16), LOCAL, 0, 0);
    const { regs } = env;
    for (const [regno, type, id] of [
      [1, PTR_TO_MEM, 1],
      [2, PTR_TO_MEM | PTR_MAYBE_NULL, 1],
      [3, PTR_TO_MEM, 9],
    ] as const) {
      regs[regno].type = type;
      regs[regno].info = memInfo(8, id);
    }
    destroyIfDynptrStackSlot(env, env.frame, 0);
    expect(regs.slice(1, 4).map(reg => reg.type)).toEqual([SCALAR_VALUE, SCALAR_VALUE, PTR_TO_MEM]);
    expect(typesOf(env)).toEqual([GONE, GONE]);
    expect(env.frame.stack.map(slot => slot.type)).toEqual([NOT_INIT, NOT_INIT]);
    expect(env.scratchedSlotsLo).toBe(3);
  });

  it('may not be overwritten while it holds a reference', () => {
    const env = setUp(2);
    markStackSlotsDynptr(env, stackPtr(-16), RINGBUF, 5, 0);
    expect(env.frame.refs).toEqual([{ id: 2, insnIdx: 5, callbackRef: 0 }]);
    expect(refusal(() => destroyIfDynptrStackSlot(env, env.frame, 1))).toBe(ERRNO.EINVAL);
    expect(env.log.text).toBe('cannot overwrite referenced dynptr\n');
  });

  it('gives its reference back with its clones', () => {
    const env = setUp(4);
    markStackSlotsDynptr(env, stackPtr(-16), RINGBUF, 5, 0);
    markStackSlotsDynptr(env, stackPtr(-32), RINGBUF, 6, 2);
    expect(env.frame.stack.map(slot => slot.refObjId)).toEqual([2, 2, 2, 2]);
    expect(env.frame.stack[1].info.dynptrType).toBe(BPF_DYNPTR_TYPE_RINGBUF);
    expect(unmarkStackSlotsDynptr(env, stackPtr(-32))).toBe(0);
    expect(env.frame.refs).toEqual([]);
    expect(typesOf(env)).toEqual([GONE, GONE, GONE, GONE]);
  });

  it('leaves others alone when it goes', () => {
    const env = setUp(4);
    markStackSlotsDynptr(env, stackPtr(-16), LOCAL, 5, 0);
    markStackSlotsDynptr(env, stackPtr(-32), LOCAL, 6, 0);
    expect(unmarkStackSlotsDynptr(env, stackPtr(-32))).toBe(0);
    expect(typesOf(env)).toEqual([D, D, GONE, GONE]);
  });

  it('must be of a kind', () => {
    expect(argToDynptrType(ARG_PTR_TO_DYNPTR)).toBe(0);
    expect(refusal(() => markStackSlotsDynptr(setUp(2), stackPtr(-16), ARG_PTR_TO_DYNPTR, 0, 0))).toBe(ERRNO.EINVAL);
  });
});

it('a constant dynptr has its id in the register', () => {
  const env = setUp(0);
  const reg = new RegState();
  markDynptrCbReg(env, reg, BPF_DYNPTR_TYPE_LOCAL);
  expect([reg.type, reg.id, dynptrId(env, reg)]).toEqual([CONST_PTR_TO_DYNPTR, 1, 1]);
  expect(isDynptrRegValidInit(env, reg)).toBe(true);
  expect(isDynptrRegValidUninit(env, reg)).toBe(false);
  expect(isDynptrTypeExpected(env, reg, ARG_PTR_TO_DYNPTR | DYNPTR_TYPE_LOCAL)).toBe(true);
});
