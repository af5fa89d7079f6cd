import { type AluOp, type Insn, type JumpOp, ProgramBuilder } from '../../src/isa/index.ts';
import type { Random } from './random.ts';

/**
 * Programs of what an optimiser looks for: shifts there and back, halves put together, copies, constants, sums in front of
 * accesses, places in the frame of all sizes, some of them through pointers, small functions. They read nothing they have
 * not set, touch their frame and the 64 bytes R1 points to, end, and leave a number that depends on everything in R0.
 */
export const OPT_DATA_BYTES = 64;

const FRAME_BYTES = 48;
const ALU: readonly AluOp[] = [
  'add',
  'sub',
  'mul',
  'or',
  'and',
  'xor',
  'lsh',
  'rsh',
  'arsh',
  'div',
  'mod',
  'sdiv',
  'smod',
];
const JUMPS: readonly JumpOp[] = ['jeq', 'jne', 'jgt', 'jge', 'jlt', 'jle', 'jsgt', 'jsge', 'jslt', 'jsle', 'jset'];
const SIZES = [
  ['b', 1],
  ['h', 2],
  ['w', 4],
  ['dw', 8],
] as const;
/** R6 points to the data, R9 counts; the others are for numbers. */
const NUMBERS = [0, 1, 2, 3, 4, 5, 7, 8] as const;

const reg = (n: number) => ({ reg: n });
const R10 = reg(10);

class Writer {
  readonly #b = new ProgramBuilder();
  readonly #r: Random;
  readonly #functions: number;
  #labels = 0;

  constructor(r: Random, functions: number) {
    this.#r = r;
    this.#functions = functions;
  }

  #label(): string {
    return `l${this.#labels++}`;
  }
  #number(): number {
    return this.#r.pick(NUMBERS);
  }

  #arithmetic(): void {
    const r = this.#r;
    const b = this.#b;
    const op = r.pick(ALU);
    const dst = reg(this.#number());
    const divides = op === 'div' || op === 'mod' || op === 'sdiv' || op === 'smod';
    const shifts = op === 'lsh' || op === 'rsh' || op === 'arsh';
    const wide = r.chance(50);
    const constant = shifts ? r.below(wide ? 64 : 32) : divides ? r.between(1, 9) : r.edgeI32();
    const src = r.chance(50) ? constant : reg(this.#number());
    if (wide) b.alu64(op, dst, src);
    else b.alu32(op, dst, src);
  }

  /** Two parts of a word put together, by distances that make a rotate more often than not. */
  #rotate(): void {
    const r = this.#r;
    const b = this.#b;
    const start = r.below(NUMBERS.length);
    const step = r.pick([1, 3]);
    const [from, other, third] = [0, 1, 2].map(k => reg(NUMBERS[(start + k * step) % NUMBERS.length]));
    const wide = r.chance(60);
    const width = wide ? 64 : 32;
    const by = r.between(1, width - 1);
    const back = r.chance(75) ? width - by : r.between(1, width - 1);
    const alu = (op: AluOp, dst: { reg: number }, src: number | { reg: number }): void => {
      if (wide) b.alu64(op, dst, src);
      else b.alu32(op, dst, src);
    };
    if (wide) b.mov(other, from);
    else b.alu32('mov', other, from);
    const first = r.chance(50);
    const apart = r.chance(30);
    if (apart) b.mov(third, from);
    const second = apart ? third : from;
    alu(first ? 'lsh' : 'rsh', other, by);
    alu(first ? 'rsh' : 'lsh', second, back);
    const join = r.pick(['or', 'or', 'add', 'xor'] as const);
    if (r.chance(50)) alu(join, other, second);
    else alu(join, second, other);
  }

  #extend(): void {
    const r = this.#r;
    const b = this.#b;
    const dst = reg(this.#number());
    if (r.chance(50)) b.mov(dst, reg(this.#number()));
    const by = r.pick([32, 32, 48, 56, 3, 29]);
    b.alu64('lsh', dst, by);
    b.alu64(r.chance(50) ? 'rsh' : 'arsh', dst, r.chance(80) ? by : r.below(64));
    if (r.chance(30)) b.alu64('lsh', dst, r.below(8));
  }

  #constant(): void {
    const r = this.#r;
    const dst = reg(this.#number());
    const what = r.below(4);
    if (what < 2) this.#b.mov(dst, what === 0 ? r.below(100) : r.edgeI32());
    else if (what === 2) this.#b.imm64(dst, r.edgeU64());
    else this.#b.mov(dst, reg(this.#number()));
  }

  /** An access of the frame or the data, plainly, through a pointer, or at a place that is computed. */
  #access(): void {
    const r = this.#r;
    const b = this.#b;
    const [size, bytes] = r.pick(SIZES);
    const value = reg(this.#number());
    const frame = r.chance(60);
    const span = frame ? FRAME_BYTES : OPT_DATA_BYTES;
    const at = (r.chance(70) ? bytes : 1) * r.below(Math.floor((span - bytes) / (bytes === 1 ? 1 : bytes)) + 1);
    const place = Math.min(at, span - bytes);
    let base = frame ? R10 : reg(6);
    let off = frame ? place - FRAME_BYTES : place;
    const pointer = reg(this.#number());
    const through = r.chance(35);
    if (through) {
      const part = r.between(-16, 16);
      b.mov(pointer, base);
      const index = reg(this.#number());
      if (r.chance(40) && index.reg !== pointer.reg) {
        b.alu64('and', index, 7);
        if (r.chance(50)) {
          b.alu64('add', pointer, part - 7).alu64('add', pointer, index);
          b.alu64('sub', pointer, index).alu64('add', pointer, 7);
        } else b.alu64('add', pointer, part).alu64('add', pointer, index).alu64('sub', pointer, index);
      } else b.alu64('add', pointer, part);
      base = pointer;
      off -= part;
    }
    if (r.chance(50)) b.load(size, through && r.chance(50) ? pointer : value, base, off);
    else if (r.chance(30)) b.store(size, base, off, r.edgeI32());
    else b.store(size, base, off, through && value.reg === pointer.reg ? reg(9) : value);
    // A pointer's own value differs between engines.
    if (through) b.mov(pointer, r.below(1000));
  }

  /** Whether bits are 0: high ones more often than not. */
  #test(label: string): void {
    const r = this.#r;
    const b = this.#b;
    const tested = reg(this.#number());
    const mask = r.chance(70) ? -1 << r.below(32) : r.edgeI32();
    if (r.chance(30)) b.mov(tested, reg(this.#number()));
    if (r.chance(50)) b.alu64('and', tested, mask);
    else if (r.chance(60)) b.alu32('and', tested, mask);
    else {
      const other = reg(this.#number());
      b.imm64(other, BigInt(mask >>> 0)).alu64('and', tested, other);
    }
    if (r.chance(20)) b.mov(reg(this.#number()), r.below(9));
    b.jumpIf(r.chance(50) ? 'jeq' : 'jne', tested, 0, label, r.chance(50) ? 64 : 32);
    // Nobody reads it on the way on, at least.
    if (r.chance(70)) b.mov(tested, r.below(9));
  }

  #branch(depth: number): void {
    const r = this.#r;
    const b = this.#b;
    const label = this.#label();
    const src = r.chance(50) ? r.edgeI32() : reg(this.#number());
    if (r.chance(25)) this.#test(label);
    else if (r.chance(50)) b.jumpIf(r.pick(JUMPS), reg(this.#number()), src, label);
    else b.jumpIf(r.pick(JUMPS), reg(this.#number()), src, label, 32);
    this.#statements(r.between(1, 4), depth + 1);
    if (r.chance(50)) {
      const end = this.#label();
      b.jump(end).label(label);
      this.#statements(r.between(1, 4), depth + 1);
      b.label(end);
    } else b.label(label);
  }

  #loop(depth: number): void {
    const label = this.#label();
    this.#b.mov(reg(9), this.#r.between(1, 5)).label(label);
    this.#statements(this.#r.between(1, 5), depth + 5);
    this.#b.alu64('sub', reg(9), 1).jumpIf('jne', reg(9), 0, label);
  }

  #call(from: number): void {
    const b = this.#b;
    // R2: eight bytes of the caller's frame, or of the data.
    const off = -8 * this.#r.between(1, FRAME_BYTES / 8);
    if (this.#r.chance(70)) b.mov(reg(2), R10).alu64('add', reg(2), off);
    else b.mov(reg(2), reg(6));
    b.mov(reg(1), reg(6)).call(`f${this.#r.between(from + 1, this.#functions - 1)}`);
    for (const n of [1, 2, 3, 4, 5]) b.mov(reg(n), this.#r.edgeI32());
  }

  #index = 0;

  #statements(count: number, depth: number): void {
    const r = this.#r;
    for (let k = 0; k < count; k++) {
      const what = r.below(20);
      if (what < 5) this.#arithmetic();
      else if (what < 7) this.#rotate();
      else if (what < 9) this.#extend();
      else if (what < 11) this.#constant();
      else if (what < 16) this.#access();
      else if (what < 18 && depth < 8) this.#branch(depth);
      else if (what < 19 && depth < 4) this.#loop(depth);
      else if (this.#index + 1 < this.#functions) this.#call(this.#index);
    }
  }

  /** What a function does with the bytes R2 points to; R2 and what was in R3 are numbers then. */
  #throughArgument(): void {
    const r = this.#r;
    const b = this.#b;
    if (r.chance(60)) b.store('dw', reg(2), 0, reg(4));
    if (r.chance(60)) b.load('w', reg(3), reg(2), r.chance(50) ? 0 : 4);
    if (r.chance(40)) b.alu64('add', reg(2), 4).store('w', reg(2), -4, reg(3));
    else if (r.chance(30)) b.atomic(64, 'fetch_add', reg(2), 0, reg(3));
    b.mov(reg(2), r.edgeI32());
  }

  #function(index: number): void {
    const r = this.#r;
    const b = this.#b;
    this.#index = index;
    b.label(`f${index}`).mov(reg(6), reg(1)).mov(reg(9), 0);
    if (index > 0) this.#throughArgument();
    for (const n of NUMBERS) if (index === 0 || n < 2 || n > 5) b.imm64(reg(n), r.edgeU64());
    // Some of the frame is set; what is not reads as zeros.
    for (let k = r.below(4); k > 0; k--) b.store('dw', R10, -8 * r.between(1, FRAME_BYTES / 8), reg(7));
    this.#statements(r.between(3, index === 0 ? 30 : 12), 0);
    for (const n of [7, 8, 2]) b.alu64('mul', reg(0), 31).alu64('add', reg(0), reg(n));
    for (let off = -FRAME_BYTES; off < 0; off += 8) {
      if (r.chance(30)) b.load('dw', reg(1), R10, off).alu64('xor', reg(0), reg(1)).alu64('mul', reg(0), 17);
    }
    b.exit();
  }

  write(): Insn[] {
    for (let index = 0; index < this.#functions; index++) this.#function(index);
    return this.#b.build();
  }
}

export function optProgram(r: Random): Insn[] {
  return new Writer(r, r.pick([1, 1, 2, 4])).write();
}
