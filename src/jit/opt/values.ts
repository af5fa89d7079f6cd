import type { Room } from '../room.ts';
import type { Blocks } from '../rows/index.ts';
import {
  ADD,
  ALU_K,
  ALU_X,
  AND,
  ATOMIC,
  CALL_HELPER,
  CMPXCHG,
  CONST,
  type Ir,
  LEAVE,
  LOAD,
  MASK,
  MOV,
  MUL,
  NONE,
  NOP,
  OR,
  PACKET,
  SEXT,
  STORE_K,
  SUB,
  TAIL,
  TARGET,
  W,
  XOR,
  ZX,
} from '../rows/ir.ts';
import { type EqualRegisters, equalsAt, REGISTERS, someEqual } from './equals.ts';

const bitsOf = (...subs: number[]): number => subs.reduce((bits, sub) => bits | (1 << sub), 0);
const COMMUTES = bitsOf(ADD, MUL, OR, AND, XOR);
/** Operations whose low half comes from low halves alone. */
const LOW = bitsOf(ADD, SUB, MUL, OR, AND, XOR);

/** Values in registers, by number, through straight-line code. */
class Values {
  readonly #rows: Ir;
  /** By register: its value, and what made that: a row and the values it read. */
  readonly #value: Int32Array;
  readonly #row: Int32Array;
  readonly #x: Int32Array;
  readonly #y: Int32Array;
  /** By register: of those that hold the same, the one that is read. */
  readonly #reader: Uint8Array;
  /** By register: others that read it, as bits. */
  readonly #readers: Int32Array;
  /** By what is made: a register plus one that may hold it. */
  readonly #made: Uint8Array;
  #next = 0;

  constructor(rows: Ir, room: Room) {
    this.#rows = rows;
    this.#value = room.ints(16);
    this.#row = room.ints(16, -1);
    this.#x = room.ints(16);
    this.#y = room.ints(16);
    this.#reader = room.bytes(16);
    this.#readers = room.ints(16);
    this.#made = room.bytes(256);
  }

  /** Nothing is known but which registers are equal where a block begins. */
  forget(known: EqualRegisters | undefined, block: number): void {
    const [value, reader, row, readers] = [this.#value, this.#reader, this.#row, this.#readers];
    let next = this.#next;
    for (let r = 0; r < 16; r++) {
      value[r] = next++;
      reader[r] = r;
      row[r] = -1;
      readers[r] = 0;
    }
    this.#next = next;
    if (known === undefined || !someEqual(known, block)) return;
    for (let r = 0; r < REGISTERS; r++) {
      const first = known.equal[block * REGISTERS + r];
      if (first === r) continue;
      value[r] = value[first];
      reader[r] = first;
      readers[first] |= 1 << r;
    }
  }

  /** The register to read instead. */
  reader(register: number): number {
    return this.#reader[register];
  }

  /** The register is about to change: others that hold the same read one another. */
  #leave(register: number): void {
    const readers = this.#readers;
    const reader = this.#reader;
    const read = reader[register];
    if (read !== register) {
      readers[read] &= ~(1 << register);
      return;
    }
    const others = readers[register];
    if (others === 0) return;
    readers[register] = 0;
    const first = 31 - Math.clz32(others & -others);
    for (let left = others; left !== 0; left &= left - 1) reader[31 - Math.clz32(left & -left)] = first;
    readers[first] = others & (others - 1);
  }

  set(register: number, i: number, x: number, y: number): void {
    this.#leave(register);
    this.#value[register] = this.#next++;
    this.#reader[register] = register;
    this.#row[register] = i;
    this.#x[register] = x;
    this.#y[register] = y;
    if (i >= 0) this.#made[this.#hash(i, x, y)] = register + 1;
  }

  copy(register: number, from: number): void {
    if (register === from) return;
    this.#leave(register);
    this.#value[register] = this.#value[from];
    const read = this.#reader[from];
    this.#reader[register] = read;
    this.#readers[read] |= 1 << register;
    this.#row[register] = -1;
  }

  of(register: number): number {
    return register === NONE ? -1 : this.#value[register];
  }

  #hash(i: number, x: number, y: number): number {
    const { kind, sub, imm } = this.#rows;
    // Both operands may change places.
    return (kind[i] * 31 + sub[i] * 7 + Math.imul(imm[i], 13) + Math.imul(x + y, 17)) & 0xff;
  }

  /** A register that holds what a row is going to make, as far as its low half goes; or -1. */
  find(i: number): number {
    const { kind, sub, a, b, imm, aux } = this.#rows;
    const x = this.of(a[i]);
    const y = this.of(b[i]);
    const register = this.#made[this.#hash(i, x, y)] - 1;
    const row = register < 0 ? -1 : this.#row[register];
    if (row < 0 || kind[row] !== kind[i] || sub[row] !== sub[i] || imm[row] !== imm[i]) return -1;
    if (kind[i] === MASK && aux[row] !== aux[i]) return -1;
    const u = this.#x[register];
    const v = this.#y[register];
    const turned = kind[i] === ALU_X && (COMMUTES & (1 << sub[i])) !== 0 && u === y && v === x;
    return (u === x && v === y) || turned ? register : -1;
  }

  /** Width of what made a register's value. */
  width(register: number): number {
    return this.#rows.flags[this.#row[register]] & (W | ZX);
  }
}

/** Reads of registers that hold the same become reads of one of them. */
function share({ kind, a, b, aux }: Ir, i: number, values: Values): boolean {
  const k = kind[i];
  if (k === LEAVE || k === CMPXCHG || k >= CALL_HELPER) return false;
  const before = a[i];
  const second = b[i];
  let changed = false;
  if (before !== NONE) a[i] = values.reader(before);
  // An atomic operation leaves the old value in the register of its operand.
  if (second !== NONE && k !== ATOMIC) b[i] = values.reader(second);
  if (k >= LOAD && k <= STORE_K && aux[i] > 0) {
    const index = aux[i];
    aux[i] = 1 + values.reader(index - 1);
    changed = aux[i] !== index;
  }
  return changed || a[i] !== before || b[i] !== second;
}

/** A row that makes what a register holds. Returns whether it was one. */
function reuse(rows: Ir, i: number, values: Values): boolean {
  const { kind, sub, a, b, d, aux, imm, flags } = rows;
  const k = kind[i];
  if (k !== ALU_X && k !== ALU_K && k !== MASK && k !== SEXT) return false;
  const found = values.find(i);
  if (found < 0) return false;
  const width = flags[i] & (W | ZX);
  if (values.width(found) === width) {
    kind[i] = found === d[i] ? NOP : MOV;
    a[i] = found;
    b[i] = NONE;
    flags[i] &= ~(W | ZX);
    return true;
  }
  const low = (k === ALU_X || k === ALU_K) && (LOW & (1 << sub[i])) !== 0;
  if (!low || values.width(found) !== 0 || (width & ZX) === 0) return false;
  kind[i] = MASK;
  sub[i] = 0;
  a[i] = found;
  b[i] = NONE;
  aux[i] = 0;
  imm[i] = -1;
  flags[i] &= ~(W | ZX);
  return true;
}

/**
 * What is in a register already is not made again, and of registers that hold the same, around loops too, one is read.
 *
 * ```
 *   l: r1 = *(u8 *)(r2 + 0)      l: r1 = *(u8 *)(r2 + 0)
 *      r3 += r4                     r3 += r4
 *      w5 = w2 + w4         →       w5 = (u32)r3
 *      r2 = r3                      r2 = r3
 *      goto l                       goto l
 * ```
 *
 * where r2 and r3 are the same in front of the loop. Returns whether anything changed.
 */
export function shareValues(rows: Ir, blocks: Blocks, room: Room): boolean {
  const { kind, a, b, d, flags } = rows;
  const { count, start } = blocks;
  const mark = room.mark();
  const equal = equalsAt(rows, blocks, room);
  const values = new Values(rows, room);
  let changed = false;
  for (let at = 0; at < count; at++) {
    if ((flags[start[at]] & TARGET) !== 0) values.forget(equal, at);
    for (let i = start[at]; i < start[at + 1]; i++) {
      const k = kind[i];
      if (k === NOP) continue;
      if (share(rows, i, values)) changed = true;
      if (reuse(rows, i, values)) changed = true;
      if (kind[i] === NOP) continue;
      if ((k >= CALL_HELPER && k <= TAIL) || k === PACKET) for (let r = 0; r <= 5; r++) values.set(r, -1, -1, -1);
      else if (d[i] !== NONE && kind[i] === MOV && a[i] < REGISTERS) values.copy(d[i], a[i]);
      else if (d[i] !== NONE) {
        const pure = kind[i] > CONST && kind[i] <= ALU_X;
        values.set(d[i], pure ? i : -1, values.of(a[i]), values.of(b[i]));
      }
    }
  }
  room.release(mark);
  return changed;
}
