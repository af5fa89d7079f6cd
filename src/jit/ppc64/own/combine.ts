import type { Room } from '../../room.ts';
import { type Blocks, ir, setMask } from '../../rows/index.ts';
import { ANY, bitsAtBlocks, REGS, resultBits } from './known-bits.ts';
import { maskTemplate, rotlHi, rotlLo } from './mask.ts';

/**
 * Folds rows of a block into the later row that alone uses them: moves into what overwrites their copy, rotates and masks
 * into one another, shifts there and back into sign extensions, loads into byte swaps and sign extensions. Forgets zero
 * extensions of what is zero-extended already. One walk forward, a constant amount of work a row.
 */
export function combine(rows: ir.Ir, blocks: Blocks, room: Room): void {
  const folder = new Folder(rows);
  const known = bitsAtBlocks(rows, blocks, room);
  for (let at = 0; at < blocks.count; at++) folder.block(blocks.start[at], blocks.start[at + 1], known, at * REGS);
}

class Folder {
  readonly #rows: ir.Ir;
  /** By register: the row in this block that set it last, and the last one that read it; -1 for none. */
  readonly #defined = new Int32Array(16);
  readonly #used = new Int32Array(16);
  /** By register: how many low bits may be set. */
  readonly #bits = new Uint8Array(16);
  /** The same before the row that set it last. */
  readonly #before = new Uint8Array(16);
  /** Last row that wrote memory or may have. */
  #wrote = -1;

  constructor(rows: ir.Ir) {
    this.#rows = rows;
  }

  /** @param knownAt where what is known at its beginning stands in `known` */
  block(start: number, end: number, known: Uint8Array, knownAt: number): void {
    this.#defined.fill(-1);
    this.#used.fill(-1);
    for (let r = 0; r < REGS; r++) this.#bits[r] = known[knownAt + r];
    this.#wrote = -1;
    for (let i = start; i < end; i++) this.#row(i);
  }

  #row(i: number): void {
    const { kind, a, b, d, flags } = this.#rows;
    switch (kind[i]) {
      case ir.NOP:
      case ir.JA:
      case ir.BARRIER:
        return;
      case ir.CALL_HELPER:
      case ir.CALL_KFUNC:
      case ir.CALL_SUB:
      case ir.TAIL:
        for (let r = 1; r <= 5; r++) this.#used[r] = i;
        for (let r = 0; r <= 5; r++) this.#set(r, i, ANY);
        this.#wrote = i;
        return;
      case ir.STORE:
      case ir.STORE_K:
      case ir.STORE_REL:
        this.#wrote = i;
        break;
      case ir.ATOMIC:
      case ir.CMPXCHG:
        this.#wrote = i;
        this.#used[0] = i;
        break;
      case ir.MOV:
        // `r1 = r1` of a 32-bit move whose high half nobody reads.
        if (a[i] === d[i]) {
          kind[i] = ir.NOP;
          return;
        }
        break;
      case ir.MASK:
      case ir.SEXT:
      case ir.BSWAP:
      case ir.ALU_K:
      case ir.ALU_X:
      case ir.LOAD:
      case ir.PERCPU:
      case ir.CAST_USER:
        if (a[i] === d[i]) this.#fold(i);
        break;
    }
    this.#simplify(i);
    if (kind[i] === ir.NOP) return;
    if (a[i] !== ir.NONE) this.#used[a[i]] = i;
    if (b[i] !== ir.NONE) {
      this.#used[b[i]] = i;
      if (kind[i] === ir.ALU_X && this.#bits[b[i]] <= ((flags[i] & ir.W) !== 0 ? 5 : 6)) flags[i] |= ir.SMALL;
    }
    if (d[i] !== ir.NONE) this.#set(d[i], i, resultBits(this.#rows, i, this.#bits));
  }

  #set(register: number, i: number, bits: number): void {
    this.#defined[register] = i;
    this.#before[register] = this.#bits[register];
    this.#bits[register] = bits;
  }

  /** Tries to take the row that made this row's first operand into this row, again and again. */
  #fold(i: number): void {
    const { a, b, kind, d } = this.#rows;
    const register = d[i];
    const from = this.#defined[register];
    if (from < 0 || this.#used[register] > from || kind[from] === ir.NOP) return;
    const source = a[from];
    if (kind[from] === ir.CONST || source === ir.NONE) return;
    // The source must still be what it was; in place it is, once the earlier row is gone.
    if (source !== register && this.#defined[source] > from) return;
    const both = b[i] === register;
    if (both && kind[from] !== ir.MOV) return;
    if (!this.#merge(i, from)) return;
    if (both) b[i] = source;
    a[i] = source;
    kind[from] = ir.NOP;
    // What is known of the register is what the earlier row, which is gone, found there.
    if (source === register) this.#bits[register] = this.#before[register];
    if (source !== ir.FP) this.#used[source] = i;
  }

  #merge(i: number, from: number): boolean {
    const { kind, sub, imm, aux, flags, off } = this.#rows;
    const first = kind[from];
    if (first === ir.MOV) return true;
    if (first === ir.MASK) {
      const rot = sub[from];
      const hi = aux[from];
      const lo = imm[from];
      switch (kind[i]) {
        case ir.MASK:
          return this.#mergeMasks(i, rot, hi, lo);
        case ir.ALU_K:
          if (sub[i] === ir.ARSH) return this.#mergeShifts(i, rot, hi, lo);
          break;
      }
      // What reads only the low word does not care for a zero extension before it.
      const narrow =
        ((kind[i] === ir.ALU_K || kind[i] === ir.ALU_X) && (flags[i] & ir.W) !== 0) ||
        kind[i] === ir.SEXT ||
        (kind[i] === ir.BSWAP && sub[i] < 64);
      return narrow && rot === 0 && hi === 0 && lo === -1;
    }
    if (first !== ir.LOAD || (flags[from] & (ir.PROBE | ir.ARENA)) !== 0 || this.#wrote > from) return false;
    const size = sub[from];
    if (kind[i] === ir.BSWAP && sub[i] === 8 << size) {
      kind[i] = ir.LOAD_REV;
      sub[i] = size;
      off[i] = off[from];
      return true;
    }
    const halfOrWord = size === 1 || (size === 2 && (off[from] & 3) === 0);
    if (kind[i] === ir.SEXT && halfOrWord && sub[i] === 8 << size && (flags[i] & ir.ZX) === 0) {
      kind[i] = ir.LOAD;
      sub[i] = size | ir.SIGNED;
      off[i] = off[from];
      return true;
    }
    return false;
  }

  #mergeMasks(i: number, rot: number, hi: number, lo: number): boolean {
    const { sub, aux, imm } = this.#rows;
    const then = sub[i];
    const newHi = rotlHi(hi, lo, then) & aux[i];
    const newLo = rotlLo(hi, lo, then) & imm[i];
    const newRot = (rot + then) & 63;
    if ((newHi | newLo) !== 0 && maskTemplate(newRot, newHi, newLo) === 0) return false;
    // Zero needs no operand, but then the earlier row would be left behind for nothing: it is dead, and goes anyway.
    setMask(this.#rows, i, newRot, newHi, newLo);
    return this.#rows.kind[i] !== ir.CONST;
  }

  /** Left and arithmetically right by as much: a sign extension. */
  #mergeShifts(i: number, rot: number, hi: number, lo: number): boolean {
    const { kind, sub, imm, flags } = this.#rows;
    const by = imm[i];
    const wide = (flags[i] & ir.W) === 0;
    if (rot !== by) return false;
    if (wide ? by < 32 || hi !== -1 << (by - 32) || lo !== 0 : lo !== -1 << by || hi !== 0) return false;
    const bits = (wide ? 64 : 32) - by;
    if (bits !== 8 && bits !== 16 && bits !== 32) return false;
    kind[i] = ir.SEXT;
    sub[i] = bits;
    return true;
  }

  /** Masks that clear only what is clear become moves, and moves of a register to itself nothing. */
  #simplify(i: number): void {
    const { kind, a, d, sub, imm, aux, flags, b } = this.#rows;
    const k = kind[i];
    if (k === ir.MASK && sub[i] === 0) {
      const bits = this.#bits[a[i]];
      const lo = bits >= 32 ? -1 : (1 << bits) - 1;
      const hi = bits >= 64 ? -1 : bits <= 32 ? 0 : (1 << (bits - 32)) - 1;
      if ((~aux[i] & hi) === 0 && (~imm[i] & lo) === 0) kind[i] = a[i] === d[i] ? ir.NOP : ir.MOV;
    } else if (k === ir.ALU_X && (flags[i] & ir.ZX) !== 0) {
      // Of zero-extended operands these are zero-extended by themselves.
      const logic = sub[i] === ir.AND || sub[i] === ir.OR || sub[i] === ir.XOR;
      if (logic && this.#bits[a[i]] <= 32 && this.#bits[b[i]] <= 32) flags[i] &= ~(ir.W | ir.ZX);
    } else if (k === ir.ALU_K && (flags[i] & ir.ZX) !== 0 && imm[i] >= 0) {
      if ((sub[i] === ir.OR || sub[i] === ir.XOR) && this.#bits[a[i]] <= 32) flags[i] &= ~(ir.W | ir.ZX);
    }
  }
}
