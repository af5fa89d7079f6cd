import {
  BPF_ABS,
  BPF_ADDR_PERCPU,
  BPF_ADDR_SPACE_CAST,
  BPF_ALU,
  BPF_ALU64,
  BPF_ATOMIC,
  BPF_CMPXCHG,
  BPF_FETCH,
  BPF_HELPER_CALL,
  BPF_IND,
  BPF_JMP,
  BPF_JMP32,
  BPF_LDX,
  BPF_LOAD_ACQ,
  BPF_MEM,
  BPF_MEMSX,
  BPF_PROBE_ATOMIC,
  BPF_PROBE_MEM,
  BPF_PROBE_MEM32,
  BPF_PROBE_MEM32SX,
  BPF_PROBE_MEMSX,
  BPF_PSEUDO_CALL,
  BPF_REG_AX,
  BPF_ST,
  BPF_STORE_REL,
  BPF_STX,
  BPF_XCHG,
  CALL,
  EXIT,
  type Insn,
  LD_IMM64,
  MAY_GOTO as MAY_GOTO_CODE,
  NOSPEC,
  TAIL_CALL,
  ZEXT_IMM,
} from '../../isa/index.ts';
import { ERRNO } from '../../uapi/index.ts';
import type { ByteOrder } from '../../util/index.ts';
import type { Room } from '../room.ts';
import { type FuncInput, JitError } from '../types.ts';
import {
  ADD,
  ALU_K,
  ALU_X,
  AND,
  ARENA,
  ARSH,
  ATOMIC,
  BARRIER,
  BASE,
  BSWAP,
  CALL_HELPER,
  CALL_KFUNC,
  CALL_SUB,
  CAST_USER,
  CMPXCHG,
  CONST,
  DIV,
  FETCH,
  FP,
  FUNC,
  Ir,
  JA,
  JCC_K,
  JCC_X,
  JSLE,
  LEADER,
  LEAVE,
  LOAD,
  LOAD_ACQ,
  LSH,
  MASK,
  MAY_GOTO,
  MOD,
  MOV,
  MUL,
  NEG,
  NONE,
  OR,
  PACKET,
  PERCPU,
  PROBE,
  RSH,
  SDIV,
  SEXT,
  SIGNED,
  SMOD,
  STORE,
  STORE_K,
  STORE_REL,
  TAIL,
  TARGET,
  W,
  XCHG,
  XOR,
  ZX,
} from './ir.ts';

const OP_MOV = 0xb;
const OP_END = 0xd;
const OP_JA = 0x0;
const OP_CALL = 0x8;

function unsupported(insn: Insn, slot: number): JitError {
  const code = insn.code.toString(16).padStart(2, '0');
  return new JitError(ERRNO.ENOTSUPP, `eBPF filter opcode ${code} (@${slot}) unsupported`);
}

/** Which masks the CPU applies in one instruction, turned by any number of bits. */
export type IsMask = (hi: number, lo: number) => boolean;

/**
 * Slots to rows. Jumps to jumps go where those go. Throws JitError for what no JIT takes (jumps that leave the function,
 * codes the verifier has replaced before).
 *
 * @param room where the rows live; default a room of their own
 */
export function decode(func: FuncInput, order: ByteOrder, isMask: IsMask, room?: Room): Ir {
  return decodeSlots(func, order, isMask, false, new Ir(func.insns.length, room));
}

/** A function before the verifier's fixups, as {@link decode}: it may have packet loads and `may_goto`, and divisors may be 0. */
export function decodeUnfixed(func: SlotsOfFunction, order: ByteOrder, isMask: IsMask, room?: Room): Ir {
  return decodeSlots(func, order, isMask, true, new Ir(func.insns.length, room));
}

/** What of a function its rows are made of. */
export type SlotsOfFunction = Pick<FuncInput, 'insns' | 'funcRefs' | 'verifierZext'>;

function decodeSlots(func: SlotsOfFunction, order: ByteOrder, isMask: IsMask, unfixed: boolean, rows: Ir): Ir {
  const { insns } = func;
  const n = insns.length;
  const zx = func.verifierZext ? W : W | ZX;
  for (let i = 0; i < n; i++) {
    const insn = insns[i];
    switch (insn.code & 7) {
      case BPF_ALU:
      case BPF_ALU64:
        decodeAlu(rows, i, insn, zx, order, isMask);
        break;
      case BPF_JMP:
      case BPF_JMP32:
        if (unfixed && insn.code === MAY_GOTO_CODE) {
          rows.kind[i] = MAY_GOTO;
          rows.aux[i] = targetOf(insns, i, insn.off);
        } else decodeJump(rows, i, insn, insns);
        break;
      case BPF_LDX:
      case BPF_STX:
      case BPF_ST:
        decodeMemory(rows, i, insn);
        break;
      default: {
        if (unfixed && decodePacketLoad(rows, i, insn)) break;
        const second = insns[i + 1];
        if (insn.code !== LD_IMM64 || second === undefined) throw unsupported(insn, i);
        const callee = func.funcRefs.get(i);
        rows.kind[i] = callee === undefined ? CONST : FUNC;
        rows.d[i] = insn.dst;
        rows.imm[i] = callee ?? insn.imm;
        rows.aux[i] = second.imm;
        checkRegisters(rows, i, insn);
        i++;
        continue;
      }
    }
    checkRegisters(rows, i, insn);
  }
  return rows;
}

function decodePacketLoad(rows: Ir, i: number, insn: Insn): boolean {
  const mode = insn.code & 0xe7;
  if ((mode !== BPF_ABS && mode !== BPF_IND) || (insn.code & 0x18) === 0x18) return false;
  rows.kind[i] = PACKET;
  rows.sub[i] = 1 << LOG2[(insn.code >> 3) & 3];
  rows.d[i] = 0;
  if (mode === BPF_IND) rows.b[i] = insn.src;
  rows.imm[i] = insn.imm;
  return true;
}

/** Whatever made the program, rows name registers there are, and set none that is read-only. */
function checkRegisters({ d, a, b }: Ir, i: number, insn: Insn): void {
  const set = d[i];
  if (set !== NONE && (set === FP || set >= BASE)) throw unsupported(insn, i);
  if ((a[i] !== NONE && a[i] >= BASE) || (b[i] !== NONE && b[i] >= BASE)) throw unsupported(insn, i);
  // 15 stands for none, and is no register either.
  const names = insn.code !== CALL && insn.code !== LD_IMM64 && (insn.dst > BPF_REG_AX || insn.src > BPF_REG_AX);
  if (names) throw unsupported(insn, i);
}

/** A rotate and mask, or its simpler forms: a move where every bit stays, zero where none does. */
export function setMask(rows: Ir, i: number, rot: number, high: number, low: number): void {
  const hi = high | 0;
  const lo = low | 0;
  if (hi === 0 && lo === 0) {
    rows.kind[i] = CONST;
    rows.a[i] = NONE;
  } else rows.kind[i] = rot === 0 && hi === -1 && lo === -1 ? MOV : MASK;
  rows.sub[i] = rot;
  rows.aux[i] = hi;
  rows.imm[i] = lo;
  rows.flags[i] &= LEADER | TARGET;
}

function decodeAlu(rows: Ir, i: number, insn: Insn, zx: number, order: ByteOrder, isMask: IsMask): void {
  const wide = (insn.code & 7) === BPF_ALU64;
  const op = insn.code >> 4;
  const register = (insn.code & 8) !== 0;
  const { imm, off } = insn;
  rows.d[i] = insn.dst;
  rows.a[i] = insn.dst;
  rows.imm[i] = imm;
  if (op === OP_MOV) {
    if (register) decodeMove(rows, i, insn, wide, zx);
    else {
      rows.kind[i] = CONST;
      rows.a[i] = NONE;
      rows.aux[i] = wide ? imm >> 31 : 0;
    }
    return;
  }
  if (op === OP_END) {
    const swaps = wide || register === (order === 'little');
    rows.sub[i] = imm;
    if (imm !== 16 && imm !== 32 && imm !== 64) throw unsupported(insn, i);
    if (swaps) rows.kind[i] = BSWAP;
    else if (imm !== 64) setMask(rows, i, 0, 0, imm === 16 ? 0xffff : -1);
    return;
  }
  if (!wide) rows.flags[i] |= zx;
  const signed = off === 1 && (op === DIV || op === MOD);
  rows.sub[i] = signed ? (op === DIV ? SDIV : SMOD) : op;
  if (op > OP_END) throw unsupported(insn, i);
  if (register && op !== NEG) {
    rows.kind[i] = ALU_X;
    rows.b[i] = insn.src;
    return;
  }
  setOperation(rows, i, wide, isMask);
}

/** Makes the row `a sub imm`, in the simplest form there is. `sub` and `imm` are set, and the flags of 32-bit operations. */
export function setOperation(rows: Ir, i: number, wide: boolean, isMask: IsMask): void {
  const op = rows.sub[i];
  const imm = rows.imm[i];
  const zx = rows.flags[i] & (W | ZX);
  rows.kind[i] = ALU_K;
  if (op === LSH) {
    const by = imm & (wide ? 63 : 31);
    const low = by < 32 ? -1 << by : 0;
    const high = by < 32 ? -1 : -1 << (by - 32);
    if (wide || by !== 0 || (zx & ZX) !== 0) setMask(rows, i, by, wide ? high : 0, low);
    else setMask(rows, i, 0, -1, -1);
  } else if (op === RSH) {
    const by = imm & (wide ? 63 : 31);
    if (wide) setMask(rows, i, -by & 63, by < 32 ? -1 >>> by : 0, by < 32 ? -1 : -1 >>> (by - 32));
    else if (by !== 0 || (zx & ZX) !== 0) setMask(rows, i, -by & 63, 0, by === 0 ? -1 : -1 >>> by);
    else setMask(rows, i, 0, -1, -1);
  } else if (op === ARSH) rows.imm[i] = imm & (wide ? 63 : 31);
  else if (op === AND) {
    const hi = wide ? imm >> 31 : 0;
    if ((hi === 0 && imm === 0) || (hi & imm) === -1 || isMask(hi, imm)) setMask(rows, i, 0, hi, imm);
  } else decodeProduct(rows, i, wide, imm, zx);
}

/** Products, quotients and remainders of constants that are powers of two, 1, 0 or −1. */
function decodeProduct(rows: Ir, i: number, wide: boolean, imm: number, zx: number): void {
  const sub = rows.sub[i];
  const power = imm !== 0 && (imm & (imm - 1)) === 0 && (imm > 0 || !wide) ? 31 - Math.clz32(imm) : -1;
  // Keeps the operand, in as many bits as the operation has.
  const keep = () => setMask(rows, i, 0, wide || (zx & ZX) === 0 ? -1 : 0, -1);
  if (sub === MUL) {
    if (imm === 0) setMask(rows, i, 0, 0, 0);
    else if (power === 0) keep();
    else if (power > 0) setMask(rows, i, power, wide ? -1 : 0, -1 << power);
  } else if (sub === DIV || sub === SDIV) {
    if (imm === 0) setMask(rows, i, 0, 0, 0);
    else if (power === 0) keep();
    else if (sub === SDIV && imm === -1) rows.sub[i] = NEG;
    else if (sub === DIV && power > 0) setMask(rows, i, 64 - power, wide ? -1 >>> power : 0, wide ? -1 : -1 >>> power);
  } else if (sub === MOD || sub === SMOD) {
    if (imm === 0) keep();
    else if (power === 0 || (sub === SMOD && imm === -1)) setMask(rows, i, 0, 0, 0);
    else if (sub === MOD && power > 0) setMask(rows, i, 0, 0, (1 << power) - 1);
  }
}

function decodeMove(rows: Ir, i: number, insn: Insn, wide: boolean, zx: number): void {
  const { off, imm } = insn;
  rows.a[i] = insn.src;
  if (wide && off === BPF_ADDR_PERCPU) rows.kind[i] = PERCPU;
  else if (wide && off === BPF_ADDR_SPACE_CAST) {
    if (imm === 1 << 16) rows.kind[i] = CAST_USER;
    else setMask(rows, i, 0, 0, -1);
  } else if (off === 8 || off === 16 || (wide && off === 32)) {
    rows.kind[i] = SEXT;
    rows.sub[i] = off;
    if (!wide) rows.flags[i] |= zx;
  } else if (off !== 0) throw unsupported(insn, i);
  // A 32-bit move whose high half nobody may read is a move.
  else if (wide || ((zx & ZX) === 0 && imm !== ZEXT_IMM)) rows.kind[i] = MOV;
  else setMask(rows, i, 0, 0, -1);
}

/** Where a jump of slot `i` over `distance` ends, through jumps it meets. */
function targetOf(insns: readonly Insn[], i: number, distance: number): number {
  let at = i + 1 + distance;
  for (let hops = 0; hops < 8; hops++) {
    const insn = insns[at];
    if (insn === undefined) break;
    if (insn.code === BPF_JMP) at += 1 + insn.off;
    else if (insn.code === BPF_JMP32) at += 1 + insn.imm;
    else break;
  }
  if (at < 0 || at >= insns.length) throw new JitError(ERRNO.EINVAL, `jump out of range from insn ${i} to ${at}`);
  return at;
}

function decodeJump(rows: Ir, i: number, insn: Insn, insns: readonly Insn[]): void {
  const narrow = (insn.code & 7) === BPF_JMP32;
  const op = insn.code >> 4;
  const register = (insn.code & 8) !== 0;
  if (insn.code === CALL) {
    rows.kind[i] = insn.src === BPF_HELPER_CALL ? CALL_HELPER : insn.src === BPF_PSEUDO_CALL ? CALL_SUB : CALL_KFUNC;
    rows.d[i] = 0;
    rows.imm[i] = insn.imm;
    rows.off[i] = insn.off;
    rows.aux[i] = insn.off;
  } else if (insn.code === EXIT) {
    rows.kind[i] = LEAVE;
    rows.a[i] = 0;
  } else if (insn.code === TAIL_CALL) rows.kind[i] = TAIL;
  else if (op === OP_JA && !register) {
    rows.kind[i] = JA;
    rows.aux[i] = targetOf(insns, i, narrow ? insn.imm : insn.off);
  } else if (op === OP_JA || op === OP_CALL || op === 9 || op > JSLE) throw unsupported(insn, i);
  else {
    rows.kind[i] = register ? JCC_X : JCC_K;
    rows.sub[i] = op;
    rows.a[i] = insn.dst;
    rows.b[i] = register ? insn.src : NONE;
    rows.imm[i] = insn.imm;
    rows.aux[i] = targetOf(insns, i, insn.off);
    if (narrow) rows.flags[i] |= W;
  }
}

/** log2 of the bytes of an access, by the size bits of `code`. */
const LOG2 = [2, 1, 0, 3];

const LOAD_FLAGS: Readonly<Record<number, number>> = {
  [BPF_MEM]: 0,
  [BPF_MEMSX]: 0,
  [BPF_PROBE_MEM]: PROBE,
  [BPF_PROBE_MEMSX]: PROBE,
  [BPF_PROBE_MEM32]: PROBE | ARENA,
  [BPF_PROBE_MEM32SX]: PROBE | ARENA,
};
const SIGNED_LOAD: Readonly<Record<number, number>> = {
  [BPF_MEMSX]: SIGNED,
  [BPF_PROBE_MEMSX]: SIGNED,
  [BPF_PROBE_MEM32SX]: SIGNED,
};

function decodeMemory(rows: Ir, i: number, insn: Insn): void {
  if (insn.code === NOSPEC) {
    rows.kind[i] = BARRIER;
    return;
  }
  const mode = insn.code & 0xe0;
  const size = LOG2[(insn.code >> 3) & 3];
  rows.off[i] = insn.off;
  rows.sub[i] = size;
  if ((insn.code & 7) === BPF_LDX) {
    const flags = LOAD_FLAGS[mode];
    if (flags === undefined) throw unsupported(insn, i);
    rows.kind[i] = LOAD;
    rows.d[i] = insn.dst;
    rows.a[i] = insn.src;
    rows.flags[i] |= flags;
    rows.sub[i] |= size === 3 ? 0 : (SIGNED_LOAD[mode] ?? 0);
    return;
  }
  rows.a[i] = insn.dst;
  if (mode === BPF_MEM || mode === BPF_PROBE_MEM32) {
    const immediate = (insn.code & 7) === BPF_ST;
    rows.kind[i] = immediate ? STORE_K : STORE;
    if (!immediate) rows.b[i] = insn.src;
    rows.imm[i] = insn.imm;
    if (mode === BPF_PROBE_MEM32) rows.flags[i] |= PROBE | ARENA;
    return;
  }
  if ((insn.code & 7) !== BPF_STX || (mode !== BPF_ATOMIC && mode !== BPF_PROBE_ATOMIC)) throw unsupported(insn, i);
  if (mode === BPF_PROBE_ATOMIC) rows.flags[i] |= PROBE | ARENA;
  decodeAtomic(rows, i, insn, size);
}

function decodeAtomic(rows: Ir, i: number, insn: Insn, size: number): void {
  const { imm } = insn;
  if (imm === BPF_LOAD_ACQ) {
    rows.kind[i] = LOAD_ACQ;
    rows.a[i] = insn.src;
    rows.d[i] = insn.dst;
    return;
  }
  rows.b[i] = insn.src;
  if (imm === BPF_STORE_REL) {
    rows.kind[i] = STORE_REL;
    return;
  }
  if (imm === BPF_CMPXCHG) {
    rows.kind[i] = CMPXCHG;
    rows.d[i] = 0;
  } else {
    const op = imm === BPF_XCHG ? XCHG : (imm & ~BPF_FETCH) >> 4;
    const known = imm === BPF_XCHG || ((imm & ~0xf1) === 0 && [ADD, OR, AND, XOR].includes(op));
    if (!known) throw unsupported(insn, i);
    rows.kind[i] = ATOMIC;
    if ((imm & BPF_FETCH) !== 0) {
      rows.flags[i] |= FETCH;
      rows.d[i] = insn.src;
    }
    rows.imm[i] = op;
  }
  if (size < 2) throw unsupported(insn, i);
  if (size < 3) rows.flags[i] |= W;
  rows.sub[i] = size;
}
