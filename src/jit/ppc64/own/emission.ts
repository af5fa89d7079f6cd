import { hi32, InternalError, lo32 } from '../../../util/index.ts';
import type { CodeBuffer } from '../../code-buffer.ts';
import { DESK } from '../../desk.ts';
import type { ir } from '../../rows/index.ts';
import type { Callee, CallSite, ExtableEntry } from '../../types.ts';
import { addi, addis, addpcis, b, bc, ld, mr, nop } from '../encode.ts';
import { FRAME, IN_FRAME, NO_REG, SCRATCH0, SCRATCH1, SCRATCH2 } from './allocate.ts';
import type { Bench } from './bench.ts';
import { type ConstantPlan, isPrefixed, placeConstant, planConstant } from './constant.ts';
import type { Forms } from './forms.ts';
import { epilogueOf, type Frame } from './frame.ts';
import { ha, isHaLo, isS16 } from './numbers.ts';
import type { Target } from './targets.ts';
import type { Unit } from './unit.ts';

/** Which callees are called through stubs, and the labels of those. */
export interface StubTable {
  has(target: Target): boolean;
  labelOf(buffer: CodeBuffer, target: Target): number;
  emit(e: Emission): void;
}
const NO_STUBS: StubTable = { has: () => false, labelOf: () => -1, emit: () => {} };

const isScratch = (register: number): boolean =>
  register === SCRATCH0 || register === SCRATCH1 || register === SCRATCH2;

const NONE_YET = new Uint8Array(0);

const FIX_BC = 0;
const FIX_B = 1;

/** Primary opcodes of instructions with a record bit, and of those that record always. */
const RECORDS: ReadonlySet<number> = new Set([20, 21, 23, 28, 29, 30, 31]);

/** Registers a call may change, r0 and r3 … r12, as bits. */
const CLOBBERED_BY_CALL = 0b1_1111_1111_1001;

/**
 * An emission of a function: the code written so far, and what is known of registers at this place. {@link begin} starts
 * over; what has to stay from one emission to the next is in {@link Forms}.
 */
export class Emission {
  readonly unit: Unit;
  readonly rows: ir.Ir;
  readonly frame: Frame;
  readonly forms: Forms;
  readonly buffer: CodeBuffer;
  /** Low and high half of the image's address; `located` false while it has none. */
  located = false;
  atHi = 0;
  atLo = 0;
  /** r2 holds the kernel's TOC, or the shared object's. */
  toc = false;
  callees: readonly Callee[] | undefined;
  stubs: StubTable = NO_STUBS;
  readonly endLabel: number;
  readonly leaveLabel: number;
  readonly epilogue: readonly number[];
  /** What the emission says beside its bytes. */
  sites: CallSite[] = [];
  extable: ExtableEntry[] = [];
  /** Words of calls and addresses by slot, and of stubs, for {@link Forms}. */
  lengths: Uint8Array;
  readonly stubLengths: Map<string, number>;
  slot = 0;
  /** Something needs a longer form: this emission is void. */
  grew = false;

  // Constants in registers, one bit a register.
  #known = 0;
  readonly #knownHi: Int32Array;
  readonly #knownLo: Int32Array;
  readonly #rest: Int32Array;
  /** Some of `#rest` is not 0. */
  #rests = true;
  // What CR0 compares: −1 for nothing known.
  #compareKind = -1;
  #compareA = NO_REG;
  #compareB = 0;
  // Offset of an instruction that made a register's value and might have compared it with 0, if CR0 is free since.
  #recordAt = -1;
  #recordRegister = NO_REG;
  #recordNarrow = false;

  /** @param bench nobody else's from {@link begin} until the emission is done, and so is the desk */
  constructor(unit: Unit, forms: Forms, bench: Bench) {
    this.unit = unit;
    this.rows = unit.rows;
    this.frame = unit.frame;
    const n = unit.rows.n;
    this.buffer = DESK.buffer(unit.abi.order);
    this.#knownHi = bench.knownHi;
    this.#knownLo = bench.knownLo;
    this.#rest = bench.rest;
    this.stubLengths = bench.stubLengths;
    this.lengths = NONE_YET;
    this.endLabel = n;
    this.leaveLabel = n + 1;
    this.epilogue = epilogueOf(unit.frame);
    this.forms = forms;
  }

  /** Starts over, at an address if there is one. */
  begin(at: bigint | undefined, callees: readonly Callee[] | undefined): void {
    const { forms } = this;
    DESK.room.clear();
    this.lengths = DESK.room.bytes(this.unit.rows.n);
    this.callees = callees;
    this.located = at !== undefined;
    this.atHi = at === undefined ? 0 : hi32(at);
    this.atLo = at === undefined ? 0 : lo32(at);
    this.toc = forms.toc || this.unit.abi.tocGiven;
    this.stubs = NO_STUBS;
    this.sites = [];
    this.extable = [];
    if (this.stubLengths.size > 0) this.stubLengths.clear();
    this.grew = false;
    this.#rests = true;
    this.buffer.reset(this.unit.rows.n + 2);
    this.leader();
  }

  w(word: number): void {
    this.buffer.u32(word);
  }

  /** Distance of an address from byte `off` of the image: low half; high half in {@link distanceHi}. */
  distanceLo(lo: number, off: number): number {
    return (lo - (this.atLo + off)) | 0;
  }
  distanceHi(hi: number, lo: number, off: number): number {
    const pcLo = (this.atLo + off) | 0;
    const carry = (this.atLo >>> 0) + off >= 0x100000000 ? 1 : 0;
    return (hi - (this.atHi + carry) - (lo >>> 0 < pcLo >>> 0 ? 1 : 0)) | 0;
  }
  /** Low 6 bits of the address of the next byte. */
  get lineOffset(): number {
    return (this.atLo + this.buffer.length) & 63;
  }

  // ---- what is known

  /** Control may come from elsewhere: forget. */
  leader(): void {
    this.#known = 0;
    if (this.#rests) this.#rest.fill(0);
    this.#rests = false;
    this.changedCr();
  }
  /** A register gets a value nobody knows. */
  changed(register: number): void {
    this.#rest[register] = 0;
    this.#known &= ~(1 << register);
    if (register === this.#compareA || (this.#compareKind >= 4 && register === this.#compareB)) this.#compareKind = -1;
    if (register === this.#recordRegister) this.#recordAt = -1;
  }
  changedCr(): void {
    this.#compareKind = -1;
    this.#recordAt = -1;
  }
  changedByCall(): void {
    this.#known &= ~CLOBBERED_BY_CALL;
    this.changedCr();
  }
  knows(register: number, hi: number, lo: number): void {
    this.changed(register);
    this.#known |= 1 << register;
    this.#knownHi[register] = hi;
    this.#knownLo[register] = lo;
  }
  /** Scratch registers, about to be changed. */
  get t0(): number {
    this.#known &= ~(1 << SCRATCH0);
    return SCRATCH0;
  }
  get t1(): number {
    this.#known &= ~(1 << SCRATCH1);
    return SCRATCH1;
  }
  get t2(): number {
    this.#known &= ~(1 << SCRATCH2);
    return SCRATCH2;
  }

  /** Whether CR0 holds this comparison already; if not it will. Kinds below 4 compare with a number, others with a register. */
  compares(kind: number, a: number, operand: number): boolean {
    if (this.isCompared(kind, a, operand)) return true;
    this.#recordAt = -1;
    // What is in scratch registers is not followed closely enough.
    this.#compareKind = isScratch(a) || (kind >= 4 && isScratch(operand)) ? -1 : kind;
    this.#compareA = a;
    this.#compareB = operand;
    return false;
  }

  isCompared(kind: number, a: number, operand: number): boolean {
    return this.#compareKind === kind && this.#compareA === a && this.#compareB === operand;
  }

  /** The instruction just written made all of `register`; `narrow`: the high half is 0. */
  recordable(register: number, narrow: boolean): void {
    const at = this.buffer.length - 4;
    const op = this.buffer.peekU32(at) >>> 26;
    if (!RECORDS.has(op)) return;
    this.#compareKind = -1;
    this.#recordAt = at;
    this.#recordRegister = register;
    this.#recordNarrow = narrow;
  }
  /** Makes CR0 compare a register with 0, signed, at no cost where the instruction that made its value can. */
  record(register: number, word: boolean): boolean {
    if (this.#recordAt < 0 || register !== this.#recordRegister || (word && !this.#recordNarrow)) return false;
    const at = this.#recordAt;
    const made = this.buffer.peekU32(at);
    // `andi.` and `andis.` compare anyway.
    if (made >>> 26 >= 30 || made >>> 26 < 28) this.buffer.patchU32(at, made | 1);
    return true;
  }

  // ---- labels

  bind(label: number): void {
    this.buffer.bind(label);
  }
  /** `b label`; a label of a slot, or one of ours. */
  branch(label: number): void {
    this.buffer.fixup(label, this.slot * 2 + FIX_B);
    this.w(b(0));
  }
  /** A branch and link to a stub. */
  branchLink(label: number): void {
    this.buffer.fixup(label, this.slot * 2 + FIX_B);
    this.w(b(0) | 1);
  }
  /** `bc`, or around a `b` where the label was once out of reach. */
  branchIf(bo: number, bi: number, label: number): void {
    if (this.forms.far[this.slot] !== 0) {
      this.w(bc(bo ^ 8, bi, 8));
      this.branch(label);
      return;
    }
    this.buffer.fixup(label, this.slot * 2 + FIX_BC);
    this.w(bc(bo, bi, 0));
  }
  /** Fills branches in; marks those that do not reach. */
  resolve(): void {
    this.buffer.resolve((buffer, kind, off, distance) => {
      if ((kind & 1) === FIX_B) {
        if (distance < -0x2000000 || distance > 0x1fffffc) throw new InternalError('a branch further than 32 MB');
        buffer.patchU32(off, buffer.peekU32(off) | (distance & 0x3fffffc));
      } else if (distance < -0x8000 || distance > 0x7ffc) {
        this.forms.far[kind >> 1] = 1;
        this.grew = true;
      } else buffer.patchU32(off, buffer.peekU32(off) | (distance & 0xfffc));
    });
  }

  // ---- values

  /** From r1, where a value lies that is kept in the frame. */
  placeOf(register: number): number {
    const off = this.frame.slotOffs.get(register - IN_FRAME);
    if (off === undefined) throw new InternalError(`no place for r${register - IN_FRAME}`);
    return off;
  }

  move(to: number, from: number): void {
    if (to !== from) this.w(mr(to, from));
  }

  /** The register of an operand column: R10 is made in `scratch`. */
  operand(register: number, scratch: number): number {
    if (register < IN_FRAME) return register;
    if (register !== FRAME) {
      this.w(ld(scratch, this.placeOf(register), 1));
      this.changed(scratch);
      return scratch;
    }
    this.addConstant(scratch, 1, this.frame.fpOff);
    this.changed(scratch);
    return scratch;
  }

  /** rt = ra + a signed 32-bit number, ra not r0; false where two words do not do. */
  addConstant(rt: number, ra: number, value: number): boolean {
    if (isS16(value)) {
      if (value === 0) this.move(rt, ra);
      else this.w(addi(rt, ra, value));
      return true;
    }
    if (value >= 0x7fff8000) return false;
    this.w(addis(rt, ra, ha(value)));
    if ((value & 0xffff) !== 0) this.w(addi(rt, rt, value));
    return true;
  }

  /** Words that {@link load} takes for a constant now. */
  loadWords(hi: number, lo: number): number {
    if (hi === lo >> 31) return isS16(lo) || (lo & 0xffff) === 0 ? 1 : 2;
    const near = this.#near(hi, lo);
    return near >= 0 ? this.#nearWords : this.plan(hi, lo).length;
  }

  #nearWords = 0;
  /** A register whose known value is at most ±2 GB away: -1 for none. Prefers one word. */
  #near(hi: number, lo: number): number {
    let found = -1;
    this.#nearWords = 3;
    let set = this.#known & ~1;
    while (set !== 0) {
      const register = 31 - Math.clz32(set & -set);
      set &= set - 1;
      this.#tryNear(register, this.#knownHi[register], this.#knownLo[register], hi, lo) && (found = register);
    }
    if (this.toc && this.unit.hasToc && this.#tryNear(2, this.unit.tocHi, this.unit.tocLo, hi, lo)) found = 2;
    return found;
  }
  #tryNear(_register: number, fromHi: number, fromLo: number, hi: number, lo: number): boolean {
    const deltaLo = (lo - fromLo) | 0;
    const deltaHi = (hi - fromHi - (lo >>> 0 < fromLo >>> 0 ? 1 : 0)) | 0;
    if (!isHaLo(deltaHi, deltaLo)) return false;
    const words = isS16(deltaLo) || (deltaLo & 0xffff) === 0 ? 1 : 2;
    if (words >= this.#nearWords) return false;
    this.#nearWords = words;
    this.#nearDelta = deltaLo;
    return true;
  }
  #nearDelta = 0;

  plan(hi: number, lo: number): ConstantPlan {
    const { plans } = this.unit;
    let byLow = plans.get(hi);
    if (byLow === undefined) plans.set(hi, (byLow = new Map()));
    let plan = byLow.get(lo);
    if (plan === undefined) {
      plan = planConstant(hi, lo, this.unit.prefixed);
      byLow.set(lo, plan);
    }
    return plan;
  }

  /** Puts a constant into `rt` in as few words as are known. */
  load(rt: number, hi: number, lo: number): void {
    if (((this.#known >>> rt) & 1) !== 0 && this.#knownHi[rt] === hi && this.#knownLo[rt] === lo) return;
    const simple = hi === lo >> 31 && (isS16(lo) || (lo & 0xffff) === 0);
    let near = simple ? -1 : this.#near(hi, lo);
    // `addi` takes r0 for the number 0.
    if (rt === SCRATCH0 && this.#nearWords > 1) near = -1;
    if (near >= 0 && this.#nearWords === 1) this.addConstant(rt, near, this.#nearDelta);
    else {
      const plan = this.plan(hi, lo);
      if (near >= 0 && this.#nearWords <= plan.length) this.addConstant(rt, near, this.#nearDelta);
      else if (plan.length <= 2 || !this.#loadRelative(rt, hi, lo)) this.putPlan(rt, plan);
    }
    this.knows(rt, hi, lo);
  }

  /**
   * Puts a constant into `rt` but for what a displacement can add: {@link displacementOf} says how much. One word for
   * whatever `addis` reaches from r2, from the code or from a register known to be near.
   */
  loadBase(rt: number, hi: number, lo: number): void {
    const rest = (lo << 16) >> 16;
    const baseLo = (lo - rest) | 0;
    const baseHi = (hi - (rest < 0 ? (lo >>> 0 > baseLo >>> 0 ? -1 : 0) : 0)) | 0;
    const near = this.#near(hi, lo);
    const words = near >= 0 ? this.#nearWords : 3;
    if (rest === 0 || (lo & 3) !== 0 || words === 1) {
      this.load(rt, hi, lo);
      return;
    }
    let left = rest;
    if (near >= 0) {
      left = (this.#nearDelta << 16) >> 16;
      this.w(addis(rt, near, ha(this.#nearDelta)));
    } else {
      const off = this.buffer.length + 4;
      const distance = this.distanceLo(lo, off);
      const plan = this.plan(baseHi, baseLo);
      if (plan.length > 1 && this.#isRelative(hi, lo, off)) {
        left = (distance << 16) >> 16;
        this.w(addpcis(rt, ha(distance)));
      } else if (plan.length < this.plan(hi, lo).length) this.putPlan(rt, plan);
      else {
        this.load(rt, hi, lo);
        return;
      }
    }
    const knownLo = (lo - left) | 0;
    this.knows(rt, (hi - (lo >>> 0 < left ? 1 : 0) + (left < 0 && lo >>> 0 > knownLo >>> 0 ? 1 : 0)) | 0, knownLo);
    this.#rest[rt] = left;
    this.#rests = true;
  }

  /** What an access has to add to an offset from `register`. */
  displacementOf(register: number): number {
    return register < 32 ? this.#rest[register] : 0;
  }

  #isRelative(hi: number, lo: number, off: number): boolean {
    return this.located && this.unit.power9 && isHaLo(this.distanceHi(hi, lo, off), this.distanceLo(lo, off));
  }

  /** POWER9, ±2 GB around the code: `addpcis` and `addi`. */
  #loadRelative(rt: number, hi: number, lo: number): boolean {
    const off = this.buffer.length + 4;
    if (rt === SCRATCH0 || !this.#isRelative(hi, lo, off)) return false;
    const near = this.distanceLo(lo, off);
    this.w(addpcis(rt, ha(near)));
    if ((near & 0xffff) !== 0) this.w(addi(rt, rt, near));
    return true;
  }

  /** A plan's words; one nop in front where a prefixed instruction would cross 64 bytes, or might. */
  putPlan(rt: number, plan: ConstantPlan): void {
    if (isPrefixed(plan)) this.alignPrefix();
    for (let k = 0; k < plan.length; k++) this.w(placeConstant(plan, k, rt));
  }
  alignPrefix(): void {
    if (!this.located || this.lineOffset === 60) this.w(nop());
  }

  /** A register that holds the constant: one that does already, else `scratch`. */
  constant(hi: number, lo: number, scratch: number): number {
    let set = this.#known;
    while (set !== 0) {
      const register = 31 - Math.clz32(set & -set);
      set &= set - 1;
      if (this.#knownHi[register] === hi && this.#knownLo[register] === lo) return register;
    }
    this.load(scratch, hi, lo);
    return scratch;
  }

  /** Whether a register holds the constant already. */
  holds(hi: number, lo: number): boolean {
    for (let set = this.#known; set !== 0; set &= set - 1) {
      const register = 31 - Math.clz32(set & -set);
      if (this.#knownHi[register] === hi && this.#knownLo[register] === lo) return true;
    }
    return false;
  }
}
