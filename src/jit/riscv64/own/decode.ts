import {
  BPF_ADDR_PERCPU,
  BPF_ADDR_SPACE_CAST,
  BPF_ALU,
  BPF_ALU64,
  BPF_ATOMIC,
  BPF_CMPXCHG,
  BPF_FETCH,
  BPF_HELPER_CALL,
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
  NOSPEC,
  TAIL_CALL,
  ZEXT_IMM,
} from '../../../isa/index.ts';
import { ERRNO } from '../../../uapi/index.ts';
import type { Room } from '../../room.ts';
import { type FuncInput, JitError } from '../../types.ts';
import * as ir from './ir.ts';

const OP_MOV = 0xb;
const OP_END = 0xd;
const OP_JA = 0x0;
const OP_CALL = 0x8;

function unsupported(insn: Insn, slot: number): JitError {
  const code = insn.code.toString(16).padStart(2, '0');
  return new JitError(ERRNO.ENOTSUPP, `eBPF filter opcode ${code} (@${slot}) unsupported`);
}

/**
 * Slots to rows, and which of them are jumped to. Throws JitError for what no JIT takes (jumps that leave the function,
 * codes the verifier has replaced before).
 *
 * @param kept where the rows live
 */
export function decode(func: FuncInput, kept: Room): ir.Ir {
  const { insns } = func;
  const rows = new ir.Ir(insns.length, kept);
  const zx = func.verifierZext ? ir.W : ir.W | ir.ZX;
  for (let i = 0; i < insns.length; i++) {
    const insn = insns[i];
    switch (insn.code & 7) {
      case BPF_ALU:
      case BPF_ALU64:
        decodeAlu(rows, i, insn, zx);
        break;
      case BPF_JMP:
      case BPF_JMP32:
        decodeJump(rows, i, insn, insns);
        break;
      case BPF_LDX:
      case BPF_STX:
      case BPF_ST:
        decodeMemory(rows, i, insn);
        break;
      default: {
        const second = insns[i + 1];
        if (insn.code !== LD_IMM64 || second === undefined) throw unsupported(insn, i);
        const callee = func.funcRefs.get(i);
        rows.kind[i] = callee === undefined ? ir.CONST : ir.FUNC;
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

const isNone = (register: number): boolean => register !== ir.NONE && register >= ir.REG_COUNT;

/** Whatever made the program, rows name registers there are, and set none that is read-only. */
function checkRegisters({ d, a, b }: ir.Ir, i: number, insn: Insn): void {
  if (d[i] === ir.FP || isNone(d[i]) || isNone(a[i]) || isNone(b[i])) throw unsupported(insn, i);
  // 15 stands for none, and is no register either.
  const names = insn.code !== CALL && insn.code !== LD_IMM64 && (insn.dst > BPF_REG_AX || insn.src > BPF_REG_AX);
  if (names) throw unsupported(insn, i);
}

function setConstant(rows: ir.Ir, i: number, high: number, low: number): void {
  rows.kind[i] = ir.CONST;
  rows.a[i] = ir.NONE;
  rows.aux[i] = high;
  rows.imm[i] = low;
  rows.flags[i] &= ir.LEADER;
}
function setExtension(rows: ir.Ir, i: number, bits: number): void {
  rows.kind[i] = bits === 64 ? ir.MOV : ir.ZEXT;
  rows.sub[i] = bits;
  rows.flags[i] &= ir.LEADER;
}
function setOperation(rows: ir.Ir, i: number, sub: number, imm: number): void {
  rows.sub[i] = sub;
  rows.imm[i] = imm;
}

function decodeAlu(rows: ir.Ir, i: number, insn: Insn, zx: number): void {
  const wide = (insn.code & 7) === BPF_ALU64;
  const op = insn.code >> 4;
  const register = (insn.code & 8) !== 0;
  const { imm, off } = insn;
  rows.d[i] = insn.dst;
  rows.a[i] = insn.dst;
  if (op === OP_MOV) {
    if (register) decodeMove(rows, i, insn, wide, zx);
    else setConstant(rows, i, wide ? imm >> 31 : 0, imm);
    return;
  }
  if (op === OP_END) {
    if (imm !== 16 && imm !== 32 && imm !== 64) throw unsupported(insn, i);
    // BPF_TO_BE, or the swap of ALU64; BPF_TO_LE cuts.
    if (wide || register) {
      rows.kind[i] = ir.BSWAP;
      rows.sub[i] = imm;
    } else setExtension(rows, i, imm);
    return;
  }
  if (op > OP_END) throw unsupported(insn, i);
  if (!wide) rows.flags[i] |= zx;
  const signed = off === 1 && (op === ir.DIV || op === ir.MOD);
  rows.sub[i] = signed ? (op === ir.DIV ? ir.SDIV : ir.SMOD) : op;
  rows.imm[i] = imm;
  if (register && op !== ir.NEG) {
    rows.kind[i] = ir.ALU_X;
    rows.b[i] = insn.src;
    return;
  }
  rows.kind[i] = ir.ALU_K;
  if (op === ir.LSH || op === ir.RSH || op === ir.ARSH) rows.imm[i] = imm & (wide ? 63 : 31);
  simplify(rows, i, wide);
}

/** Keeps the operand, in as many bits as the operation has. */
function keep(rows: ir.Ir, i: number, wide: boolean): void {
  setExtension(rows, i, wide || (rows.flags[i] & ir.ZX) === 0 ? 64 : 32);
}

/** Operations with numbers that are simpler ones. */
function simplify(rows: ir.Ir, i: number, wide: boolean): void {
  const imm = rows.imm[i];
  const power = imm !== 0 && (imm & (imm - 1)) === 0 && (imm > 0 || !wide) ? 31 - Math.clz32(imm) : -1;
  switch (rows.sub[i]) {
    case ir.SUB:
      // The negative of the least number is one more than fits.
      if (imm !== -0x80000000 || !wide) setOperation(rows, i, ir.ADD, -imm | 0);
      if (imm === 0) keep(rows, i, wide);
      break;
    case ir.ADD:
    case ir.OR:
    case ir.XOR:
    case ir.LSH:
    case ir.RSH:
    case ir.ARSH:
      if (imm === 0) keep(rows, i, wide);
      break;
    case ir.AND:
      if (imm === 0) setConstant(rows, i, 0, 0);
      else if (imm === -1) keep(rows, i, wide);
      else if (imm === 0xffff) setExtension(rows, i, 16);
      break;
    case ir.MUL:
      if (imm === 0) setConstant(rows, i, 0, 0);
      else if (power === 0) keep(rows, i, wide);
      else if (power > 0) setOperation(rows, i, ir.LSH, power);
      else if (imm === -1) setOperation(rows, i, ir.NEG, 0);
      break;
    case ir.DIV:
      if (imm === 0) setConstant(rows, i, 0, 0);
      else if (power === 0) keep(rows, i, wide);
      else if (power > 0) setOperation(rows, i, ir.RSH, power);
      break;
    case ir.SDIV:
      if (imm === 0) setConstant(rows, i, 0, 0);
      else if (imm === 1) keep(rows, i, wide);
      else if (imm === -1) setOperation(rows, i, ir.NEG, 0);
      break;
    case ir.MOD:
      if (imm === 0) keep(rows, i, wide);
      else if (power === 0) setConstant(rows, i, 0, 0);
      else if (power > 0) {
        setOperation(rows, i, ir.AND, (imm - 1) | 0);
        if (power === 16) setExtension(rows, i, 16);
      }
      break;
    case ir.SMOD:
      if (imm === 0) keep(rows, i, wide);
      else if (imm === 1 || imm === -1) setConstant(rows, i, 0, 0);
      break;
  }
}

function decodeMove(rows: ir.Ir, i: number, insn: Insn, wide: boolean, zx: number): void {
  const { off, imm } = insn;
  rows.a[i] = insn.src;
  if (wide && off === BPF_ADDR_PERCPU) rows.kind[i] = ir.PERCPU;
  else if (wide && off === BPF_ADDR_SPACE_CAST) {
    if (imm === 1 << 16) rows.kind[i] = ir.CAST_USER;
    else setExtension(rows, i, 32);
  } else if (off === 8 || off === 16 || (wide && off === 32)) {
    rows.kind[i] = ir.SEXT;
    rows.sub[i] = off;
    if (!wide) rows.flags[i] |= zx;
  } else if (off !== 0) throw unsupported(insn, i);
  // A 32-bit move whose high half nobody may read is a move.
  else setExtension(rows, i, wide || ((zx & ir.ZX) === 0 && imm !== ZEXT_IMM) ? 64 : 32);
}

/** Where a jump of slot `i` over `distance` ends, through jumps it meets; that slot is a leader. */
function land(rows: ir.Ir, insns: readonly Insn[], i: number, distance: number): number {
  let at = i + 1 + distance;
  for (let hops = 0; hops < 8; hops++) {
    const insn = insns[at];
    if (insn === undefined) break;
    if (insn.code === BPF_JMP) at += 1 + insn.off;
    else if (insn.code === BPF_JMP32) at += 1 + insn.imm;
    else break;
  }
  if (at < 0 || at >= insns.length) throw new JitError(ERRNO.EINVAL, `jump out of range from insn ${i} to ${at}`);
  rows.flags[at] |= ir.LEADER;
  return at;
}

function decodeJump(rows: ir.Ir, i: number, insn: Insn, insns: readonly Insn[]): void {
  const narrow = (insn.code & 7) === BPF_JMP32;
  const op = insn.code >> 4;
  const register = (insn.code & 8) !== 0;
  if (insn.code === CALL) {
    rows.kind[i] =
      insn.src === BPF_HELPER_CALL ? ir.CALL_HELPER : insn.src === BPF_PSEUDO_CALL ? ir.CALL_SUB : ir.CALL_KFUNC;
    rows.d[i] = 0;
    rows.imm[i] = insn.imm;
    rows.off[i] = insn.off;
    rows.aux[i] = insn.off;
  } else if (insn.code === EXIT) {
    rows.kind[i] = ir.LEAVE;
    rows.a[i] = 0;
  } else if (insn.code === TAIL_CALL) rows.kind[i] = ir.TAIL;
  else if (op === OP_JA && !register) {
    rows.kind[i] = ir.JA;
    rows.aux[i] = land(rows, insns, i, narrow ? insn.imm : insn.off);
  } else if (op === OP_JA || op === OP_CALL || op === 9 || op > ir.JSLE) throw unsupported(insn, i);
  else {
    rows.kind[i] = register ? ir.JCC_X : ir.JCC_K;
    rows.sub[i] = op;
    rows.a[i] = insn.dst;
    rows.b[i] = register ? insn.src : ir.NONE;
    rows.imm[i] = insn.imm;
    rows.aux[i] = land(rows, insns, i, insn.off);
    if (narrow) rows.flags[i] |= ir.W;
  }
}

/** log2 of the bytes of an access, by the size bits of `code`. */
const LOG2 = [2, 1, 0, 3];

const LOAD_FLAGS: Readonly<Record<number, number>> = {
  [BPF_MEM]: 0,
  [BPF_MEMSX]: 0,
  [BPF_PROBE_MEM]: ir.PROBE,
  [BPF_PROBE_MEMSX]: ir.PROBE,
  [BPF_PROBE_MEM32]: ir.PROBE | ir.ARENA,
  [BPF_PROBE_MEM32SX]: ir.PROBE | ir.ARENA,
};
const SIGNED_LOAD: Readonly<Record<number, number>> = {
  [BPF_MEMSX]: ir.SIGNED,
  [BPF_PROBE_MEMSX]: ir.SIGNED,
  [BPF_PROBE_MEM32SX]: ir.SIGNED,
};

function decodeMemory(rows: ir.Ir, i: number, insn: Insn): void {
  // Linux has no barrier for this on RISC-V.
  if (insn.code === NOSPEC) return;
  const mode = insn.code & 0xe0;
  const size = LOG2[(insn.code >> 3) & 3];
  rows.off[i] = insn.off;
  rows.sub[i] = size;
  if ((insn.code & 7) === BPF_LDX) {
    const flags = LOAD_FLAGS[mode];
    if (flags === undefined) throw unsupported(insn, i);
    rows.kind[i] = ir.LOAD;
    rows.d[i] = insn.dst;
    rows.a[i] = insn.src;
    rows.flags[i] |= flags;
    rows.sub[i] |= size === 3 ? 0 : (SIGNED_LOAD[mode] ?? 0);
    return;
  }
  rows.a[i] = insn.dst;
  if (mode === BPF_MEM || mode === BPF_PROBE_MEM32) {
    const immediate = (insn.code & 7) === BPF_ST;
    rows.kind[i] = immediate ? ir.STORE_K : ir.STORE;
    if (!immediate) rows.b[i] = insn.src;
    rows.imm[i] = insn.imm;
    if (mode === BPF_PROBE_MEM32) rows.flags[i] |= ir.PROBE | ir.ARENA;
    return;
  }
  if ((insn.code & 7) !== BPF_STX || (mode !== BPF_ATOMIC && mode !== BPF_PROBE_ATOMIC)) throw unsupported(insn, i);
  if (mode === BPF_PROBE_ATOMIC) rows.flags[i] |= ir.PROBE | ir.ARENA;
  decodeAtomic(rows, i, insn, size);
}

const ATOMICS: readonly number[] = [ir.ADD, ir.OR, ir.AND, ir.XOR];

function decodeAtomic(rows: ir.Ir, i: number, insn: Insn, size: number): void {
  const { imm } = insn;
  if (imm === BPF_LOAD_ACQ) {
    rows.kind[i] = ir.LOAD_ACQ;
    rows.a[i] = insn.src;
    rows.d[i] = insn.dst;
    return;
  }
  rows.b[i] = insn.src;
  if (imm === BPF_STORE_REL) {
    rows.kind[i] = ir.STORE_REL;
    return;
  }
  if (size < 2) throw unsupported(insn, i);
  if (size < 3) rows.flags[i] |= ir.W;
  if (imm === BPF_CMPXCHG) {
    rows.kind[i] = ir.CMPXCHG;
    rows.d[i] = 0;
    return;
  }
  const op = imm === BPF_XCHG ? ir.XCHG : (imm & ~BPF_FETCH) >> 4;
  if (imm !== BPF_XCHG && ((imm & ~0xf1) !== 0 || !ATOMICS.includes(op))) throw unsupported(insn, i);
  rows.kind[i] = ir.ATOMIC;
  if ((imm & BPF_FETCH) !== 0) {
    rows.flags[i] |= ir.FETCH;
    rows.d[i] = insn.src;
  }
  rows.imm[i] = op;
}
