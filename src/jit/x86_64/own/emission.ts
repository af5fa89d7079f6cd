import type { Insn } from '../../../isa/index.ts';
import { hi32, InternalError, lo32 } from '../../../util/index.ts';
import type { CodeBuffer } from '../../code-buffer.ts';
import { DESK } from '../../desk.ts';
import type { Callee, CallSite, ExtableEntry } from '../../types.ts';
import { JCC8, JCC32, JMP8, JMP32 } from '../encode.ts';
import type { Forms } from './forms.ts';
import { Jumps } from './jumps.ts';
import { CALLEE_SAVED } from './registers.ts';
import type { Unit } from './unit.ts';

const FIX_8 = 1;
const FIX_32 = 4;

/** As the desk's memory, nobody's for longer than an emission. */
const JUMPS = new Jumps();
const KNOWN_HI = new Int32Array(16);
const KNOWN_LO = new Int32Array(16);
const NOTHING = new Int32Array(0);

/** A callee out of reach: where it is, and how often it is called. */
export interface FarCallee {
  readonly hi: number;
  readonly lo: number;
  readonly register: number;
  calls: number;
}

/**
 * An emission of a function: the code written so far, and what is known of registers at this place. {@link begin} starts over, and has
 * the desk until the emission is done; what has to stay from one to the next is in {@link Forms}.
 */
export class Emission {
  readonly unit: Unit;
  readonly insns: readonly Insn[];
  /** Where BPF's registers live. */
  readonly reg: readonly number[];
  readonly forms: Forms;
  readonly c: CodeBuffer;
  /** Somebody asked for an address: the image's, or a function's. */
  asked = false;
  #callees: readonly Callee[] | undefined;
  #located = false;
  /** Halves of the image's address. */
  atHi = 0;
  atLo = 0;
  readonly leaveLabel: number;
  sites: CallSite[] = [];
  extable: ExtableEntry[] = [];
  /** Of callees out of reach, as most functions have none. */
  farCallees: Map<string, FarCallee> | undefined;
  stubLabels: Map<string, number> | undefined;
  /** What all tail calls of a function share; -1 before the first. */
  tailStub = -1;
  readonly jumps = JUMPS;
  /** Something needs a longer form: this emission is void. */
  grew = false;
  /** x86-64 registers whose upper half is known to be 0, a bit each; all where nobody comes. */
  zx = 0;
  /** By slot: what of it is so wherever jumps to the slot stand. */
  #zxAt: Int32Array = NOTHING;

  constructor(unit: Unit, forms: Forms) {
    this.unit = unit;
    this.insns = unit.func.insns;
    this.reg = unit.reg;
    this.forms = forms;
    this.c = DESK.buffer('little');
    this.leaveLabel = this.insns.length + 1;
  }

  begin(at: bigint | undefined, callees: readonly Callee[] | undefined): void {
    const { room } = DESK;
    const n = this.insns.length;
    room.clear();
    this.jumps.clear();
    this.c.reset(n + 2);
    this.#zxAt = room.ints(n, -1);
    this.asked = false;
    this.#callees = callees;
    this.#located = at !== undefined;
    this.atHi = at === undefined ? 0 : hi32(at);
    this.atLo = at === undefined ? 0 : lo32(at);
    this.sites = [];
    this.extable = [];
    this.farCallees = undefined;
    this.stubLabels = undefined;
    this.tailStub = -1;
    this.grew = false;
    this.zx = 0;
    this.#known = 0;
    this.#kind = 0;
    this.#first = 0;
    this.#second = 0;
    this.#flagsEnd = -1;
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

  /** Whether an address is within 32 bits of byte `off` of the image; the distance is then in {@link distance}. */
  reaches(hi: number, lo: number, off: number): boolean {
    if (!this.located) return false;
    const pcLo = (this.atLo + off) | 0;
    const carry = (this.atLo >>> 0) + off > 0xffffffff ? 1 : 0;
    const distance = (lo - pcLo) | 0;
    const high = (hi - (this.atHi + carry) - (lo >>> 0 < pcLo >>> 0 ? 1 : 0)) | 0;
    this.distance = distance;
    return high === distance >> 31;
  }
  distance = 0;

  // ---- what is known

  /** A register gets a value: of 32 bits, the upper half 0, or of 64. */
  wrote(register: number, narrow: boolean): void {
    if (narrow) this.zx |= 1 << register;
    else this.zx &= ~(1 << register);
    this.#known &= ~(1 << register);
  }
  /** The number a register holds, as halves; it is what was written last. */
  knows(register: number, hi: number, lo: number): void {
    this.#known |= 1 << register;
    this.knownHi[register] = hi;
    this.knownLo[register] = lo;
  }
  isKnown(register: number): boolean {
    return (this.#known & (1 << register)) !== 0;
  }
  readonly knownHi = KNOWN_HI;
  readonly knownLo = KNOWN_LO;
  #known = 0;
  isZeroExtended(register: number): boolean {
    return (this.zx & (1 << register)) !== 0;
  }
  called(): void {
    this.zx &= CALLEE_SAVED;
    this.#known &= CALLEE_SAVED;
  }
  /** Whether the BPF register holds nothing that is read behind slot `i`. */
  isFree(register: number, i: number): boolean {
    const { held } = this.unit;
    return held !== undefined && (held[i] & (1 << register)) === 0;
  }

  // ---- jumps

  /**
   * Whether the flags are still those of this comparison: jumps on them are all that came since. If not, they will be once
   * it and its jump are written. Kinds: 64 bits or 32, with a number or a register.
   */
  compares(kind: number, a: number, operand: number): boolean {
    const known =
      this.#flagsEnd === this.c.length && this.#kind === kind && this.#first === a && this.#second === operand;
    this.#kind = kind;
    this.#first = a;
    this.#second = operand;
    return known;
  }
  #kind = 0;
  #first = 0;
  #second = 0;
  /** Where the code ended when the flags were last known. */
  #flagsEnd = -1;
  forgetFlags(): void {
    this.#kind = -1;
  }
  /** Control may come from elsewhere: of slot `i` what all say is known, nothing where some say it later. */
  leader(i: number): void {
    this.zx = this.unit.facts.loopHeads[i] === 0 ? this.zx & this.#zxAt[i] : 0;
    this.#flagsEnd = -1;
    this.#known = 0;
  }
  /** Control may go on at slot `target`. */
  leads(target: number): void {
    this.#zxAt[target] &= this.zx;
  }
  /** It does not go on behind here. */
  ended(): void {
    this.zx = -1;
  }

  jump(label: number, slot: number): void {
    const { c } = this;
    this.jumps.add(c.length, label, slot, false);
    if (this.forms.near[slot] !== 0) {
      c.u8(JMP32);
      c.fixup(label, FIX_32);
      c.u32(0);
    } else {
      c.u8(JMP8);
      c.fixup(label, FIX_8);
      c.u8(0);
    }
  }
  jumpIf(condition: number, label: number, slot: number): void {
    const { c } = this;
    this.jumps.add(c.length, label, slot, true);
    if (this.forms.near[slot] !== 0) {
      c.u8(JCC32 >> 8);
      c.u8((JCC32 & 0xff) | condition);
      c.fixup(label, FIX_32);
      c.u32(0);
    } else {
      c.u8(JCC8 | condition);
      c.fixup(label, FIX_8);
      c.u8(0);
    }
    this.#flagsEnd = c.length;
  }
  /** A call of a label behind the code. */
  callLabel(label: number): void {
    this.c.u8(0xe8);
    this.c.fixup(label, FIX_32);
    this.c.u32(0);
  }
  /** A jump over what comes next, up to {@link landed}: never more than 127 bytes. */
  skip(op: number): number {
    this.c.u8(op);
    this.c.u8(0);
    return this.c.length;
  }
  landed(from: number): void {
    const distance = this.c.length - from;
    if (distance > 127) throw new InternalError(`a jump over ${distance} bytes`);
    this.c.patchU8(from - 1, distance);
  }

  /** Fills jumps in; marks those that do not reach. */
  resolve(): void {
    if (this.jumps.grow(this.forms.near, this.c, DESK.room)) {
      this.grew = true;
      return;
    }
    this.c.resolve(patch);
  }
}

function patch(c: CodeBuffer, kind: number, off: number, distance: number): void {
  if (kind === FIX_32) c.patchU32(off, distance - 4);
  else c.patchU8(off, distance - 1);
}
