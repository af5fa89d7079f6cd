import { type AluOp, type Insn, type JumpOp, ProgramBuilder } from '../../src/isa/index.ts';
import type { Random } from './random.ts';

/**
 * Programs of loops that count: upward and downward, by words and double words, against numbers and registers, by pointers,
 * past the largest number, with exits in between and jumps inside. They read nothing they have not set, touch the 512
 * bytes R1 points to and their frame, end, and leave a number that depends on everything in R0.
 */
export const LOOP_DATA_BYTES = 512;

const FRAME_BYTES = 64;
const MOST_ROUNDS = 40;
const SIZES = [
  ['b', 1],
  ['h', 2],
  ['w', 4],
  ['dw', 8],
] as const;
const JUMPS: readonly JumpOp[] = ['jeq', 'jne', 'jgt', 'jge', 'jlt', 'jle', 'jsgt', 'jsge', 'jslt', 'jsle', 'jset'];
const MIXES: readonly AluOp[] = ['add', 'xor', 'sub', 'mul'];

const reg = (n: number) => ({ reg: n });
const R0 = reg(0);
const R10 = reg(10);
/** R6 is the data, R9 ends the loop if nothing else does; R1 counts bytes of the data, R2 something; R3 and R7 bound them. */
const DATA = reg(6);
const AT = reg(1);
const COUNT = reg(2);
const BOUND = reg(3);
const END = reg(7);
const LEFT = reg(9);
/** For what lives in a round. */
const TEMPS = [4, 5, 8] as const;

class Writer {
  readonly #b = new ProgramBuilder();
  readonly #r: Random;
  #labels = 0;
  #step = 0;
  /** R8 holds what R2 held when the round began. */
  #shadow = false;
  #size: (typeof SIZES)[number] = SIZES[0];

  constructor(r: Random) {
    this.#r = r;
  }

  #label(): string {
    return `l${this.#labels++}`;
  }
  #temp(): { reg: number } {
    return reg(this.#r.pick(this.#shadow ? [4, 5] : TEMPS));
  }

  #mix(value: { reg: number } | number): void {
    const r = this.#r;
    if (r.chance(70)) this.#b.alu64(r.pick(MIXES), R0, value);
    else this.#b.alu32(r.pick(MIXES), R0, value);
  }

  /** An access at the bytes R1 has come to. */
  #access(): void {
    const r = this.#r;
    const b = this.#b;
    const [size, bytes] = this.#size;
    const off = r.below(9 - bytes);
    const at = this.#temp();
    if (r.chance(60)) b.mov(at, DATA).alu64('add', at, AT);
    else {
      b.mov(at, AT);
      if (r.chance(50)) b.alu64('add', at, 4);
      b.alu64('add', at, DATA);
      if (r.chance(50)) b.alu64('lsh', at, 32).alu64('rsh', at, 32);
    }
    if (r.chance(30)) b.alu64('add', at, 4);
    const value = this.#temp();
    if (r.chance(60)) {
      b.load(size, value, at, off);
      this.#mix(value);
    } else if (r.chance(50)) b.store(size, at, off, R0);
    else b.store(size, at, off, r.edgeI32());
    if (value.reg !== at.reg) b.mov(at, r.below(100));
    else b.mov(value, 7);
  }

  /** The counter as an index of the frame. */
  #frame(): void {
    const r = this.#r;
    const b = this.#b;
    const index = this.#temp();
    b.mov(index, r.chance(50) ? COUNT : AT).alu64('and', index, 7);
    if (r.chance(50)) b.alu64('lsh', index, 3);
    const at = reg(index.reg === 4 ? 5 : 4);
    b.mov(at, R10).alu64('add', at, -FRAME_BYTES).alu64('add', at, index);
    if (r.chance(50)) b.store('b', at, 0, R0);
    else b.load('b', index, at, 0);
    this.#mix(index);
    b.mov(at, 3);
  }

  #number(): { reg: number } | number {
    const r = this.#r;
    return r.chance(50) ? BOUND : r.chance(50) ? r.edgeI32() : r.between(-20, 500);
  }

  /** Out of the loop on what was counted, as it is or with something added. */
  #exit(out: string, forget: string): void {
    const r = this.#r;
    const b = this.#b;
    const width = r.chance(50) ? 64 : 32;
    const what = r.below(5);
    let value = r.chance(60) ? COUNT : AT;
    if (what < 2) {
      const sum = this.#temp();
      b.mov(sum, value);
      if (r.chance(70)) b.alu64('add', sum, r.between(-16, 16));
      else b.alu32('add', sum, r.between(-16, 16));
      value = sum;
    } else if (what === 2) {
      // A pointer, and the end.
      const sum = this.#temp();
      b.mov(sum, DATA).alu64('add', sum, AT).alu64('add', sum, r.below(16));
      if (r.chance(50)) b.jumpIf(r.pick(['jgt', 'jge', 'jeq'] as const), sum, END, forget);
      else b.jumpIf(r.pick(['jlt', 'jle'] as const), END, sum, forget);
      b.mov(sum, 5);
      return;
    }
    if (r.chance(25)) b.jumpIf(r.pick(JUMPS), BOUND, value, out, width);
    else b.jumpIf(r.pick(JUMPS), value, this.#number(), out, width);
  }

  /** The sum of two of what there is, with the one that grew or with the one it was. */
  #again(): void {
    const r = this.#r;
    const b = this.#b;
    const op = r.pick(['add', 'add', 'sub', 'and', 'xor'] as const);
    const sum = this.#temp();
    if (r.chance(50)) b.mov(sum, r.chance(50) ? COUNT : reg(8)).alu64(op, sum, AT);
    else b.alu32('mov', sum, r.chance(50) ? COUNT : reg(8)).alu32(op, sum, r.chance(50) ? AT : r.pick([1, 2, 7]));
    this.#mix(sum);
  }

  #branch(): void {
    const r = this.#r;
    const over = this.#label();
    this.#b.jumpIf(r.pick(JUMPS), r.chance(50) ? COUNT : R0, r.edgeI32(), over, r.chance(50) ? 64 : 32);
    this.#statement();
    this.#b.label(over);
  }

  /** @param out where exits go, and those that leave a pointer behind; without one there are none */
  #statement(out?: string, forget = ''): void {
    const r = this.#r;
    const what = r.below(12);
    if (what < 4) this.#access();
    else if (what < 5) this.#frame();
    else if (what < 6) this.#mix(r.chance(50) ? COUNT : AT);
    else if (what < 7) this.#mix(this.#shadow ? reg(8) : r.edgeI32());
    else if (what < 8 && this.#shadow) this.#again();
    else if (what < 8) this.#b.mov(this.#temp(), COUNT);
    else if (out === undefined) this.#mix(this.#temp());
    else if (what < 11) this.#exit(out, forget);
    else this.#branch();
  }

  #grow(): void {
    const r = this.#r;
    const b = this.#b;
    const by = r.pick([1, 1, 2, 4, 8, -1, -2, 7, -100]);
    if (r.chance(60)) b.alu64('add', COUNT, by);
    else if (r.chance(50)) b.alu32('add', COUNT, by);
    else b.alu64('sub', COUNT, -by);
  }

  #loop(): void {
    const r = this.#r;
    const b = this.#b;
    const out = this.#label();
    const forget = this.#label();
    const top = this.#label();
    this.#size = r.pick(SIZES);
    this.#step = r.pick([1, 2, 4, 8, -1, -2, -4, -8]);
    const rounds = r.between(1, MOST_ROUNDS);
    b.mov(AT, this.#step > 0 ? r.below(100) : 330 + r.below(100));
    if (r.chance(50)) b.mov(COUNT, r.chance(50) ? r.below(8) : r.edgeI32());
    else b.imm64(COUNT, r.edgeU64());
    if (r.chance(30)) b.imm64(BOUND, r.edgeU64());
    else if (r.chance(50)) b.mov(BOUND, COUNT).alu64('add', BOUND, r.between(-100, 100));
    else b.mov(BOUND, r.between(0, 500));
    b.mov(END, DATA).alu64('add', END, r.below(LOOP_DATA_BYTES));
    b.mov(LEFT, rounds);
    for (const n of TEMPS) b.mov(reg(n), r.edgeI32());
    this.#shadow = r.chance(40);
    if (this.#shadow) b.mov(reg(8), COUNT);
    const counts = (): void => void b.alu64('sub', LEFT, 1).jumpIf('jeq', LEFT, 0, out);
    b.label(top);
    const first = r.chance(50);
    if (first) counts();
    const grow = r.below(4);
    if (grow === 0) this.#grow();
    if (r.chance(20)) b.alu64('add', AT, this.#step);
    else if (grow > 1) {
      for (let k = r.between(0, 3); k > 0; k--) this.#statement(out, forget);
      b.alu64('add', AT, this.#step);
    } else {
      b.alu64('add', AT, this.#step);
      for (let k = r.between(1, 4); k > 0; k--) this.#statement(out, forget);
    }
    if (grow === 1) this.#grow();
    for (let k = r.between(0, 2); k > 0; k--) this.#statement(out, forget);
    if (grow === 2) this.#grow();
    if (this.#shadow) b.mov(reg(8), COUNT);
    if (!first && r.chance(60)) b.alu64('sub', LEFT, 1).jumpIf('jne', LEFT, 0, top);
    else {
      if (!first) counts();
      if (r.chance(50)) b.jump(top);
      else b.jumpIf(r.pick(JUMPS), r.chance(50) ? COUNT : AT, this.#number(), top, r.chance(50) ? 64 : 32);
    }
    b.jump(out).label(forget);
    for (const n of TEMPS) b.mov(reg(n), n);
    b.label(out);
    for (const value of [AT, COUNT, LEFT, ...TEMPS.map(reg)]) b.alu64('mul', R0, 31).alu64('add', R0, value);
  }

  write(): Insn[] {
    const b = this.#b;
    b.mov(DATA, AT).imm64(R0, this.#r.edgeU64());
    for (let off = -FRAME_BYTES; off < 0; off += 8) b.store('dw', R10, off, off);
    for (let k = this.#r.between(1, 4); k > 0; k--) this.#loop();
    b.load('dw', AT, R10, -FRAME_BYTES).alu64('xor', R0, AT).exit();
    return b.build();
  }
}

export function loopProgram(r: Random): Insn[] {
  return new Writer(r).write();
}
