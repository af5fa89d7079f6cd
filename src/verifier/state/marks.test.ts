import { describe, expect, it } from 'vitest';
import {
  CONST_PTR_TO_MAP,
  NOT_INIT,
  PTR_MAYBE_NULL,
  PTR_TO_MAP_VALUE,
  PTR_TO_SOCKET,
  PTR_TO_STACK,
  PTR_TO_XDP_SOCK,
  SCALAR_VALUE,
} from '../../helpers/index.ts';
import { bpf_map_type } from '../../uapi/index.ts';
import { isConst, scalarKnown } from '../domain/index.ts';
import type { VerifierEnv } from '../env.ts';
import type { VerifierMap } from '../input.ts';
import { FuncState, newRegs } from './func-state.ts';
import {
  assignScalarIdBeforeMov,
  getRegWidth,
  getSpi,
  growStackState,
  initFuncState,
  isRegConst,
  isSpilledScalarReg,
  isSpilledScalarReg64,
  isStackSlotSpecial,
  markPtrNotNullReg,
  markRegConstZero,
  markRegInvalid,
  markRegKnownRaw,
  markRegNotInitRaw,
  markRegS32Range,
  markRegUnknownRaw,
  markStackSlotMisc,
  registerIsNull,
  scrubSpilledSlot,
} from './marks.ts';
import { BPF_TIMER, type BtfRecord } from './record.ts';
import { BPF_ADD_CONST, mapInfo, originFrameOf, originPlaceOf, REG_LIVE_READ64, RegState, setOrigin } from './reg.ts';
import {
  fillSlotTypes,
  STACK_INVALID,
  STACK_MISC,
  STACK_SPILL,
  STACK_ZERO,
  setSlotType,
  slotTypeOf,
  slotTypesAll,
} from './stack.ts';

interface FakeEnv {
  bpfCapable: boolean;
  allowPtrLeaks: boolean;
  testRegInvariants: boolean;
  idGen: number;
  newId(): number;
  markVerifierStateScratched(): void;
  depth: { stackDepthBytes: number };
  subprogInfo(): { stackDepthBytes: number };
}

function makeEnv(privileged = true): { env: VerifierEnv; fake: FakeEnv } {
  const fake: FakeEnv = {
    bpfCapable: privileged,
    allowPtrLeaks: privileged,
    testRegInvariants: false,
    idGen: 0,
    newId() {
      return ++this.idGen;
    },
    markVerifierStateScratched() {},
    depth: { stackDepthBytes: 0 },
    subprogInfo() {
      return this.depth;
    },
  };
  return { env: fake as unknown as VerifierEnv, fake };
}

describe('marks of a register', () => {
  it('leave what belongs to the place', () => {
    const { env } = makeEnv();
    const origin = 7;
    for (const mark of [markRegUnknownRaw, markRegNotInitRaw, markRegConstZero]) {
      const reg = new RegState();
      reg.live = REG_LIVE_READ64;
      setOrigin(reg, origin, 3);
      reg.subregDef = 7;
      reg.slotTypes = slotTypesAll(STACK_SPILL);
      reg.id = 3;
      reg.refObjId = 4;
      reg.off = 8;
      mark(env, reg);
      expect([reg.live, reg.subregDef, reg.slotTypes]).toEqual([REG_LIVE_READ64, 7, 0x11111111]);
      expect(originFrameOf(reg)).toBe(origin);
      expect(originPlaceOf(reg)).toBe(3);
      expect([reg.id, reg.refObjId, reg.off]).toEqual([0, 0, 0]);
    }
  });

  it('are precise from the start for those without CAP_BPF', () => {
    for (const privileged of [true, false]) {
      const { env } = makeEnv(privileged);
      const reg = new RegState();
      markRegUnknownRaw(env, reg);
      expect(reg.precise).toBe(!privileged);
      markRegConstZero(env, reg);
      expect(reg.precise).toBe(!privileged);
    }
  });

  it('say what is left of a pointer to something gone', () => {
    const reg = new RegState();
    markRegInvalid(makeEnv(true).env, reg);
    expect(reg.type).toBe(SCALAR_VALUE);
    markRegInvalid(makeEnv(false).env, reg);
    expect(reg.type).toBe(NOT_INIT);
  });

  it('know constants', () => {
    const reg = new RegState();
    reg.type = SCALAR_VALUE;
    markRegKnownRaw(reg, 0, 0);
    expect(registerIsNull(reg)).toBe(true);
    expect(getRegWidth(reg)).toBe(0);
    markRegKnownRaw(reg, 1, 0);
    expect(registerIsNull(reg)).toBe(false);
    expect(isRegConst(reg, false)).toBe(true);
    expect(getRegWidth(reg)).toBe(33);
    reg.type = PTR_TO_STACK;
    expect(isRegConst(reg, false)).toBe(false);
  });

  it('narrow a number to a range of int32', () => {
    const { env } = makeEnv();
    const regs = newRegs();
    markRegUnknownRaw(env, regs[0]);
    markRegS32Range(env, regs, 0, -4095, 0);
    const s = regs[0].scalar;
    expect([s.sminHi, s.sminLo, s.smaxHi, s.smaxLo]).toEqual([-1, -4095, 0, 0]);
    expect([s.s32Min, s.s32Max]).toEqual([-4095, 0]);
    markRegS32Range(env, regs, 0, 0, 0);
    expect(isConst(regs[0].scalar)).toBe(true);
    expect(registerIsNull(regs[0])).toBe(true);
  });

  it('give scalars an id before they are copied, constants none', () => {
    const { env } = makeEnv();
    const reg = new RegState();
    markRegUnknownRaw(env, reg);
    assignScalarIdBeforeMov(env, reg);
    expect(reg.id).toBe(1);
    assignScalarIdBeforeMov(env, reg);
    expect(reg.id).toBe(1);
    reg.id |= BPF_ADD_CONST;
    reg.off = 4;
    assignScalarIdBeforeMov(env, reg);
    expect([reg.id, reg.off]).toEqual([2, 0]);
    reg.id = 0;
    reg.scalar = scalarKnown(0, 5);
    assignScalarIdBeforeMov(env, reg);
    expect(reg.id).toBe(0);
  });

  it('begin a function with a frame pointer and nothing else', () => {
    const { env } = makeEnv();
    const frame = new FuncState(-1, 2, 0, newRegs());
    initFuncState(env, frame, -1, 2, 0);
    expect(frame.regs.map(reg => reg.type)).toEqual([...Array(10).fill(NOT_INIT), PTR_TO_STACK]);
    expect(frame.regs[10].frameno).toBe(2);
    expect(isConst(frame.regs[10].scalar)).toBe(true);
  });
});

describe('elements of maps, once they are not NULL', () => {
  const timers = { fieldMask: BPF_TIMER } as BtfRecord;
  const map = (type: string, inner?: { record: BtfRecord | undefined }): VerifierMap =>
    ({ type: bpf_map_type[type as keyof typeof bpf_map_type], inner }) as unknown as VerifierMap;
  const element = (of: VerifierMap): RegState => {
    const reg = new RegState();
    reg.type = PTR_TO_MAP_VALUE | PTR_MAYBE_NULL;
    reg.info = mapInfo(of);
    reg.id = 9;
    markPtrNotNullReg(reg);
    return reg;
  };

  it.each([
    ['BPF_MAP_TYPE_HASH', PTR_TO_MAP_VALUE],
    ['BPF_MAP_TYPE_XSKMAP', PTR_TO_XDP_SOCK],
    ['BPF_MAP_TYPE_SOCKMAP', PTR_TO_SOCKET],
    ['BPF_MAP_TYPE_SOCKHASH', PTR_TO_SOCKET],
  ])('of %s', (type, expected) => {
    expect(element(map(type)).type).toBe(expected);
  });

  it('of maps of maps are maps, told apart where they hold timers', () => {
    const inner = { record: undefined };
    const plain = element(map('BPF_MAP_TYPE_ARRAY_OF_MAPS', inner));
    expect([plain.type, plain.info.map, plain.info.mapUid]).toEqual([CONST_PTR_TO_MAP, inner, 0]);
    expect(element(map('BPF_MAP_TYPE_ARRAY_OF_MAPS', { record: timers })).info.mapUid).toBe(9);
  });
});

describe('stack slots', () => {
  it('forget spilled bytes one by one', () => {
    const { env } = makeEnv();
    const slot = new RegState();
    fillSlotTypes(slot, STACK_SPILL);
    setSlotType(slot, 0, STACK_ZERO);
    setSlotType(slot, 1, STACK_INVALID);
    for (let i = 0; i < 4; i++) markStackSlotMisc(env, slot, i);
    expect([0, 1, 2, 3, 4].map(i => slotTypeOf(slot, i))).toEqual([
      STACK_ZERO,
      STACK_INVALID,
      STACK_MISC,
      STACK_MISC,
      STACK_SPILL,
    ]);
    for (let i = 0; i < 8; i++) scrubSpilledSlot(slot, i);
    expect(slot.slotTypes).toBe(0x22222202);
  });

  it('tell scalars of all 8 bytes from those of fewer', () => {
    const slot = new RegState();
    slot.type = SCALAR_VALUE;
    fillSlotTypes(slot, STACK_SPILL);
    expect([isSpilledScalarReg(slot), isSpilledScalarReg64(slot), isStackSlotSpecial(slot)]).toEqual([
      true,
      true,
      true,
    ]);
    setSlotType(slot, 0, STACK_MISC);
    expect([isSpilledScalarReg(slot), isSpilledScalarReg64(slot)]).toEqual([true, false]);
    fillSlotTypes(slot, STACK_ZERO);
    expect(isStackSlotSpecial(slot)).toBe(false);
  });

  it('are counted from the frame pointer down', () => {
    expect([-1, -8, -9, -16, -512].map(getSpi)).toEqual([0, 0, 1, 1, 63]);
  });

  it('come as the program touches them', () => {
    const { env, fake } = makeEnv();
    const frame = new FuncState(-1, 0, 0, newRegs());
    growStackState(env, frame, 9);
    expect([frame.stack.length, frame.allocatedStack, fake.depth.stackDepthBytes]).toEqual([2, 16, 16]);
    const [first] = frame.stack;
    growStackState(env, frame, 8);
    growStackState(env, frame, 64);
    expect([frame.stack[0], frame.allocatedStack, fake.depth.stackDepthBytes]).toEqual([first, 64, 64]);
  });
});
