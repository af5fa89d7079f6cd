import { type ArgType, type HelperDef, type HelperProto, helperDef } from '../../helpers/index.ts';
import {
  BPF_ALU,
  BPF_ALU64,
  BPF_ATOMIC,
  BPF_B,
  BPF_CMPXCHG,
  BPF_DW,
  BPF_FETCH,
  BPF_H,
  BPF_JMP,
  BPF_JMP32,
  BPF_LD,
  BPF_LDX,
  BPF_MEM,
  BPF_PSEUDO_CALL,
  BPF_ST,
  BPF_STX,
  BPF_W,
  EXIT,
  GOTOL,
  type Insn,
  isPseudoCall,
  isPseudoFunc,
  isWide,
} from '../../isa/index.ts';
import { funcLinkage } from '../btf-info.ts';
import { CALLBACK_HELPERS } from '../callback-helpers.ts';
import {
  isBpfThrow,
  isKfuncCall,
  type KfuncCalls,
  kfuncAsyncCallbackArg,
  kfuncSyncCallbackArg,
} from '../kfunc-calls.ts';
import { calleeSlot, isHelperCall, type SubprogTable } from '../subprogs.ts';
import { aluResult } from './alu.ts';
import { decide, narrow } from './branch.ts';
import type { StackFacts } from './facts.ts';
import { FrameState } from './state.ts';
import { ANY, constant, ESCAPED, functionAddress, join, NONNEG, OWN, pointer, type Value } from './value.ts';

/** Joins at one place before bounds that still move are given up. */
const JOINS_BEFORE_WIDENING = 8;
/** Instructions looked at, for each of a function's own, before the function is given up. */
const STEPS_PER_INSN = 200;
const CALL_OP = 0x80;
const JA_OP = 0x00;

/** How functions are called back, as far as the walks saw. */
export interface CallbackMarks {
  readonly sync: Uint8Array;
  readonly async: Uint8Array;
  /** A callback nobody could name was met: any function whose address is taken may be one. */
  unknownSync: boolean;
  unknownAsync: boolean;
}

export interface WalkContext {
  readonly insns: readonly Insn[];
  readonly subprogs: SubprogTable;
  readonly kfuncs: KfuncCalls;
  readonly facts: StackFacts;
  readonly callbacks: CallbackMarks;
  /** 1 where a slot is the target of a jump. */
  readonly targets: Uint8Array;
  /** 1 where a spill or fill may go away and touches nothing. */
  readonly spills: Uint8Array;
  /** Set to 1 where a path may lead. */
  readonly seen: Uint8Array;
  /** Told of every function a path may enter. */
  readonly reach: (id: number) => void;
}

/** States kept for one function before it is given up. */
const MAX_STATES = 200_000;

/** Follows what the registers of one function hold to a fixed point, then notes everything that touches stack. */
export class FunctionWalk {
  readonly #context: WalkContext;
  readonly #id: number;
  readonly #start: number;
  readonly #end: number;
  /** States at the function's start and at targets of jumps. */
  readonly #states = new Map<number, FrameState>();
  readonly #joins = new Map<number, number>();
  readonly #pending = new Set<number>();
  #recording = false;
  #steps: number;

  constructor(context: WalkContext, id: number) {
    const { start, end } = context.subprogs.list[id];
    this.#context = context;
    this.#id = id;
    this.#start = start;
    this.#end = end;
    this.#steps = (end - start) * STEPS_PER_INSN + 10_000;
  }

  run(): void {
    this.#states.set(this.#start, FrameState.entry(this.#id === 0));
    this.#pending.add(this.#start);
    for (const idx of this.#pending) {
      this.#pending.delete(idx);
      this.#block(idx);
      if (this.#steps < 0 || this.#states.size > MAX_STATES) {
        this.#giveUp();
        return;
      }
    }
    this.#recording = true;
    for (const idx of this.#states.keys()) this.#block(idx);
  }

  // Everything may happen, and every function it mentions may be entered.
  #giveUp(): void {
    const { facts, callbacks, seen, insns, subprogs, reach } = this.#context;
    facts.giveUp(this.#id);
    callbacks.unknownSync = true;
    callbacks.unknownAsync = true;
    seen.fill(1, this.#start, this.#end);
    for (let idx = this.#start; idx < this.#end; idx++) {
      if (isPseudoCall(insns[idx]) || isPseudoFunc(insns[idx])) reach(subprogs.at(calleeSlot(insns[idx], idx)));
    }
  }

  /** Goes from a place with a state to the next such place or the end of the way. */
  #block(from: number): void {
    const { insns, targets } = this.#context;
    const state = (this.#states.get(from) as FrameState).copy();
    for (let idx = from; idx < this.#end; ) {
      if (idx !== from && targets[idx] === 1) {
        this.#arrive(idx, state);
        return;
      }
      this.#steps--;
      if (this.#recording) this.#context.seen[idx] = 1;
      const insn = insns[idx];
      const cls = insn.code & 0x07;
      if (cls === BPF_JMP || cls === BPF_JMP32) {
        if (!this.#jump(idx, insn, state)) return;
      } else this.#plain(insn, idx, state);
      idx += isWide(insn) ? 2 : 1;
    }
  }

  #arrive(idx: number, state: FrameState): void {
    if (this.#recording || idx < this.#start || idx >= this.#end) return;
    const known = this.#states.get(idx);
    if (known === undefined) this.#states.set(idx, state.copy());
    else {
      const joins = (this.#joins.get(idx) ?? 0) + 1;
      this.#joins.set(idx, joins);
      if (!known.absorb(state, joins > JOINS_BEFORE_WIDENING)) return;
    }
    this.#pending.add(idx);
  }

  /** False where the way does not go on behind the instruction. */
  #jump(idx: number, insn: Insn, state: FrameState): boolean {
    const op = insn.code & 0xf0;
    if (insn.code === EXIT) return false;
    if (op === CALL_OP) {
      this.#call(idx, insn, state);
      return !isKfuncCall(insn) || !isBpfThrow(this.#context.kfuncs.nameAt(idx));
    }
    if (op === JA_OP) {
      this.#arrive(idx + 1 + (insn.code === GOTOL ? insn.imm : insn.off), state);
      return false;
    }
    const decided = decide(insn, state.regs[insn.dst] ?? ANY, state.regs[insn.src] ?? ANY);
    if (decided === true) {
      this.#arrive(idx + 1 + insn.off, state);
      return false;
    }
    if (decided === undefined) {
      const taken = state.copy();
      narrow(taken.regs, insn, true);
      this.#arrive(idx + 1 + insn.off, taken);
    }
    narrow(state.regs, insn, false);
    return true;
  }

  #plain(insn: Insn, idx: number, state: FrameState): void {
    const { regs } = state;
    switch (insn.code & 0x07) {
      case BPF_ALU:
      case BPF_ALU64:
        if (insn.dst < 10) regs[insn.dst] = aluResult(insn, regs[insn.dst] ?? ANY, regs[insn.src] ?? ANY);
        return;
      case BPF_LDX:
        if (insn.dst < 10) regs[insn.dst] = this.#load(insn, idx, state);
        return;
      case BPF_ST:
        this.#store(insn, idx, state, constant(insn.imm));
        return;
      case BPF_STX:
        if ((insn.code & 0xe0) === BPF_ATOMIC) this.#atomic(insn, state);
        else this.#store(insn, idx, state, regs[insn.src] ?? ANY);
        return;
      case BPF_LD:
        this.#loadSpecial(insn, idx, state);
    }
  }

  #loadSpecial(insn: Insn, idx: number, state: FrameState): void {
    const { regs } = state;
    if (!isWide(insn)) {
      // A packet load: a call in all but name.
      for (let reg = 0; reg <= 5; reg++) regs[reg] = reg === 0 ? NONNEG : ANY;
      return;
    }
    if (insn.dst >= 10) return;
    const { insns, subprogs } = this.#context;
    const high = insns[idx + 1]?.imm ?? 0;
    if (isPseudoFunc(insn)) regs[insn.dst] = functionAddress(subprogs.at(calleeSlot(insn, idx)));
    else if (insn.src !== 0) regs[insn.dst] = ANY;
    else regs[insn.dst] = constant(high * 2 ** 32 + (insn.imm >>> 0));
  }

  #touch(value: Value | undefined, off: number): void {
    if (this.#recording && value !== undefined) this.#context.facts.touch(this.#id, value, off);
  }

  #load(insn: Insn, idx: number, state: FrameState): Value {
    const base = state.regs[insn.src] ?? ANY;
    if (this.#context.spills[idx] === 0) this.#touch(base, insn.off);
    if ((insn.code & 0xe0) !== BPF_MEM) return ANY;
    const size = insn.code & 0x18;
    if (size === BPF_W || size === BPF_H || size === BPF_B) return NONNEG;
    if (base.lows === undefined) return ANY;
    if (base.exact) {
      const off = base.lows[OWN] + insn.off;
      return isSlot(off) ? (state.slotAt(off) ?? ANY) : ANY;
    }
    let value = base.lows[OWN] === Number.POSITIVE_INFINITY ? ANY : state.anySlot();
    if (base.lows.some((low, from) => from !== OWN && low !== Number.POSITIVE_INFINITY)) {
      value = join(value, pointer(ESCAPED, 0, 'any'));
    }
    return value;
  }

  #store(insn: Insn, idx: number, state: FrameState, value: Value): void {
    const base = state.regs[insn.dst] ?? ANY;
    if (this.#context.spills[idx] === 0) this.#touch(base, insn.off);
    if (base.lows === undefined) return;
    const whole = (insn.code & 0x18) === BPF_DW;
    if (whole && this.#recording) this.#context.facts.escape(this.#id, value);
    if (base.lows[OWN] === Number.POSITIVE_INFINITY) return;
    const off = base.lows[OWN] + insn.off;
    if (!base.exact || (whole && !isSlot(off))) {
      state.clobberSlots(whole ? value : undefined);
      return;
    }
    const slot = Math.floor(off / 8) * 8;
    if (isSlot(slot)) state.setSlot(slot, whole && worthKeeping(value) ? value : undefined);
  }

  #atomic(insn: Insn, state: FrameState): void {
    const { regs } = state;
    const base = regs[insn.dst] ?? ANY;
    this.#touch(base, insn.off);
    if (base.lows !== undefined && base.lows[OWN] !== Number.POSITIVE_INFINITY) state.clobberSlots();
    const old = (insn.code & 0x18) === BPF_W ? NONNEG : ANY;
    if (insn.imm === BPF_CMPXCHG) regs[0] = old;
    else if ((insn.imm & BPF_FETCH) !== 0 && insn.src < 10) regs[insn.src] = old;
  }

  #call(idx: number, insn: Insn, state: FrameState): void {
    const { regs } = state;
    if (insn.src === BPF_PSEUDO_CALL) this.#callLocal(this.#context.subprogs.at(calleeSlot(insn, idx)), regs);
    else this.#callKernel(idx, insn, regs);
    const reachable = [1, 2, 3, 4, 5].some(reg => regs[reg].lows !== undefined);
    if (reachable) state.clobberSlots();
    for (let reg = 0; reg <= 5; reg++) regs[reg] = ANY;
  }

  #callLocal(callee: number, regs: readonly Value[]): void {
    if (!this.#recording || callee < 0) return;
    const { facts, subprogs, reach } = this.#context;
    reach(callee);
    // A global function's memory arguments are checked whole at the call.
    const whole = funcLinkage(subprogs.list[callee].func) === 'global';
    for (let arg = 1; arg <= 5; arg++) {
      if (whole) this.#touch(regs[arg], 0);
      else facts.handOver(this.#id, regs[arg], callee, arg);
    }
  }

  #callKernel(idx: number, insn: Insn, regs: readonly Value[]): void {
    if (!this.#recording) return;
    const def = isHelperCall(insn) ? helperDef(insn.imm) : undefined;
    for (let arg = 1; arg <= 5; arg++) if (mayTouch(def, arg)) this.#touch(regs[arg], 0);
    const { kfuncs, callbacks } = this.#context;
    const helper = isHelperCall(insn) ? CALLBACK_HELPERS.get(insn.imm) : undefined;
    const kfunc = isKfuncCall(insn) ? kfuncs.nameAt(idx) : undefined;
    const syncArg = helper?.async === false ? helper.funcArg : kfuncSyncCallbackArg(kfunc);
    const asyncArg = helper?.async === true ? helper.funcArg : kfuncAsyncCallbackArg(kfunc);
    if (syncArg === 0 && asyncArg === 0) return;
    const { funcs } = regs[syncArg + asyncArg];
    if (funcs === undefined) {
      if (syncArg !== 0) callbacks.unknownSync = true;
      else callbacks.unknownAsync = true;
    }
    for (const id of funcs ?? this.#referenced()) {
      this.#context.reach(id);
      if (funcs !== undefined) (syncArg !== 0 ? callbacks.sync : callbacks.async)[id] = 1;
      if (helper === undefined || helper.contextArg === 0) continue;
      this.#context.facts.handOver(this.#id, regs[helper.contextArg], id, helper.contextParam);
    }
  }

  #referenced(): number[] {
    return this.#context.subprogs.list.flatMap((subprog, id) => (subprog.isReferenced ? [id] : []));
  }
}

/** Arguments no helper follows into memory: numbers, handles, and what it hands on to a callback. */
const UNTOUCHED: ReadonlySet<ArgType> = new Set<ArgType>([
  'ARG_DONTCARE',
  'ARG_ANYTHING',
  'ARG_CONST_MAP_PTR',
  'ARG_CONST_SIZE',
  'ARG_CONST_SIZE_OR_ZERO',
  'ARG_CONST_ALLOC_SIZE_OR_ZERO',
  'ARG_PTR_TO_CTX',
  'ARG_PTR_TO_FUNC',
  'ARG_PTR_TO_STACK',
]);

/** Whether a helper may follow an argument into memory, in programs of any type; kernel functions may follow all. */
function mayTouch(def: HelperDef | undefined, arg: number): boolean {
  if (def === undefined) return true;
  const touches = ({ args }: HelperProto): boolean => !UNTOUCHED.has(args[arg - 1]?.type ?? 'ARG_DONTCARE');
  return touches(def.proto) || (def.variants ?? []).some(variant => touches(variant.proto));
}

const isSlot = (off: number): boolean => off % 8 === 0 && off < 0 && off >= -512;

const worthKeeping = (value: Value): boolean =>
  value.scalar !== 'any' || value.lows !== undefined || value.funcs !== undefined;
