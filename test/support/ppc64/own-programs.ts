import { CALL, EXIT, type Insn, LD_IMM64, makeInsn, ZEXT_IMM } from '../../../src/isa/index.ts';
import { Random } from '../random.ts';

/** Bytes of memory R1 points to. */
export const CTX_BYTES = 256;
/** Where in it programs count their loops down. */
export const FUEL_OFF = 252;

export interface OwnFunc {
  readonly insns: Insn[];
  readonly stackDepthBytes: number;
}

export interface GenerateOptions {
  /** Extends results of 32-bit operations by instructions of their own, as the verifier does for CPUs that need it. */
  readonly verifierZext: boolean;
  /** `imm` of the kernel function of 0..5 arguments. */
  readonly helperImms: readonly number[];
  /** Probe loads of addresses up to this give 0. */
  readonly userLimit: number;
  /** Where the context is: programs also name it by address. */
  readonly ctxAddr: bigint;
}

const SIZES = [4, 2, 1, 8];
const ALU_K = [0x0, 0x1, 0x2, 0x3, 0x4, 0x5, 0x6, 0x7, 0x9, 0xa, 0xc];
const CONDITIONS = [1, 2, 3, 4, 5, 6, 7, 10, 11, 12, 13];
const ATOMICS = [0x00, 0x40, 0x50, 0xa0, 0x01, 0x41, 0x51, 0xa1, 0xe1, 0xf1];

/**
 * Writes functions that end, read nothing they did not set, and take every form own mode knows; functions with larger
 * numbers are called by those with smaller ones. Statements are drawn with a register set that is known to be set.
 */
class Writer {
  readonly #random: Random;
  readonly #options: GenerateOptions;
  readonly #functions: number;
  readonly #index: number;
  readonly #insns: Insn[] = [];
  readonly #stack: number;
  readonly #calls: boolean;
  /** Register that holds the context throughout. */
  readonly #ctx: number;
  #set = new Set<number>();
  #loops = 0;

  constructor(random: Random, options: GenerateOptions, index: number, functions: number) {
    this.#random = random;
    this.#options = options;
    this.#index = index;
    this.#functions = functions;
    this.#stack = 8 * random.between(2, 12);
    this.#calls = random.chance(70);
    this.#ctx = !this.#calls && random.chance(50) ? 1 : random.between(6, 9);
  }

  write(size: number): OwnFunc {
    if (this.#ctx !== 1) this.#emit(0xbf, this.#ctx, 1);
    if (this.#index > 0) this.#set = new Set([2, 3]);
    for (let off = 8; off <= this.#stack; off += 8) this.#emit(0x7a, 10, 0, -off, this.#imm());
    this.#block(size, 0);
    const result = this.#source();
    if (result !== 0) this.#emit(0xbf, 0, result);
    for (const reg of this.#set) {
      if (reg === 0 || reg === this.#ctx || this.#random.chance(30)) continue;
      this.#emit(0x0f, 0, reg);
      this.#emit(0x27, 0, 0, 0, 31);
    }
    if (this.#random.chance(30)) {
      this.#emit(0x15, 0, 0, 1, this.#imm());
      this.#emit(EXIT, 0);
      this.#emit(0x07, 0, 0, 0, 5);
    }
    this.#emit(EXIT, 0);
    return { insns: this.#insns, stackDepthBytes: this.#stack };
  }

  #emit(code: number, dst: number, src = 0, off = 0, imm = 0): void {
    this.#insns.push(makeInsn(code, dst, src, off, imm));
    const sets = (code & 7) === 4 && code >> 4 !== 0xd;
    if (sets && this.#options.verifierZext) this.#insns.push(makeInsn(0xbc, dst, dst, 0, ZEXT_IMM));
  }

  #imm(): number {
    return this.#random.chance(30)
      ? this.#random.pick([0x8000, 0xffff, 0x10000, 0x1ffff, 0x12340000, -16, 0x00ff0000, 0x0ff0, 0x7fff8000, -0x8001])
      : this.#random.edgeI32();
  }
  #dest(): number {
    const free = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9].filter(reg => reg !== this.#ctx);
    return this.#random.pick(free);
  }
  /** A register that holds a number, set on the spot if there is none. */
  #source(): number {
    const ready = [...this.#set].filter(reg => reg !== this.#ctx);
    if (ready.length > 0) return this.#random.pick(ready);
    const reg = this.#dest();
    this.#emit(0xb7, reg, 0, 0, this.#imm());
    this.#set.add(reg);
    return reg;
  }
  /** Where a number of `sizeBytes` lies: base register and offset, in the context or on the stack. */
  #place(sizeBytes: number, aligned = false): [number, number] {
    const align = aligned ? sizeBytes : 1;
    const room = this.#random.chance(50) ? FUEL_OFF : this.#stack;
    const off = align * this.#random.below(Math.floor((room - sizeBytes) / align) + 1);
    return room === FUEL_OFF ? [this.#ctx, off] : [10, off - this.#stack];
  }

  #block(budget: number, depth: number): void {
    let left = budget;
    while (left-- > 0) {
      const row = STATEMENTS.find(([share]) => this.#random.chance(share)) ?? STATEMENTS[STATEMENTS.length - 1];
      left -= row[1](this, left, depth);
    }
  }

  // ---- statements: each returns how much of the budget it took beside itself

  constant(): number {
    const d = this.#dest();
    if (this.#random.chance(40)) {
      const value = this.#random.edgeU64();
      this.#insns.push(makeInsn(LD_IMM64, d, 0, 0, Number(BigInt.asIntN(32, value))));
      this.#insns.push(makeInsn(0, 0, 0, 0, Number(BigInt.asIntN(32, value >> 32n))));
    } else this.#emit(this.#random.pick([0xb7, 0xb4]), d, 0, 0, this.#imm());
    this.#set.add(d);
    return 0;
  }

  move(): number {
    const s = this.#source();
    const d = this.#dest();
    const wide = this.#random.chance(60);
    this.#emit(wide ? 0xbf : 0xbc, d, s, this.#random.pick(wide ? [0, 0, 0, 8, 16, 32] : [0, 0, 8, 16]));
    this.#set.add(d);
    return 0;
  }

  aluConstant(): number {
    const d = this.#source();
    const wide = this.#random.chance(50);
    const op = this.#random.pick(ALU_K);
    const divides = op === 0x3 || op === 0x9;
    const shifts = op === 0x6 || op === 0x7 || op === 0xc;
    let imm = this.#imm();
    if (divides && imm === 0) imm = 1;
    if (shifts) imm = this.#random.below(wide ? 64 : 32);
    this.#emit((wide ? 7 : 4) | (op << 4), d, 0, divides ? this.#random.below(2) : 0, imm);
    if (this.#random.chance(10)) this.#emit(wide ? 0x87 : 0x84, d);
    return 0;
  }

  aluRegister(): number {
    const s = this.#source();
    const d = this.#source();
    const wide = this.#random.chance(50);
    let op = this.#random.pick(ALU_K);
    const divides = op === 0x3 || op === 0x9;
    if (divides && s === d) op = 0x0;
    else if (divides) {
      // A divisor that is neither 0 nor −1.
      this.#emit(wide ? 0x77 : 0x74, s, 0, 0, 1);
      this.#emit(0x47, s, 0, 0, 1);
    }
    this.#emit((wide ? 0xf : 0xc) | (op << 4), d, s, divides && s !== d ? this.#random.below(2) : 0);
    return 0;
  }

  byteSwap(): number {
    this.#emit(this.#random.pick([0xd4, 0xdc, 0xd7]), this.#source(), 0, 0, this.#random.pick([16, 32, 64]));
    return 0;
  }

  /** The idioms of packet parsing and of older compilers, which own mode folds. */
  idiom(): number {
    const s = this.#source();
    const d = this.#dest();
    const shift = this.#random.pick([1, 8, 16, 24, 32, 40, 48, 56]);
    this.#emit(0xbf, d, s);
    if (this.#random.chance(50)) this.#emit(0x67, d, 0, 0, shift);
    this.#emit(this.#random.pick([0x77, 0xc7]), d, 0, 0, shift);
    if (this.#random.chance(50)) this.#emit(0x57, d, 0, 0, this.#random.pick([0xff, 0xffff, 0xfff0, 0xff00, 1]));
    this.#set.add(d);
    return 2;
  }

  load(): number {
    const d = this.#dest();
    const size = this.#random.below(4);
    const [base, off] = this.#place(SIZES[size]);
    this.#emit((this.#random.chance(30) && size < 3 ? 0x81 : 0x61) | (size << 3), d, base, off);
    if (this.#random.chance(30)) this.#emit(this.#random.pick([0xd4, 0xdc]), d, 0, 0, 8 * Math.max(2, SIZES[size]));
    this.#set.add(d);
    return 0;
  }

  probe(): number {
    const d = this.#dest();
    const size = this.#random.below(4);
    const code = (this.#random.chance(30) && size < 3 ? 0x41 : 0x21) | (size << 3);
    if (this.#random.chance(50)) this.#emit(code, d, this.#ctx, this.#random.below(FUEL_OFF - 8));
    else {
      const s = this.#dest();
      this.#emit(0xb7, s, 0, 0, this.#random.below(this.#options.userLimit - 64));
      this.#set.add(s);
      this.#emit(code, d, s, this.#random.below(50));
    }
    this.#set.add(d);
    return 0;
  }

  store(): number {
    const size = this.#random.below(4);
    const [base, off] = this.#place(SIZES[size]);
    if (this.#random.chance(60)) this.#emit(0x63 | (size << 3), base, this.#source(), off);
    else this.#emit(0x62 | (size << 3), base, 0, off, this.#imm());
    return 0;
  }

  /** Through a pointer to the stack made on the way. */
  stackPointer(): number {
    const s = this.#source();
    const d = this.#dest();
    if (d === s) return 0;
    this.#emit(0xbf, d, 10);
    this.#emit(0x07, d, 0, 0, -8 * this.#random.between(1, this.#stack / 8));
    this.#emit(0x7b, d, s);
    this.#emit(0x61, d, d);
    this.#set.add(d);
    return 2;
  }

  /** By address, as map values are. */
  direct(): number {
    const d = this.#dest();
    const first = this.#random.below(FUEL_OFF - 40);
    const value = this.#options.ctxAddr + BigInt(first);
    const part = (shift: bigint): number => Number(BigInt.asIntN(32, value >> shift));
    this.#insns.push(makeInsn(LD_IMM64, d, 0, 0, part(0n)), makeInsn(0, 0, 0, 0, part(32n)));
    for (let n = this.#random.between(1, 2); n > 0; n--) {
      const size = this.#random.below(4);
      const off = this.#random.between(-Math.min(first, 9), 32);
      const s = this.#random.pick([...this.#set, d].filter(reg => reg !== d && reg !== this.#ctx).concat(-1));
      if (s >= 0 && this.#random.chance(50)) this.#emit(0x63 | (size << 3), d, s, off);
      else if (s >= 0) this.#emit(0x61 | (size << 3), s, d, off);
      else this.#emit(0x62 | (size << 3), d, 0, off, this.#imm());
    }
    this.#emit(0xb7, d, 0, 0, this.#imm());
    this.#set.add(d);
    return 3;
  }

  atomic(): number {
    const size = this.#random.pick([0, 3]);
    const [base, off] = this.#place(SIZES[size], true);
    const op = this.#random.pick(ATOMICS);
    const s = this.#source();
    if (op === 0xf1) {
      // Often with what is there, so that it succeeds.
      if (this.#random.chance(50)) this.#emit(0x61 | (size << 3), 0, base, off);
      else this.#emit(0xb7, 0, 0, 0, this.#imm());
      this.#set.add(0);
    }
    this.#emit(0xc3 | (size << 3), base, s, off, op);
    return 0;
  }

  ordered(): number {
    const size = this.#random.below(4);
    const [base, off] = this.#place(SIZES[size], true);
    if (this.#random.chance(50)) this.#emit(0xc3 | (size << 3), base, this.#source(), off, 0x110);
    else {
      const d = this.#dest();
      this.#emit(0xc3 | (size << 3), d, base, off, 0x100);
      this.#set.add(d);
    }
    return 0;
  }

  branch(left: number, depth: number): number {
    if (depth >= 4 || left < 3) return 0;
    const a = this.#source();
    const constant = this.#random.chance(60);
    const b = constant ? 0 : this.#source();
    const at = this.#insns.length;
    const code = (this.#random.chance(50) ? 5 : 6) | (constant ? 0 : 8) | (this.#random.pick(CONDITIONS) << 4);
    // Comparisons with 0 are what record forms are for.
    this.#emit(code, a, b, 0, constant ? (this.#random.chance(40) ? 0 : this.#imm()) : 0);
    const before = new Set(this.#set);
    const size = Math.min(8, left);
    this.#block(this.#random.between(1, size), depth + 1);
    const land = (from: number): void => {
      const jump = this.#insns[from];
      const distance = this.#insns.length - from - 1;
      const long = jump.code === 0x06;
      this.#insns[from] = { ...jump, off: long ? 0 : distance, imm: long ? distance : jump.imm };
    };
    if (this.#random.chance(50)) {
      const over = this.#insns.length;
      this.#emit(this.#random.pick([0x05, 0x06]), 0);
      land(at);
      const then = this.#set;
      this.#set = new Set(before);
      this.#block(this.#random.between(1, 5), depth + 1);
      land(over);
      this.#set = new Set([...this.#set].filter(reg => then.has(reg)));
    } else {
      land(at);
      this.#set = new Set([...this.#set].filter(reg => before.has(reg)));
    }
    return size;
  }

  /** Runs until the program's fuel is spent. */
  loop(left: number, depth: number): number {
    if (depth >= 2 || this.#loops >= 2 || left < 6) return 0;
    this.#loops++;
    if (this.#calls) for (let reg = 1; reg <= 5; reg++) this.#set.delete(reg);
    const before = new Set(this.#set);
    const top = this.#insns.length;
    this.#block(this.#random.between(2, 5), 3);
    const d = this.#dest();
    this.#emit(0x61, d, this.#ctx, FUEL_OFF);
    this.#emit(0x04, d, 0, 0, -1);
    this.#emit(0x63, this.#ctx, d, FUEL_OFF);
    this.#emit(0x66, d, 0, top - this.#insns.length - 1, 0);
    this.#set = new Set([...before, d]);
    return 5;
  }

  call(): number {
    if (!this.#calls) return 0;
    if (this.#index + 1 < this.#functions && this.#random.chance(40)) {
      this.#emit(0xbf, 1, this.#ctx);
      for (const reg of [2, 3]) if (!this.#set.has(reg)) this.#emit(0xb7, reg, 0, 0, this.#imm());
      this.#emit(CALL, 0, 1, this.#random.between(this.#index + 1, this.#functions - 1), 1);
    } else {
      const count = this.#random.below(6);
      for (let reg = 1; reg <= count; reg++) {
        if (this.#set.has(reg) && this.#random.chance(40)) continue;
        this.#emit(0xbf, reg, this.#source());
        this.#set.add(reg);
      }
      this.#emit(CALL, 0, 0, 0, this.#options.helperImms[count]);
    }
    for (let reg = 1; reg <= 5; reg++) this.#set.delete(reg);
    this.#set.add(0);
    return 1;
  }
}

/** Percent of what is left for each, in order. */
const STATEMENTS: readonly (readonly [number, (writer: Writer, left: number, depth: number) => number])[] = [
  [8, writer => writer.constant()],
  [10, writer => writer.move()],
  [16, writer => writer.aluConstant()],
  [14, writer => writer.aluRegister()],
  [8, writer => writer.byteSwap()],
  [12, writer => writer.idiom()],
  [16, writer => writer.load()],
  [8, writer => writer.probe()],
  [20, writer => writer.store()],
  [10, writer => writer.stackPointer()],
  [12, writer => writer.direct()],
  [20, writer => writer.atomic()],
  [14, writer => writer.ordered()],
  [50, (writer, left, depth) => writer.branch(left, depth)],
  [20, (writer, left, depth) => writer.loop(left, depth)],
  [100, writer => writer.call()],
];

/** The functions of one program, by seed. */
export function generateFunctions(seed: number, options: GenerateOptions): OwnFunc[] {
  const random = new Random(seed);
  const functions = random.chance(40) ? random.between(2, 4) : 1;
  return Array.from({ length: functions }, (_, index) =>
    new Writer(random, options, index, functions).write(random.between(4, 60)),
  );
}
