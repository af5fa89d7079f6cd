import { Room } from '../room.ts';

/**
 * A function as code generators work on it: one row of columns for each slot, three operands instead of BPF's two. Rows keep
 * their slot's number; a row folded into a later one becomes NOP, so that slots, labels and line tables stay as they are.
 */

/** What a row does. */
export const NOP = 0;
/** d = a */
export const MOV = 1;
/** d = hi:lo, in `aux` and `imm` */
export const CONST = 2;
/** d = address of subprog `imm` */
export const FUNC = 3;
/** d = rotate-left(a, sub) & mask, the mask in `aux` and `imm`; zero extensions, shifts and masks are all of these. */
export const MASK = 4;
/** d = sign-extend(low `sub` bits of a); W: then zero-extended */
export const SEXT = 5;
/** d = low `sub` bits of a with their bytes reversed */
export const BSWAP = 6;
/** d = a op imm */
export const ALU_K = 7;
/** d = a op b */
export const ALU_X = 8;
/** d = *(a + off) */
export const LOAD = 9;
/** d = byte-reversed *(a + off) */
export const LOAD_REV = 10;
/** *(a + off) = b */
export const STORE = 11;
/** *(a + off) = imm */
export const STORE_K = 12;
/** d = old value, if FETCH; b operand; base a */
export const ATOMIC = 13;
/** R0 compared with *(a + off), b stored; d = R0. Where allocation puts R0 elsewhere before it, `aux` says where. */
export const CMPXCHG = 14;
export const LOAD_ACQ = 15;
export const STORE_REL = 16;
/** To slot `aux`. */
export const JA = 17;
export const JCC_K = 18;
export const JCC_X = 19;
/** d = R0; `imm` and `off` say what is called. */
export const CALL_HELPER = 20;
export const CALL_KFUNC = 21;
/** Subprog `aux`. */
export const CALL_SUB = 22;
export const TAIL = 23;
/** a = R0 */
export const LEAVE = 24;
/** d = a + this CPU's offset */
export const PERCPU = 25;
/** d = a as an arena address of user space, 0 stays 0 */
export const CAST_USER = 26;
export const BARRIER = 27;
/** To slot `aux` when the frame's loop budget is spent, one less otherwise. Only as `decodeUnfixed` reads programs. */
export const MAY_GOTO = 28;
/** R0 = `sub` bytes of the packet at `imm` plus b, in network order; outside of the packet the function ends with 0. */
export const PACKET = 29;
/** The bytes of the frame from `imm` below its top down to `aux` below that become zeros: a frame of a function put in here. */
export const ZERO_FRAME = 30;

/**
 * Operand columns that name no register. The base (a) of a LOAD, STORE or STORE_K that is none is a local: a place that
 * belongs to one call of the function and is no memory; `off` is its number.
 */
export const NONE = 15;
/** The frame pointer: never a register, always r1 plus a distance. */
export const FP = 10;
export const AX = 11;
/** The arena's base address, beside R0..R9 and AX (11). */
export const BASE = 12;
/** Registers that may hold values: R0..R9, FP (unused), AX, BASE. */
export const REG_COUNT = 13;

/** A block begins here. */
export const LEADER = 1;
/** The high half of d is read. */
export const HIGH = 2;
/** May fault; the result is then 0. */
export const PROBE = 4;
/** CONST: nothing but a base of plain loads and stores, whose offsets can take part of it. Set by those who look. */
export const BASE_ONLY = 4;
/** LOAD of a local: of its low bytes alone, as many as the load has; the local is wider. */
export const PART = 4;
/** Base register plus the arena's base. */
export const ARENA = 8;
/** 32 bits wide. */
export const W = 16;
/** 32 bits wide, and the high half of d has to become 0. */
export const ZX = 32;
/** Atomic that gives the old value. */
export const FETCH = 64;
/** ALU_X: the shift count in b is known to be small enough. */
export const SMALL = 64;
/**
 * LOAD, STORE, STORE_K where addresses are low halves: the base is a number below 2^32 as it stands, which reaches the address
 * by `off` without a carry; with a second register, that one is not negative as it stands.
 */
export const EXACT = 64;
/** Calls: `off` holds the halves that the callee reads. */
export const ARGS_KNOWN = 64;
/** Control may come from elsewhere than the row before. */
export const TARGET = 128;

/** `sub` of ALU rows: the operation's nibble in `code`, and three of our own. */
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
/** ALU_K, 32 bits wide: turns left. */
export const ROL = 13;
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
export const SIGNED = 8;
/** `sub` of ATOMIC beside the operations' nibbles. */
export const XCHG = 0xe;

/** Bytes of one row in all columns, and what columns are rounded up by. */
const ROW_BYTES = 18;
const ROUNDING_BYTES = 24;

export class Ir {
  /** Slots. */
  readonly n: number;
  readonly kind: Uint8Array;
  readonly sub: Uint8Array;
  /** BPF registers until allocation, then the CPU's. */
  readonly d: Uint8Array;
  readonly a: Uint8Array;
  readonly b: Uint8Array;
  readonly flags: Uint8Array;
  readonly imm: Int32Array;
  readonly aux: Int32Array;
  readonly off: Int32Array;
  /**
   * Addresses are low halves. LOAD, STORE and STORE_K may then add a register more, the one of number `aux` - 1, and `off`
   * may be any int32.
   */
  narrowAddresses = false;

  /** @param room where the columns live; default a room of their own */
  constructor(n: number, room = new Room(ROW_BYTES * n + ROUNDING_BYTES)) {
    this.n = n;
    this.imm = room.ints(n);
    this.aux = room.ints(n);
    this.off = room.ints(n);
    this.kind = room.bytes(n);
    this.sub = room.bytes(n);
    this.d = room.bytes(n, NONE);
    this.a = room.bytes(n, NONE);
    this.b = room.bytes(n, NONE);
    this.flags = room.bytes(n);
  }
}
