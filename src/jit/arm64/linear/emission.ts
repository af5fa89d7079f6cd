import { type EmissionParts, LinearEmission } from '../../linear/index.ts';
import { FP, LOAD, NONE, STORE_K } from '../../rows/ir.ts';
import { planConstant } from '../constant.ts';
import {
  add,
  addSxtw,
  addUxtw,
  LR,
  ldp,
  ldpPost,
  memUxtw,
  mov,
  movz,
  SP,
  stp,
  stpPre,
  sub,
  W,
  X,
  ZR,
} from '../encode.ts';
import { accessAt, addConstant, fitsAccess, type WordSink } from '../words.ts';
import { ADDRESS, FRAME, MEMORY, OPERAND, POINTERS } from './registers.ts';

const LEAST = -0x80000000;
/** As far as pairs reach. */
export const PAIR_REACH = 504;

/** What the rows of one function are written with. */
export class Arm64Emission extends LinearEmission implements WordSink {
  /** By number in {@link POINTERS}: the BPF register whose target's real address it holds, or -1. */
  readonly #points = [-1, -1];
  #turn = 0;
  /** Low halves of BPF registers that hold a number, and which those are, as bits. */
  readonly #numbers = new Int32Array(16);
  #numbered = 0;

  /** Registers that the function saves, in pairs, at the stack pointer; locals lie above them. */
  readonly #pairs: readonly (readonly [number, number])[];
  readonly #stackBytes: number;

  constructor(parts: EmissionParts) {
    super(parts);
    const { saved, leaf, localBytes } = parts.frame;
    const all = leaf ? saved : [...saved, LR];
    const pairs: [number, number][] = [];
    for (let n = 0; n < all.length; n += 2) pairs.push([all[n], all[n + 1] ?? ZR]);
    this.#pairs = pairs;
    this.#stackBytes = 16 * pairs.length + ((localBytes + 15) & ~15);
  }

  w(word: number): void {
    this.c.u32(word);
  }
  copy(sf: number, rd: number, rn: number): void {
    if (rd !== rn || sf === W) this.w(mov(sf, rd, rn));
  }
  number(sf: number, rd: number, value: number): void {
    this.constant(rd, sf === X ? value >> 31 : 0, value);
  }
  constant(rd: number, hi: number, lo: number): void {
    // What most are.
    if (hi === 0 && lo >>> 16 === 0) {
      this.w(movz(W, rd, lo));
      return;
    }
    for (const word of planConstant(hi, lo)) this.w(word | rd);
  }

  home(register: number): number {
    return this.frame.home[register];
  }
  /** The register that holds a BPF register; R10's value is made in `scratch`. */
  use(register: number, scratch: number = OPERAND): number {
    if (register !== FP) return this.frame.home[register];
    this.frameAddress(scratch, 0);
    return scratch;
  }
  /** to = R10 + disp as an offset in the memory. */
  frameAddress(to: number, disp: number): void {
    this.w(sub(W, to, FRAME, MEMORY));
    const off = (disp + this.frame.frameBytes) | 0;
    if (off !== 0) addConstant(this, W, to, to, off);
  }

  // ---- real addresses

  /** A BPF register is another now. */
  changes(register: number): void {
    if (this.#points[0] === register) this.#points[0] = -1;
    if (this.#points[1] === register) this.#points[1] = -1;
    this.#numbered &= ~(1 << register);
  }
  /** A BPF register is a number now. */
  becomes(register: number, low: number): void {
    this.#numbers[register] = low;
    this.#numbered |= 1 << register;
  }
  /** Nothing is known of what was before. */
  forget(): void {
    this.#points.fill(-1);
    this.#numbered = 0;
  }
  /** A register with the real address of what a BPF register points to. */
  #pointer(register: number): number {
    let at = this.#points.indexOf(register);
    if (at < 0) {
      at = this.#turn;
      this.#turn ^= 1;
      this.#points[at] = register;
      this.w(addUxtw(POINTERS[at], MEMORY, this.home(register)));
    }
    return POINTERS[at];
  }

  /**
   * An access of a row's. Addresses are 32 bits wide: sums are made in a register of their own, but for small distances, which
   * lead out of no 32 bits, as nothing that may be accessed lies in the first 64 KiB or above 2 GiB. Uses ADDRESS and T1.
   */
  access(i: number, size: number, opc: number, rt: number): void {
    const { rows } = this;
    const base = rows.a[i];
    const off = rows.off[i];
    const kind = rows.kind[i];
    const index = kind >= LOAD && kind <= STORE_K && rows.aux[i] > 0 ? rows.aux[i] - 1 : NONE;
    if (base === FP) {
      let at = FRAME;
      const disp = off + this.frame.frameBytes;
      if (index !== NONE) {
        // Distances from the frame's end may be negative.
        at = ADDRESS;
        this.w(addSxtw(ADDRESS, FRAME, this.use(index, ADDRESS)));
        if (!fitsAccess(size, disp)) addConstant(this, X, ADDRESS, ADDRESS, disp);
      }
      accessAt(this, size, opc, rt, at, at === FRAME || fitsAccess(size, disp) ? disp : 0, ADDRESS);
      return;
    }
    if (index === NONE && (this.#numbered & (1 << base)) !== 0) {
      // The run's state is near the memory's beginning.
      const at = this.#numbers[base] + off;
      if (at >= 0 && fitsAccess(size, at)) {
        accessAt(this, size, opc, rt, MEMORY, at, ADDRESS);
        return;
      }
    }
    let low = this.home(base);
    if (index !== NONE) {
      this.w(add(W, ADDRESS, low, this.use(index, ADDRESS)));
      low = ADDRESS;
    } else if (off !== 0 && off !== LEAST && off < 0x10000 && fitsAccess(size, off)) {
      accessAt(this, size, opc, rt, this.#pointer(base), off, ADDRESS);
      return;
    }
    if (off !== 0) {
      addConstant(this, W, ADDRESS, low, off);
      low = ADDRESS;
    }
    this.w(memUxtw(size, opc, rt, MEMORY, low));
  }

  /** ADDRESS becomes the real address of a row's access, which has no index. */
  address(i: number): void {
    const { rows } = this;
    const off = rows.off[i];
    if (rows.a[i] === FP) {
      addConstant(this, X, ADDRESS, FRAME, off + this.frame.frameBytes);
      return;
    }
    let low = this.home(rows.a[i]);
    if (off !== 0) {
      addConstant(this, W, ADDRESS, low, off);
      low = ADDRESS;
    }
    this.w(addUxtw(ADDRESS, MEMORY, low));
  }

  /** A word of the run's state. */
  state(size: number, opc: number, rt: number, offBytes: number): void {
    accessAt(this, size, opc, rt, MEMORY, this.program.stateAddr + offBytes, ADDRESS);
  }

  // ---- the stack

  saveRegisters(): void {
    const [bytes, pairs] = [this.#stackBytes, this.#pairs];
    const atOnce = bytes <= PAIR_REACH && pairs.length > 0;
    if (!atOnce && bytes > 0) addConstant(this, X, SP, SP, -bytes);
    pairs.forEach(([a, b], n) => {
      this.w(n === 0 && atOnce ? stpPre(a, b, SP, -bytes) : stp(a, b, SP, 16 * n));
    });
  }
  restoreRegisters(): void {
    const [bytes, pairs] = [this.#stackBytes, this.#pairs];
    const atOnce = bytes <= PAIR_REACH && pairs.length > 0;
    for (let n = pairs.length - 1; n >= 0; n--) {
      const [a, b] = pairs[n];
      this.w(n === 0 && atOnce ? ldpPost(a, b, SP, bytes) : ldp(a, b, SP, 16 * n));
    }
    if (!atOnce && bytes > 0) addConstant(this, X, SP, SP, bytes);
  }
  /** A local without a register, eight bytes of the stack. */
  local(size: number, opc: number, rt: number, offBytes: number): void {
    accessAt(this, size, opc, rt, SP, 16 * this.#pairs.length + offBytes, ADDRESS);
  }
}
