import type { Room } from '../../room.ts';

/**
 * A function as own mode works on it: one row of columns for each slot, three operands instead of BPF's two. Rows keep
 * their slot's number; a row folded into another one, or whose result nobody reads, becomes NOP.
 */

/** What a row does. */
export const NOP = 0;
/** d = a */
export const MOV = 1;
/** d = hi:lo, in `aux` and `imm` */
export const CONST = 2;
/** d = address of subprog `imm` */
export const FUNC = 3;
/** d = low `sub` bits of a */
export const ZEXT = 4;
/** d = sign-extend(low `sub` bits of a); ZX: of that the low 32 */
export const SEXT = 5;
/** d = low `sub` bits of a with their bytes reversed */
export const BSWAP = 6;
/** d = a op imm */
export const ALU_K = 7;
/** d = a op b */
export const ALU_X = 8;
/** d = *(a + off) */
export const LOAD = 9;
/** *(a + off) = b */
export const STORE = 10;
/** *(a + off) = imm */
export const STORE_K = 11;
/** d = old value, if FETCH; b operand; base a; operation in `imm` */
export const ATOMIC = 12;
/** R0 compared with *(a + off), b stored; d = R0 */
export const CMPXCHG = 13;
export const LOAD_ACQ = 14;
export const STORE_REL = 15;
/** To slot `aux`. */
export const JA = 16;
export const JCC_K = 17;
export const JCC_X = 18;
/** d = R0; `imm` and `off` say what is called. */
export const CALL_HELPER = 19;
export const CALL_KFUNC = 20;
/** Subprog `aux`. */
export const CALL_SUB = 21;
export const TAIL = 22;
/** a = R0 */
export const LEAVE = 23;
/** d = a + this CPU's offset */
export const PERCPU = 24;
/** d = a as an arena address of user space, 0 stays 0 */
export const CAST_USER = 25;

/** Operand columns that name no register. */
export const NONE = 15;
/** The frame pointer: never a register, always sp plus a distance. */
export const FP = 10;
/** R0 … R9, FP, AX. */
export const REG_COUNT = 12;

/** Somebody jumps here. */
export const LEADER = 1;
/** The high half of d is read. */
export const HIGH = 2;
/** May fault; the result is then 0. */
export const PROBE = 4;
/** Base register plus the arena's base. */
export const ARENA = 8;
/** 32 bits wide. */
export const W = 16;
/** 32 bits wide, and the high half of d has to become 0. */
export const ZX = 32;
/** Atomic that gives the old value. */
export const FETCH = 64;
/** High half of a, and of b, is not read any more behind this row. */
export const LOOSE_A = 128;
export const LOOSE_B = 256;
/** A call whose result nobody reads. */
export const UNREAD = 512;

/** `sub` of ALU rows: the operation's nibble in `code`, and two of our own. */
export const ADD = 0;
export const SUB = 1;
export const MUL = 2;
export const DIV = 3;
export const OR = 4;
export const AND = 5;
export const LSH = 6;
export const RSH = 7;
export const NEG = 8;
export const MOD = 9;
export const XOR = 10;
export const ARSH = 12;
export const SDIV = 14;
export const SMOD = 15;

/** `sub` of conditional rows: the operation's nibble. */
export const JEQ = 1;
export const JGT = 2;
export const JGE = 3;
export const JSET = 4;
export const JNE = 5;
export const JSGT = 6;
export const JSGE = 7;
export const JLT = 10;
export const JLE = 11;
export const JSLT = 12;
export const JSLE = 13;

/** `sub` of loads: log2 of the size, and this. */
export const SIGNED = 4;
/** `imm` of ATOMIC beside the operations' nibbles. */
export const XCHG = 0xe;

export class Ir {
  /** Slots. */
  readonly n: number;
  readonly kind: Uint8Array;
  readonly sub: Uint8Array;
  /** BPF registers until allocation, then RISC-V ones. */
  readonly d: Uint8Array;
  readonly a: Uint8Array;
  readonly b: Uint8Array;
  readonly flags: Uint16Array;
  readonly imm: Int32Array;
  readonly aux: Int32Array;
  readonly off: Int32Array;

  /** @param kept where the columns live */
  constructor(n: number, kept: Room) {
    this.n = n;
    this.kind = kept.bytes(n);
    this.sub = kept.bytes(n);
    this.d = kept.bytes(n, NONE);
    this.a = kept.bytes(n, NONE);
    this.b = kept.bytes(n, NONE);
    this.flags = kept.shorts(n);
    this.imm = kept.ints(n);
    this.aux = kept.ints(n);
    this.off = kept.ints(n);
  }
}
