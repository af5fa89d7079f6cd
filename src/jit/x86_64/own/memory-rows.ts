import {
  BPF_ATOMIC,
  BPF_LDX,
  BPF_LOAD_ACQ,
  BPF_MEM,
  BPF_MEMSX,
  BPF_PROBE_ATOMIC,
  BPF_PROBE_MEM,
  BPF_PROBE_MEM32,
  BPF_PROBE_MEM32SX,
  BPF_PROBE_MEMSX,
  BPF_ST,
  BPF_STORE_REL,
  type Insn,
  NOSPEC,
} from '../../../isa/index.ts';
import { hi32, lo32 } from '../../../util/index.ts';
import { alu, aluImm, BYTE_REG, CC, CMP, cmp, JCC8, lea, lfence, mov, movImm, rm, test, W, XOR } from '../encode.ts';
import { emitAtomic } from './atomic-rows.ts';
import { OP_END } from './effect.ts';
import type { Emission } from './emission.ts';
import { unsupported } from './facts.ts';
import { access, arenaPlace, mayFault, placeAt, placeOf } from './place.ts';
import { SCRATCH, SCRATCH2 } from './registers.ts';

/** log2 of the bytes of an access, by the size bits of a code. */
const LOG2 = [2, 1, 0, 3] as const;

/** Flags and opcode of an access. */
type Form = readonly [flags: number, op: number];
/** By log2 of the size. */
const LOADS: readonly Form[] = [
  [0, 0x0fb6],
  [0, 0x0fb7],
  [0, 0x8b],
  [W, 0x8b],
];
const SIGNED_LOADS: readonly Form[] = [
  [W, 0x0fbe],
  [W, 0x0fbf],
  [W, 0x63],
  [W, 0x8b],
];
const STORES: readonly Form[] = [
  [BYTE_REG, 0x88],
  [0, 0x66000089],
  [0, 0x89],
  [W, 0x89],
];
const STORES_IMM: readonly Form[] = [
  [0, 0xc6],
  [0, 0x660000c7],
  [0, 0xc7],
  [W, 0xc7],
];
const MOVBE = 0x0f38f0;

/** Emits the load or store of slot `i`; returns the last slot done. */
export function emitMemory(e: Emission, i: number): number {
  const insn = e.insns[i];
  const { code, imm } = insn;
  if (code === NOSPEC) {
    lfence(e.c);
    return i;
  }
  const mode = code & 0xe0;
  const size = LOG2[(code >> 3) & 3];
  const kind = code & 7;
  if (kind === BPF_LDX) return emitLoad(e, i, insn, mode, size);
  if (mode === BPF_MEM || mode === BPF_PROBE_MEM32) emitStore(e, insn, size, kind === BPF_ST, mode !== BPF_MEM);
  else if (kind === BPF_ST || (mode !== BPF_ATOMIC && mode !== BPF_PROBE_ATOMIC)) throw unsupported(insn, i);
  else {
    const arena = mode === BPF_PROBE_ATOMIC;
    // Every load acquires and every store releases.
    if (imm === BPF_LOAD_ACQ) loadInto(e, e.reg[insn.dst], e.reg[insn.src], insn.off, LOADS[size], arena, size < 3);
    else if (imm === BPF_STORE_REL) emitStore(e, insn, size, false, arena);
    else {
      if (size < 2) throw unsupported(insn, i);
      emitAtomic(e, i, size === 3 ? W : 0, arena);
    }
  }
  return i;
}

function emitStore(e: Emission, insn: Insn, size: number, immediate: boolean, arena: boolean): void {
  const { c } = e;
  const at = placeOf(e, e.reg[insn.dst], insn.off, arena);
  const start = c.length;
  if (immediate) {
    const [flags, op] = STORES_IMM[size];
    access(e, flags, op, 0, at);
    if (size === 0) c.u8(insn.imm & 0xff);
    else if (size === 1) c.u16(insn.imm & 0xffff);
    else c.u32(insn.imm);
  } else {
    const [flags, op] = STORES[size];
    access(e, flags, op, e.reg[insn.src], at);
  }
  if (arena) mayFault(e, start);
}

function emitLoad(e: Emission, i: number, insn: Insn, mode: number, size: number): number {
  const d = e.reg[insn.dst];
  const s = e.reg[insn.src];
  const { off } = insn;
  switch (mode) {
    case BPF_MEM: {
      if (e.unit.v3 && size >= 2 && swapsIt(e, i, size)) {
        access(e, size === 3 ? W : 0, MOVBE, d, placeAt(e, s, off));
        e.wrote(d, size === 2);
        return i + 1;
      }
      loadInto(e, d, s, off, LOADS[size], false, size < 3);
      return i;
    }
    case BPF_MEMSX:
      loadInto(e, d, s, off, SIGNED_LOADS[size], false, false);
      return i;
    case BPF_PROBE_MEM:
      emitProbe(e, d, s, off, LOADS[size]);
      e.wrote(d, size < 3);
      return i;
    case BPF_PROBE_MEMSX:
      emitProbe(e, d, s, off, SIGNED_LOADS[size]);
      e.wrote(d, false);
      return i;
    case BPF_PROBE_MEM32:
      loadInto(e, d, s, off, LOADS[size], true, size < 3);
      return i;
    case BPF_PROBE_MEM32SX:
      loadInto(e, d, s, off, SIGNED_LOADS[size], true, false);
      return i;
    default:
      throw unsupported(insn, i);
  }
}

/** Whether the next instruction reverses all bytes of what slot `i` loads. */
function swapsIt(e: Emission, i: number, size: number): boolean {
  const next = e.insns[i + 1];
  if (next === undefined || e.unit.facts.leaders[i + 1] !== 0 || next.dst !== e.insns[i].dst) return false;
  const { code, imm } = next;
  const swap = code >> 4 === OP_END && ((code & 7) === 7 || ((code & 7) === 4 && (code & 8) !== 0));
  return swap && imm === 8 << size;
}

/** A load; from an arena one that gives 0 where it faults: the result is 0 before it, so a fault goes on behind it. */
function loadInto(
  e: Emission,
  d: number,
  s: number,
  off: number,
  [flags, op]: Form,
  arena: boolean,
  narrow: boolean,
): void {
  const { c } = e;
  if (arena) {
    const at = arenaPlace(e, s, off, d);
    alu(c, 0, XOR, d, d);
    const start = c.length;
    access(e, flags, op, d, at);
    mayFault(e, start);
  } else access(e, flags, op, d, placeAt(e, s, off));
  e.wrote(d, narrow);
}

/**
 * A load that gives 0 where it may not go or faults.
 *
 * ```
 *   xor   d,d
 *   test  s,s           kernel addresses are negative; or: cmp, jbe
 *   jns   behind
 *   mov   d,[s+off]     fault → behind
 * ```
 */
function emitProbe(e: Emission, d: number, s: number, off: number, [flags, op]: Form): void {
  const { c, unit } = e;
  let base = s;
  let disp = off;
  if (unit.signTest) {
    if (d === s) {
      mov(c, W, SCRATCH, s);
      base = SCRATCH;
    }
  } else if (off !== 0 || d === s) {
    // The address itself against the limit.
    if (off === 0) mov(c, W, SCRATCH, s);
    else lea(c, W, SCRATCH, s, off);
    base = SCRATCH;
    disp = 0;
  }
  alu(c, 0, XOR, d, d);
  let condition: number = CC.ns;
  if (unit.signTest) test(c, W, base, base);
  else {
    condition = CC.be;
    const userHi = hi32(unit.env.userLimit);
    const userLo = lo32(unit.env.userLimit);
    if (userHi === userLo >> 31) aluImm(c, W, CMP, base, userLo);
    else {
      movImm(c, SCRATCH2, userHi, userLo);
      cmp(c, W, base, SCRATCH2);
    }
  }
  const behind = e.skip(JCC8 | condition);
  const start = c.length;
  rm(c, flags, op, d, base, disp);
  e.landed(behind);
  mayFault(e, start);
}
