import { hi32, InternalError, lo32 } from '../../../util/index.ts';
import type { CodeBuffer } from '../../code-buffer.ts';
import { DESK } from '../../desk.ts';
import { PairCache } from '../../pair-cache.ts';
import { filled, type Room } from '../../room.ts';
import type { Callee, CallSite, ExtableEntry, FuncInput, TargetEnv } from '../../types.ts';
import { branchKind, FIX_26, oppositeBranch, withDistance } from '../compare.ts';
import { type ConstantPlan, planConstant } from '../constant.ts';
import { addImm, adr, adrp, b, mov, nop, ret, SP, W, X } from '../encode.ts';
import { addConstant, type WordSink } from '../words.ts';
import { type Frame, teardownOf } from './frame.ts';
import { FRAME } from './registers.ts';
import type { Results } from './results.ts';
import type { Scan } from './scan.ts';

const PLANS = new PairCache(planConstant);

/** Everything no address changes. */
export interface Unit {
  readonly func: FuncInput;
  readonly env: TargetEnv;
  readonly scan: Scan;
  /** Where its arrays live. */
  readonly kept: Room;
  readonly frame: Frame;
  /** Machine registers by BPF register. */
  readonly map: readonly number[];
  /** BPF registers live behind each slot. */
  readonly live: Uint16Array;
  readonly results: Results;
  readonly lse: boolean;
  readonly lastExit: number;
}

/** What may only grow from one emission to the next. */
export class Forms {
  /** Slots whose conditional branch goes around a `b`. */
  readonly far: Uint8Array;
  /** Words of slots with addresses in them. */
  readonly words: Uint8Array;

  constructor(n: number, kept: Room) {
    this.far = kept.bytes(n);
    this.words = kept.bytes(n);
  }

  /** As if nothing had been emitted. */
  clear(): void {
    filled(this.far, 0);
    filled(this.words, 0);
  }
}

/** One emission of a function, on the desk until it is done: the code written so far, and what is known of registers here. */
export class Emission implements WordSink {
  readonly unit: Unit;
  readonly scan: Scan;
  readonly frame: Frame;
  readonly buffer: CodeBuffer;
  readonly epilogue: readonly number[];
  readonly leaveLabel: number;
  readonly lengths: Uint8Array;
  readonly forms: Forms;
  /** Somebody asked for an address: the image's, or a function's. */
  asked = false;
  #located = false;
  #callees: readonly Callee[] | undefined;
  sites: CallSite[] = [];
  extable: ExtableEntry[] = [];
  slot = 0;
  /** Something needs a longer form: this emission is void. */
  grew = false;
  #atHi = 0;
  #atLo = 0;
  /** Machine registers whose upper half is known to be zero, as bits. */
  #narrow = 0;
  #compare = -1;
  #compareA = 0;
  #compareB = 0;
  #compareValue = 0;

  constructor(unit: Unit, forms: Forms) {
    this.unit = unit;
    this.forms = forms;
    this.scan = unit.scan;
    this.frame = unit.frame;
    const { n } = unit.scan;
    this.buffer = DESK.buffer('little');
    this.lengths = unit.kept.bytes(n);
    this.leaveLabel = n + 1;
    this.epilogue = [...teardownOf(unit.frame), ret()];
  }

  begin(at: bigint | undefined, callees: readonly Callee[] | undefined): void {
    this.asked = false;
    this.#callees = callees;
    this.#located = at !== undefined;
    this.#atHi = at === undefined ? 0 : hi32(at);
    this.#atLo = at === undefined ? 0 : lo32(at);
    this.sites = [];
    this.extable = [];
    filled(this.lengths, 0);
    this.grew = false;
    this.buffer.reset(this.scan.n + 2);
    this.leader();
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

  w(word: number): void {
    this.buffer.u32(word);
  }
  get here(): number {
    return this.buffer.length;
  }

  // ---- what is known

  /** Control may come from elsewhere. */
  leader(): void {
    this.#narrow = 0;
    this.#compare = -1;
  }
  /** A register gets a value; `narrow`: its upper half is zero. */
  sets(register: number, narrow: boolean): void {
    this.#narrow = narrow ? this.#narrow | (1 << register) : this.#narrow & ~(1 << register);
    if (register === this.#compareA || register === this.#compareB) this.#compare = -1;
  }
  isNarrow(register: number): boolean {
    return register < 32 && ((this.#narrow >>> register) & 1) !== 0;
  }
  /** Flags are not those of a comparison any more. */
  flags(): void {
    this.#compare = -1;
  }
  /** Whether flags hold this comparison already; if not they will. Kinds of numbers differ from those of registers. */
  compares(kind: number, ra: number, rb: number): boolean {
    if (this.#compare === kind && this.#compareA === ra && this.#compareB === rb) return true;
    this.#compare = kind;
    this.#compareA = ra;
    this.#compareB = rb;
    return false;
  }

  /** As {@link compares}, with a number in place of the second register. */
  comparesNumber(kind: number, ra: number, value: number): boolean {
    const same = this.#compare === kind && this.#compareA === ra && this.#compareValue === value;
    this.#compare = kind;
    this.#compareA = ra;
    this.#compareB = ra;
    this.#compareValue = value;
    return same;
  }

  // ---- labels

  branch(label: number): void {
    this.buffer.fixup(label, this.slot * 4 + FIX_26);
    this.w(b(0));
  }
  /** A conditional branch, without its distance, or its opposite around a `b` where the label was out of reach. */
  branchIf(word: number, label: number): void {
    const kind = branchKind(word);
    if (this.forms.far[this.slot] !== 0) {
      this.w(oppositeBranch(word) | (2 << 5));
      this.branch(label);
      return;
    }
    this.buffer.fixup(label, this.slot * 4 + kind);
    this.w(word);
  }
  resolve(): void {
    this.buffer.resolve((buffer, fix, off, distance) => {
      const kind = fix & 3;
      const word = withDistance(buffer.peekU32(off), kind, distance);
      if (word !== undefined) buffer.patchU32(off, word);
      else if (kind === FIX_26) throw new InternalError('a branch further than 128 MB');
      else {
        this.forms.far[fix >> 2] = 1;
        this.grew = true;
      }
    });
  }

  // ---- registers

  /** The register slot `i` sets. */
  target(i: number): number {
    const bpf = this.scan.d[i];
    return bpf === 0 ? this.unit.results.out[i] : this.unit.map[bpf];
  }
  /** The register a BPF register that this slot reads is in; FRAME for R10. */
  register(bpf: number): number {
    return bpf === 0 ? this.unit.results.into[this.slot] : this.unit.map[bpf];
  }
  /** The register of an operand; R10 is made in `scratch`. */
  operand(bpf: number, scratch: number): number {
    const register = this.register(bpf);
    if (register !== FRAME) return register;
    this.addConstant(X, scratch, SP, this.frame.sizeBytes);
    return scratch;
  }
  /** 64 bits. */
  move(rd: number, rn: number): void {
    if (rd !== rn) this.w(mov(X, rd, rn));
  }
  /** A copy of the width; one of 32 bits clears the upper half, if it is not clear. */
  copy(sf: number, rd: number, rn: number): void {
    if (rd !== rn || (sf === W && !this.isNarrow(rn))) this.w(mov(sf, rd, rn));
  }

  // ---- values

  plan(hi: number, lo: number): ConstantPlan {
    return PLANS.get(hi, lo);
  }
  constant(rd: number, hi: number, lo: number): void {
    const plan = this.plan(hi, lo);
    for (let k = 0; k < plan.length; k++) this.w(plan[k] | rd);
  }
  /** A 32-bit number extended to the width. */
  number(sf: number, rd: number, value: number): void {
    this.constant(rd, sf === X ? value >> 31 : 0, value);
  }

  /** See {@link addConstant}. */
  addConstant(sf: number, rd: number, rn: number, value: number): void {
    addConstant(this, sf, rd, rn, value);
  }

  /** Distance of an address from byte `off` of the image, where it fits a signed number of 33 bits; else NaN. */
  distance(hi: number, lo: number, off: number): number {
    if (!this.located) return Number.NaN;
    const pc = (this.#atLo >>> 0) + off;
    const delta = (lo >>> 0) - pc;
    const high = (hi - this.#atHi) | 0;
    if (high < -1 || high > 1) return Number.NaN;
    return high * 0x100000000 + delta;
  }

  /**
   * An address in as few words as there are: from here if the image has a place, else as a constant. Returns its form.
   */
  address(rd: number, hi: number, lo: number): string {
    const plan = this.plan(hi, lo);
    const here = this.here;
    const distance = this.distance(hi, lo, here);
    if (plan.length > 1 && distance >= -0x100000 && distance < 0x100000) {
      this.w(adr(rd, distance));
      return 'adr';
    }
    const pages = Number.isNaN(distance) ? distance : this.#pages(lo, distance, here);
    const words = (lo & 0xfff) === 0 ? 1 : 2;
    if (words < plan.length && pages >= -0x100000 && pages < 0x100000) {
      this.w(adrp(rd, pages));
      if (words > 1) this.w(addImm(X, rd, rd, lo & 0xfff));
      return 'adrp';
    }
    for (let k = 0; k < plan.length; k++) this.w(plan[k] | rd);
    return `imm${plan.length > 2 ? 64 : 32}`;
  }
  /** Pages from that of the instruction at `off` to that of the address. */
  #pages(lo: number, distance: number, off: number): number {
    const pcPage = (this.#atLo + off) & 0xfff;
    return (distance + pcPage - (lo & 0xfff)) / 0x1000;
  }

  /** Nops up to what the slot took before. */
  fill(start: number): void {
    const least = 4 * this.forms.words[this.slot];
    while (this.here - start < least) this.w(nop());
    this.lengths[this.slot] = (this.here - start) >> 2;
  }
}
