import type { Insn } from '../../../isa/index.ts';
import { InternalError } from '../../../util/index.ts';
import {
  type Callee,
  type CallSite,
  type ExtableEntry,
  type FuncInput,
  JitError,
  type TargetEnv,
} from '../../types.ts';
import { b, bc, li, lis, nop, ori, oris, rlwinm, sldi } from '../encode.ts';
import type { CompatAbi } from './abi.ts';
import { FIRST_KEPT } from './registers.ts';

/** What emitting a function shows of it: decides about prologue and epilogue. */
export interface Seen {
  /** Calls something. */
  call: boolean;
  tailCall: boolean;
  /** Bit r − 27: register r, which a callee has to keep. */
  kept: number;
}

/** What stays the same over all passes of one function. */
export interface Unit {
  readonly func: FuncInput;
  readonly env: TargetEnv;
  readonly abi: CompatAbi;
  /** Bytes of BPF stack, rounded to 16. */
  readonly stackBytes: number;
  /** Results of 32-bit operations need no clearing of their own. */
  readonly zeroExtended: boolean;
}

/** A condition a branch tests: BO and BI. */
export interface Condition {
  readonly bo: number;
  readonly bi: number;
}

const IF_SET = 12;
const IF_CLEAR = 4;
const [LT, GT, EQ] = [0, 1, 2];
export const CONDITIONS = {
  lt: { bo: IF_SET, bi: LT },
  ge: { bo: IF_CLEAR, bi: LT },
  gt: { bo: IF_SET, bi: GT },
  le: { bo: IF_CLEAR, bi: GT },
  eq: { bo: IF_SET, bi: EQ },
  ne: { bo: IF_CLEAR, bi: EQ },
} as const satisfies Record<string, Condition>;

const inBranchRange = (off: number) => off >= -0x2000000 && off <= 0x1fffffc;
const inShortRange = (off: number) => off >= -0x8000 && off <= 0x7fff;

/** Low half of a number's 32 bits. */
const low16 = (value: number) => value & 0xffff;

/**
 * One pass over a function (`bpf_jit_build_prologue`, `_body`, `_epilogue` with one `struct codegen_context`). Addresses
 * are byte offsets from the first instruction, behind a descriptor.
 *
 * A scouting pass only counts and learns what is `seen`; a writing pass stores words. `addrs` is read for jumps forward
 * and written on the way, so a pass sees where the pass before put what comes later.
 */
export class Emission {
  readonly unit: Unit;
  readonly seen: Seen;
  /** Byte offset of each slot's code, and of the epilogue: slots + 1. */
  readonly addrs: Int32Array;
  readonly callees: readonly Callee[] | undefined;
  /** Address of the first instruction. */
  readonly codeBase: bigint;
  readonly sites: CallSite[] = [];
  readonly extable: ExtableEntry[] = [];
  /** Destination register of each entry's fixup. */
  readonly fixupRegs: number[] = [];
  /** Words so far. */
  idx = 0;
  /** The slot being compiled. */
  slot = 0;
  /** Where an epilogue stands in the middle, because the one at the end is out of reach; 0: none yet. */
  innerEpilogue = 0;
  readonly #out: Int32Array | undefined;

  constructor(
    unit: Unit,
    seen: Seen,
    addrs: Int32Array,
    out: Int32Array | undefined,
    codeBase: bigint,
    callees: readonly Callee[] | undefined,
  ) {
    this.unit = unit;
    this.seen = seen;
    this.addrs = addrs;
    this.#out = out;
    this.codeBase = codeBase;
    this.callees = callees;
  }

  get scouting(): boolean {
    return this.#out === undefined;
  }

  /** Offset of the next instruction. */
  get here(): number {
    return this.idx * 4;
  }

  emit(word: number): void {
    const out = this.#out;
    if (out !== undefined) {
      if (this.idx >= out.length) throw new InternalError('ppc64: a writing pass outgrew the scouting pass');
      out[this.idx] = word;
    }
    this.idx++;
  }

  nops(count: number): void {
    for (let i = 0; i < count; i++) this.emit(nop());
  }

  /** Notes a register that prologue and epilogue have to keep, if it is one. */
  use(reg: number): void {
    if (reg >= FIRST_KEPT) this.seen.kept |= 1 << (reg - FIRST_KEPT);
  }

  isKept(reg: number): boolean {
    return ((this.seen.kept >> (reg - FIRST_KEPT)) & 1) === 1;
  }

  /** The slot after the one being compiled. */
  get next(): Insn | undefined {
    return this.unit.func.insns[this.slot + 1];
  }

  /** The next slot gets no code of its own. */
  absorbNext(): void {
    this.addrs[++this.slot] = this.here;
  }

  /** The next slot, if it only clears a register's high half, which what was emitted does already. */
  absorbZext(): void {
    const next = this.next;
    if (next !== undefined && isZext(next)) this.absorbNext();
  }

  /** Clears the high half after a 32-bit operation, unless the verifier took care of that. */
  truncate(reg: number): void {
    if (!this.unit.zeroExtended) this.emit(rlwinm(reg, reg, 0, 0, 31));
  }

  /** A 32-bit number, sign-extended: one or two instructions (`PPC_LI32`). */
  constant32(reg: number, value: number): void {
    if (value >= -32768 && value < 32768) {
      this.emit(li(reg, value));
      return;
    }
    this.emit(lis(reg, value >>> 16));
    if (low16(value) !== 0) this.emit(ori(reg, reg, low16(value)));
  }

  /** A 64-bit number as halves: one to five instructions, none for quarters that are 0 (`PPC_LI64`). */
  constant64(reg: number, lo: number, hi: number): void {
    if (hi === lo >> 31) {
      this.constant32(reg, lo);
      return;
    }
    if ((hi & 0xffff8000) === 0) {
      this.emit(li(reg, low16(hi)));
    } else {
      this.emit(lis(reg, hi >>> 16));
      if (low16(hi) !== 0) this.emit(ori(reg, reg, low16(hi)));
    }
    this.emit(sldi(reg, reg, 32));
    if (lo >>> 16 !== 0) this.emit(oris(reg, reg, lo >>> 16));
    if (low16(lo) !== 0) this.emit(ori(reg, reg, low16(lo)));
  }

  address(reg: number, value: bigint): void {
    this.constant64(reg, Number(BigInt.asIntN(32, value)), Number(BigInt.asIntN(32, value >> 32n)));
  }

  /** A branch to `dest`, ±32 MB (`PPC_JMP`). 0 is a place not known yet and always in reach. */
  jump(dest: number): void {
    const off = dest - this.here;
    if (dest !== 0 && !inBranchRange(off)) {
      throw new JitError(34, `Branch offset 0x${off.toString(16)} (@${this.idx}) out of range`);
    }
    this.emit(b(off));
  }

  /** A conditional branch, ±32 KB (`PPC_BCC_SHORT`); 0 as in {@link jump}. */
  branchShort(cond: Condition, dest: number): void {
    const off = dest - this.here;
    if (dest !== 0 && !inShortRange(off)) {
      throw new JitError(34, `Conditional branch offset 0x${off.toString(16)} (@${this.idx}) out of range`);
    }
    this.emit(bc(cond.bo, cond.bi, off));
  }

  /** A conditional branch to anywhere a `jump` reaches, always two instructions (`PPC_BCC`). */
  branch(cond: Condition, dest: number): void {
    if (inShortRange(dest - this.here)) {
      this.branchShort(cond, dest);
      this.emit(nop());
    } else {
      this.branchShort({ bo: cond.bo ^ (IF_SET ^ IF_CLEAR), bi: cond.bi }, this.here + 8);
      this.jump(dest);
    }
  }

  /** Whether a branch from here reaches `dest`. */
  reaches(dest: number): boolean {
    return inBranchRange(dest - this.here);
  }
}

/** A 32-bit move that only clears the high half (`insn_is_zext`). */
export function isZext(insn: Insn): boolean {
  return insn.code === 0xbc && insn.imm === 1;
}

/** How the instructions of one code are compiled. */
export type Lowering = (e: Emission, insn: Insn) => void;

/** A row of the table: code and how it is compiled. */
export type LoweringRow = readonly [code: number, lower: Lowering];
