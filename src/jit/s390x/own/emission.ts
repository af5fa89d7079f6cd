import { hi32, InternalError, lo32 } from '../../../util/index.ts';
import type { CodeBuffer } from '../../code-buffer.ts';
import { DESK } from '../../desk.ts';
import { filled, type Room } from '../../room.ts';
import type { ir } from '../../rows/index.ts';
import type { Callee, CallSite, ExtableEntry } from '../../types.ts';
import { brc, brcl, la, lay, lengthOf, lgr, llgfr } from '../encode.ts';
import { FRAME, SP, T0, VOLATILE } from './allocate.ts';
import { constantInsns } from './constant.ts';
import { epilogueOf, type Frame } from './frame.ts';
import type { Unit } from './unit.ts';

/** What lives on from one emission to the next: which slots need the long form of their branch or call. Only grows. */
export class Forms {
  readonly far: Uint8Array;
  constructor(n: number, kept: Room) {
    this.far = kept.bytes(n);
  }

  /** As if nothing had been emitted. */
  clear(): void {
    filled(this.far, 0);
  }
}

const FIX_16 = 0;
const FIX_32 = 1;
const HIGH = 0x100000000;

/** An emission of a function, on the desk until it is done: the code so far, and which registers' high halves are known to be 0 at this place. */
export class Emission {
  readonly unit: Unit;
  readonly rows: ir.Ir;
  readonly frame: Frame;
  readonly buffer: CodeBuffer;
  readonly epilogue: readonly number[];
  readonly leaveLabel: number;
  /** Returns but the last jump to its code, which is longer than a jump. */
  readonly sharesLeave: boolean;
  readonly forms: Forms;
  atHi = 0;
  atLo = 0;
  /** Somebody asked for an address: the image's, or a function's. */
  asked = false;
  #located = false;
  #callees: readonly Callee[] | undefined;
  sites: CallSite[] = [];
  extable: ExtableEntry[] = [];
  slot = 0;
  /** Something needs a longer form: this emission is void. */
  grew = false;
  #zero = 0;

  constructor(unit: Unit, forms: Forms) {
    this.forms = forms;
    this.unit = unit;
    this.rows = unit.rows;
    this.frame = unit.frame;
    const { n } = unit.rows;
    this.buffer = DESK.buffer('big');
    this.leaveLabel = n + 1;
    this.epilogue = epilogueOf(unit.frame);
    this.sharesLeave = lengthSum(this.epilogue) > 4;
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
    this.#zero = 0;
    this.buffer.reset(this.rows.n + 2);
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

  /** Writes an instruction of 2, 4 or 6 bytes. */
  w(insn: number): void {
    const { buffer } = this;
    if (insn < HIGH) {
      if (insn < 0x10000) buffer.u16(insn);
      else buffer.u32(insn | 0);
    } else {
      buffer.u16(Math.floor(insn / HIGH));
      buffer.u32(insn | 0);
    }
  }

  // ---- what is known

  leader(): void {
    this.#zero = 0;
  }
  /** Whether the register's high half is 0. */
  isZero(register: number): boolean {
    return ((this.#zero >>> register) & 1) !== 0;
  }
  /** The register gets a value; `zero`: one whose high half is 0. */
  set(register: number, zero: boolean): void {
    if (zero) this.#zero |= 1 << register;
    else this.#zero &= ~(1 << register);
  }
  changedByCall(): void {
    this.#zero &= ~VOLATILE;
  }

  // ---- addresses

  /**
   * Distance of an address from byte `off` of the image, in halfwords, as `brasl` and `larl` take it; undefined if they do
   * not reach it.
   */
  halfwordsTo(hi: number, lo: number, off: number): number | undefined {
    if (!this.located || (lo & 1) !== 0) return undefined;
    const pcLo = (this.atLo + off) | 0;
    const carry = (this.atLo >>> 0) + off >= HIGH ? 1 : 0;
    const low = (lo - pcLo) | 0;
    const high = (hi - this.atHi - carry - (lo >>> 0 < pcLo >>> 0 ? 1 : 0)) | 0;
    return high === 0 || high === -1 ? (high << 31) | (low >>> 1) : undefined;
  }

  // ---- branches

  bind(label: number): void {
    this.buffer.bind(label);
  }
  /** A branch with its distance left 0, in bytes 2 and 3. */
  near(insn: number, label: number): void {
    this.buffer.fixup(label, this.slot * 2 + FIX_16);
    this.w(insn);
  }
  branch(mask: number, label: number): void {
    if (this.forms.far[this.slot] === 0) {
      this.near(brc(mask, 0), label);
      return;
    }
    this.buffer.fixup(label, this.slot * 2 + FIX_32);
    this.w(brcl(mask, 0));
  }
  /** Fills branches in; marks those that do not reach. */
  resolve(): void {
    this.buffer.resolve((buffer, kind, off, distance) => {
      if ((kind & 1) === FIX_32) buffer.patchU32(off + 2, distance >> 1);
      else if (distance < -0x10000 || distance > 0xfffe) {
        if (this.forms.far[kind >> 1] !== 0) throw new InternalError('a branch that cannot be longer does not reach');
        this.forms.far[kind >> 1] = 1;
        this.grew = true;
      } else buffer.patchU32(off, (buffer.peekU32(off) & 0xffff0000) | ((distance >> 1) & 0xffff));
    });
  }

  // ---- values

  /** All 64 bits. */
  move(to: number, from: number): void {
    if (to === from) return;
    this.w(lgr(to, from));
    this.set(to, this.isZero(from));
  }
  /** register = r15 + off */
  stackAddress(register: number, off: number): void {
    this.w(off >= 0 && off < 4096 ? la(register, off, 0, SP) : lay(register, off, 0, SP));
    this.set(register, false);
  }
  /** The register of an operand column: R10 is made in `scratch`. */
  operand(register: number, scratch: number): number {
    if (register !== FRAME) return register;
    this.stackAddress(scratch, this.frame.fpOff);
    return scratch;
  }
  /** All 64 bits of a constant. */
  load(register: number, hi: number, lo: number): void {
    for (const insn of constantInsns(register, hi, lo)) this.w(insn);
    this.set(register, hi === 0);
  }
  /** Zero-extends in place, if somebody reads the high half and it is not 0 already. */
  extend(register: number, needed: boolean): void {
    if (!needed || this.isZero(register) || register === T0) return;
    this.w(llgfr(register, register));
    this.set(register, true);
  }
}

/** Bytes of instructions. */
export const lengthSum = (insns: readonly number[]): number => insns.reduce((sum, insn) => sum + lengthOf(insn), 0);
