import { hi32, InternalError, lo32 } from '../../../util/index.ts';
import type { CodeBuffer } from '../../code-buffer.ts';
import { DESK } from '../../desk.ts';
import type { Callee, CallSite, ExtableEntry } from '../../types.ts';
import { compress, compressedBranch, compressedJump, isPrime } from '../compress.ts';
import { add, addi, addiw, addUw, auipc, branch, EQ, jal, jalr, NE, SP, slli, srli, ZERO } from '../encode.ts';
import { FRAME } from './allocate.ts';
import { stepWord } from './constant.ts';
import type * as ir from './ir.ts';
import type { Unit } from './unit.ts';

/** Known of a register: it is its low half sign-extended; zero-extended. */
export const SX = 1;
export const ZX = 2;

export const isS12 = (value: number): boolean => value >= -2048 && value < 2048;
/** The parts of a number of 32 bits that lui or auipc and a 12-bit number make. */
export const low12 = (value: number): number => (value << 20) >> 20;
export const high20 = (value: number): number => ((value - low12(value)) >> 12) | 0;

/** How a place that waits for its label is filled in. */
const FIX_CB = 0;
const FIX_B = 1;
const FIX_CJ = 2;
const FIX_J = 3;
const FIX_PAIR = 4;
/** Fixups of a slot have numbers from 8 times its own on. */
const FIX_BITS = 3;

/** How far each reaches. */
const REACH = [256, 0x1000, 0x800, 0x100000] as const;
/** Form a branch takes when it does not reach; those of jumps and of branches around a jump are the same. */
const NEXT = [1, 2, 2, 3] as const;
/** Forms of a slot's branch or jump: shortest; b; jal, around which a branch goes; auipc and jalr. */
const SHORT = 0;
const MIDDLE = 1;
const JUMP = 2;

/** Registers a call may change, as bits: ra, t0 … t2, a0 … a7, t3 … t6. */
const CLOBBERED = 0xf003fce2 | 0;

/**
 * An emission of a function: the code written so far, and what is known of registers at this place. {@link begin} starts
 * over, and has the desk until the emission is done; `forms` is what has to stay from one emission to the next: by slot, how long its branch or call has become.
 */
export class Emission {
  readonly unit: Unit;
  readonly rows: ir.Ir;
  readonly buffer: CodeBuffer;
  readonly leaveLabel: number;
  readonly forms: Uint8Array;
  /** Low and high half of the image's address. */
  atHi = 0;
  atLo = 0;
  /** Somebody asked for an address: the image's, or a function's. */
  asked = false;
  #located = false;
  #callees: readonly Callee[] | undefined;
  sites: CallSite[] = [];
  extable: ExtableEntry[] = [];
  slot = 0;
  /** Where the sequence begins that tail calls share; -1 before the first. */
  tailStub = -1;
  /** Something needs a longer form: this emission is void. */
  grew = false;
  #signed = 0;
  #zero = 0;

  constructor(unit: Unit) {
    this.unit = unit;
    this.rows = unit.rows;
    const { n } = unit.rows;
    this.buffer = DESK.buffer('little');
    this.leaveLabel = n + 1;
    this.forms = unit.kept.bytes(n);
  }

  begin(at: bigint | undefined, callees: readonly Callee[] | undefined): void {
    this.asked = false;
    this.#callees = callees;
    this.#located = at !== undefined;
    this.atHi = at === undefined ? 0 : hi32(at);
    this.atLo = at === undefined ? 0 : lo32(at);
    this.sites = [];
    this.extable = [];
    this.grew = false;
    this.tailStub = -1;
    this.buffer.reset(this.rows.n + 2);
    this.forget();
  }

  /** Whether the image has an address. */
  get located(): boolean {
    this.asked = true;
    return this.#located;
  }
  /** By subprog; undefined while they have no addresses. */
  get callees(): readonly Callee[] | undefined {
    this.asked = true;
    return this.#callees;
  }

  /** An instruction, in its short form if it has one. */
  w(word: number): void {
    const short = compress(word);
    if (short !== 0) this.buffer.u16(short);
    else this.buffer.u32(word);
  }
  get here(): number {
    return this.buffer.length;
  }

  // ---- what is known

  /** Control may come from elsewhere. */
  forget(): void {
    this.#signed = 0;
    this.#zero = 0;
  }
  forgetClobbered(): void {
    this.#signed &= ~CLOBBERED;
    this.#zero &= ~CLOBBERED;
  }
  /** A register gets a value of which `facts` are known. */
  result(register: number, facts: number): void {
    const bit = 1 << register;
    this.#signed = (facts & SX) !== 0 ? this.#signed | bit : this.#signed & ~bit;
    this.#zero = (facts & ZX) !== 0 ? this.#zero | bit : this.#zero & ~bit;
  }
  facts(register: number): number {
    if (register === ZERO) return SX | ZX;
    if (register === FRAME) return 0;
    const bit = 1 << register;
    return ((this.#signed & bit) !== 0 ? SX : 0) | ((this.#zero & bit) !== 0 ? ZX : 0);
  }

  // ---- values

  move(to: number, from: number): void {
    if (to !== from) this.w(addi(to, from, 0));
  }
  load(register: number, hi: number, lo: number): void {
    if (hi === lo >> 31 && isS12(lo)) {
      this.w(addi(register, ZERO, lo));
      return;
    }
    const { steps } = this.unit.constants.plan(hi, lo);
    for (let k = 0; k < steps.length; k += 2) this.w(stepWord(steps[k], register, steps[k + 1]));
  }
  /** A register that holds a signed number of 32 bits: `scratch`, or x0. */
  constant(value: number, scratch: number): number {
    if (value === 0) return ZERO;
    this.load(scratch, value >> 31, value);
    return scratch;
  }
  /** to = from + a signed number of 32 bits; `to` may be `from`. */
  addConstant(to: number, from: number, value: number): void {
    if (isS12(value)) {
      if (value !== 0 || to !== from) this.w(addi(to, from, value));
      return;
    }
    const half = value > 0 ? 2047 : -2048;
    const scratch = to === from ? this.unit.allocation.t2 : to;
    const rest = value - half;
    if (isS12(rest) && this.unit.constants.plan(value >> 31, value).bytes > 4) {
      this.w(addi(to, from, half));
      this.w(addi(to, to, rest));
      return;
    }
    this.load(scratch, value >> 31, value);
    this.w(add(to, scratch, from));
  }
  /** The register of an operand column: R10 is made in `scratch`. */
  operand(register: number, scratch: number): number {
    if (register !== FRAME) return register;
    this.addConstant(scratch, SP, this.unit.frame.fpOff);
    return scratch;
  }
  zeroExtend(to: number, from: number): void {
    if ((this.facts(from) & ZX) !== 0) this.move(to, from);
    else if (this.unit.zba) this.w(addUw(to, from, ZERO));
    else {
      this.w(slli(to, from, 32));
      this.w(srli(to, to, 32));
    }
  }
  signExtend(to: number, from: number): void {
    if ((this.facts(from) & SX) !== 0) this.move(to, from);
    else this.w(addiw(to, from, 0));
  }

  // ---- distances

  /** Distance of an address from byte `off` of the image; undefined where 32 bits do not hold it or it is not known. */
  distance(hi: number, lo: number, off: number): number | undefined {
    if (!this.located) return undefined;
    const pcLo = (this.atLo + off) | 0;
    const pcHi = (this.atHi + ((this.atLo >>> 0) + off >= 0x100000000 ? 1 : 0)) | 0;
    const low = (lo - pcLo) | 0;
    const high = (hi - pcHi - (lo >>> 0 < pcLo >>> 0 ? 1 : 0)) | 0;
    return high === low >> 31 ? low : undefined;
  }

  // ---- branches

  bind(label: number): void {
    this.buffer.bind(label);
  }
  #fixup(label: number, kind: number): void {
    this.buffer.fixup(label, (this.slot << FIX_BITS) | kind);
  }

  jump(label: number): void {
    const form = this.forms[this.slot];
    if (form < JUMP) {
      this.#fixup(label, FIX_CJ);
      this.buffer.u16(0);
    } else this.#farJump(label);
  }
  #farJump(label: number): void {
    if (this.forms[this.slot] === JUMP) {
      this.#fixup(label, FIX_J);
      this.buffer.u32(jal(ZERO, 0));
    } else {
      this.#fixup(label, FIX_PAIR);
      this.buffer.u32(auipc(this.unit.allocation.t3, 0));
      this.buffer.u32(jalr(ZERO, 0, this.unit.allocation.t3));
    }
  }
  /** A branch to a label, by the forms of this slot. */
  branchIf(f3: number, rs1: number, rs2: number, label: number): void {
    const form = this.forms[this.slot];
    const short = isShort(f3, rs1, rs2);
    if (form === SHORT && short !== ZERO) {
      this.#fixup(label, FIX_CB);
      this.buffer.u16(compressedBranch(f3, short, 0));
    } else if (form <= MIDDLE) {
      this.#fixup(label, FIX_B);
      this.buffer.u32(branch(f3, rs1, rs2, 0));
    } else {
      const around = this.skipIf(f3 ^ 1, rs1, rs2);
      this.#farJump(label);
      this.land(around);
    }
  }

  /** A branch forward over a few instructions: {@link land} says where to. */
  skipIf(f3: number, rs1: number, rs2: number): number {
    const at = this.here;
    const short = isShort(f3, rs1, rs2);
    if (short !== ZERO) this.buffer.u16(compressedBranch(f3, short, 0));
    else this.buffer.u32(branch(f3, rs1, rs2, 0));
    return at;
  }
  land(at: number): void {
    this.#patchBranch(at, this.here - at);
  }
  /** A branch to an offset behind us. */
  backIf(f3: number, rs1: number, rs2: number, to: number): void {
    this.#patchBranch(this.skipIf(f3, rs1, rs2), to - (this.here - (isShort(f3, rs1, rs2) !== ZERO ? 2 : 4)));
  }
  #patchBranch(at: number, distance: number): void {
    const { buffer } = this;
    const word = buffer.peekU32(at);
    // Short forms of the distance alone have the same low bits as those with registers.
    if ((word & 3) === 3) buffer.patchU32(at, word | (branch(0, 0, 0, distance) & ~0x7f));
    else this.#patchShort(at, compressedBranch(0, 0, distance) & ~0xc001);
  }
  #patchShort(at: number, bits: number): void {
    this.buffer.patchU32(at, this.buffer.peekU32(at) | bits);
  }

  /** Fills branches in; marks those that do not reach. */
  resolve(): void {
    this.buffer.resolve((buffer, kind, off, distance) => {
      const way = kind & ((1 << FIX_BITS) - 1);
      if (way === FIX_PAIR) {
        buffer.patchU32(off, buffer.peekU32(off) | (high20(distance) << 12));
        buffer.patchU32(off + 4, buffer.peekU32(off + 4) | (low12(distance) << 20));
        return;
      }
      const reach = REACH[way];
      if (distance < -reach || distance >= reach) {
        const slot = kind >> FIX_BITS;
        if (this.forms[slot] >= NEXT[way])
          throw new InternalError(`a branch of form ${this.forms[slot]} does not reach`);
        this.forms[slot] = NEXT[way];
        this.grew = true;
      } else if (way === FIX_J) buffer.patchU32(off, buffer.peekU32(off) | jal(ZERO, distance));
      else if (way === FIX_CJ) this.#patchShort(off, compressedJump(distance));
      else this.#patchBranch(off, distance);
    });
  }
}

/** The register of c.beqz and c.bnez, or x0 where this comparison has no short form. */
function isShort(f3: number, rs1: number, rs2: number): number {
  if (f3 !== EQ && f3 !== NE) return ZERO;
  if (rs2 === ZERO && isPrime(rs1)) return rs1;
  return rs1 === ZERO && isPrime(rs2) ? rs2 : ZERO;
}
