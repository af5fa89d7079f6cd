/**
 * One instruction slot as the kernel holds it (`include/uapi/linux/bpf.h: struct bpf_insn`, RFC 9669 §3).
 *
 * ```
 *   byte 0     1            2   3      4   5   6   7
 *  +-------+---------+------------+--------------------+
 *  | code  | src:dst |    off     |        imm         |    little-endian; big-endian swaps the nibbles
 *  +-------+---------+------------+--------------------+    of byte 1 and the bytes of off and imm
 * ```
 *
 * `ld_imm64` occupies two slots; the second has code, dst, src and off 0 and the high half in `imm`.
 * Indices everywhere in farcall count slots, as the kernel's do.
 */
export interface Insn {
  /** 0..255 */
  readonly code: number;
  /** 0..15; registers are 0..10 */
  readonly dst: number;
  /** 0..15; a register or, for some codes, what kind of operand imm is */
  readonly src: number;
  /** signed 16 bits */
  readonly off: number;
  /** signed 32 bits */
  readonly imm: number;
}

/** Makes one slot, wrapping `off` and `imm` to their signed widths. */
export function makeInsn(code: number, dst: number, src: number, off: number, imm: number): Insn {
  return { code: code & 0xff, dst: dst & 15, src: src & 15, off: (off << 16) >> 16, imm: imm | 0 };
}

export function sameInsn(a: Insn, b: Insn): boolean {
  return a.code === b.code && a.dst === b.dst && a.src === b.src && a.off === b.off && a.imm === b.imm;
}

/** Instruction classes, the low three bits of `code`. */
export const BPF_LD = 0x00;
export const BPF_LDX = 0x01;
export const BPF_ST = 0x02;
export const BPF_STX = 0x03;
export const BPF_ALU = 0x04;
export const BPF_JMP = 0x05;
export const BPF_JMP32 = 0x06;
export const BPF_ALU64 = 0x07;

/** Operand source of arithmetic and jumps: imm or register. */
export const BPF_K = 0x00;
export const BPF_X = 0x08;

/** Access sizes of loads and stores. */
export const BPF_W = 0x00;
export const BPF_H = 0x08;
export const BPF_B = 0x10;
export const BPF_DW = 0x18;

/** Modes of loads and stores. */
export const BPF_IMM = 0x00;
export const BPF_ABS = 0x20;
export const BPF_IND = 0x40;
export const BPF_MEM = 0x60;
export const BPF_MEMSX = 0x80;
export const BPF_ATOMIC = 0xc0;

/** imm of atomic operations. */
export const BPF_FETCH = 0x01;
export const BPF_XCHG = 0xe1;
export const BPF_CMPXCHG = 0xf1;
export const BPF_LOAD_ACQ = 0x100;
export const BPF_STORE_REL = 0x110;

/** src of ld_imm64. */
export const BPF_PSEUDO_MAP_FD = 1;
export const BPF_PSEUDO_MAP_VALUE = 2;
export const BPF_PSEUDO_BTF_ID = 3;
export const BPF_PSEUDO_FUNC = 4;
export const BPF_PSEUDO_MAP_IDX = 5;
export const BPF_PSEUDO_MAP_IDX_VALUE = 6;

/** src of call. */
export const BPF_HELPER_CALL = 0;
export const BPF_PSEUDO_CALL = 1;
export const BPF_PSEUDO_KFUNC_CALL = 2;

/** The code of ld_imm64's first slot. */
export const LD_IMM64 = BPF_LD | BPF_IMM | BPF_DW;
/** The code of every call whose callee is not in a register. */
export const CALL = 0x85;
export const EXIT = 0x95;
/** Jumps without condition: by `off`, and by `imm`. */
export const JA = 0x05;
export const GOTOL = 0x06;
/** A jump once a budget of loops is spent; src 0. */
export const MAY_GOTO = 0xe5;

/** R10, the read-only frame pointer. */
export const BPF_REG_FP = 10;
/** R0..R10. */
export const MAX_BPF_REG = 11;
/** Bytes of stack one function may use. */
export const MAX_BPF_STACK = 512;
/** Tail calls one run may make (`include/linux/bpf.h: MAX_TAIL_CALL_CNT`). */
export const MAX_TAIL_CALL_CNT = 33;
/** Call frames one run may have (`include/linux/bpf_verifier.h: MAX_CALL_FRAMES`). */
export const MAX_CALL_FRAMES = 8;

/** Whether this slot is the first of two. */
export function isWide(insn: Insn): boolean {
  return insn.code === LD_IMM64;
}

/** Whether this is a call of another function of the same program. */
export function isPseudoCall(insn: Insn): boolean {
  return insn.code === CALL && insn.src === BPF_PSEUDO_CALL;
}

/** Whether this is a ld_imm64 of a subprogram's address. */
export function isPseudoFunc(insn: Insn): boolean {
  return insn.code === LD_IMM64 && insn.src === BPF_PSEUDO_FUNC;
}
