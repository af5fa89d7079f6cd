import type { Insn } from '../../../isa/index.ts';
import type { Callee, CallSite, ExtableEntry, FuncInput, TargetEnv } from '../../types.ts';
import { compress } from '../compress.ts';
import { addi, addiw, jalr, ld, lui, lw, sd, sw } from '../encode.ts';
import { RA, SP, ZERO } from './registers.ts';

/** What stays the same over all passes of one function. */
export interface Unit {
  readonly func: FuncInput;
  readonly env: TargetEnv;
  /** Bytes of BPF stack, rounded to 16. */
  readonly stackBytes: number;
  /** Results of 32-bit operations need no clearing of their own. */
  readonly zeroExtended: boolean;
  readonly zba: boolean;
  readonly zbb: boolean;
}

/** What passes find out and leave to the next. */
export interface Context {
  /** Offset of the end of each slot's code. */
  readonly ends: Int32Array;
  /** Bit r: register r is named; RA: something is called. */
  seen: number;
  tailCall: boolean;
  prologueEnd: number;
  epilogue: number;
}

/** What one pass writes to. */
export interface Target {
  /** The image, from the pass on that has one; what a pass does not reach stays as the pass before left it. */
  readonly image: Uint16Array | undefined;
  /** Address of the image's first byte; 0 before. */
  readonly at: bigint;
  readonly callees: readonly Callee[] | undefined;
}

/** x8 … x15, which compressed instructions name. */
export const isShort = (reg: number): boolean => (reg & 0x18) === 8;
const isS6 = (value: number): boolean => value >= -32 && value < 32;
export const isS12 = (value: number): boolean => value >= -2048 && value < 2048;
const isS10 = (value: number): boolean => value >= -512 && value < 512;

/** `c.addi16sp` */
const addToSp = (imm: number): number =>
  0x6101 |
  ((imm & 0x200) << 3) |
  ((imm & 0x10) << 2) |
  ((imm & 0x40) >> 1) |
  ((imm & 0x180) >> 4) |
  ((imm & 0x20) >> 3);

/**
 * One pass over a function. Offsets are in bytes from its first instruction. Compressed forms are those the kernel's JIT
 * takes, which are not all there are.
 */
export class Emission {
  readonly unit: Unit;
  readonly ctx: Context;
  readonly callees: readonly Callee[] | undefined;
  readonly at: bigint;
  readonly sites: CallSite[] = [];
  readonly faults: ExtableEntry[] = [];
  /** For each of them: the register a fault clears, or 0. */
  readonly faultClears: number[] = [];
  /** The slot being compiled. */
  slot = 0;
  readonly #image: Uint16Array | undefined;
  #halves = 0;

  constructor(unit: Unit, ctx: Context, target: Target) {
    this.unit = unit;
    this.ctx = ctx;
    this.#image = target.image;
    this.at = target.at;
    this.callees = target.callees;
  }

  /** Offset of the next instruction. */
  get here(): number {
    return this.#halves * 2;
  }

  get hasImage(): boolean {
    return this.#image !== undefined;
  }

  /** Address of the next instruction. */
  get address(): bigint {
    return this.at + BigInt(this.here);
  }

  /** The slot after the one being compiled. */
  get next(): Insn | undefined {
    return this.unit.func.insns[this.slot + 1];
  }

  half(value: number): void {
    if (this.#image !== undefined) this.#image[this.#halves] = value;
    this.#halves++;
  }

  /** An instruction of four bytes. */
  word(value: number): void {
    this.half(value & 0xffff);
    this.half(value >>> 16);
  }

  /** In its short form, if `short`. */
  packed(value: number, short: boolean): void {
    if (short) this.half(compress(value));
    else this.word(value);
  }

  see(reg: number): void {
    this.ctx.seen |= 1 << reg;
  }

  sees(reg: number): boolean {
    return ((this.ctx.seen >> reg) & 1) === 1;
  }

  // ---- instructions with short forms of their own

  addi(rd: number, rs: number, imm: number): void {
    const word = addi(rd, rs, imm);
    if (rd === SP && rd === rs && isS10(imm) && imm !== 0 && (imm & 15) === 0) this.half(addToSp(imm));
    else if (isShort(rd) && rs === SP && imm > 0 && imm < 1024 && (imm & 3) === 0) this.half(compress(word));
    else this.packed(word, rd !== ZERO && rd === rs && imm !== 0 && isS6(imm));
  }
  mv(rd: number, rs: number): void {
    this.packed(addi(rd, rs, 0), rd !== ZERO && rs !== ZERO);
  }
  li(rd: number, imm: number): void {
    this.packed(addi(rd, ZERO, imm), rd !== ZERO && isS6(imm));
  }
  lui(rd: number, high: number): void {
    this.packed(lui(rd, high), rd !== ZERO && rd !== SP && isS6(high) && high !== 0);
  }
  addiw(rd: number, rs: number, imm: number): void {
    this.packed(addiw(rd, rs, imm), rd !== ZERO && rd === rs && isS6(imm));
  }
  jalr(rd: number, rs: number, off: number): void {
    this.packed(jalr(rd, off, rs), (rd === RA || rd === ZERO) && rs !== ZERO && off === 0);
  }
  lw(rd: number, off: number, rs: number): void {
    const word = lw(rd, off, rs);
    this.packed(word, compress(word) !== 0);
  }
  ld(rd: number, off: number, rs: number): void {
    const word = ld(rd, off, rs);
    this.packed(word, compress(word) !== 0);
  }
  sw(rs2: number, off: number, rs1: number): void {
    const word = sw(rs2, off, rs1);
    this.packed(word, compress(word) !== 0);
  }
  sd(rs2: number, off: number, rs1: number): void {
    const word = sd(rs2, off, rs1);
    this.packed(word, compress(word) !== 0);
  }
}

/** How the instructions of one code are compiled. */
export type Lowering = (e: Emission, insn: Insn) => void;

/** A row of the table: code and how it is compiled. */
export type LoweringRow = readonly [code: number, lower: Lowering];
