import {
  BPF_B,
  BPF_DW,
  BPF_H,
  BPF_LDX,
  BPF_MEM,
  BPF_MEMSX,
  BPF_PROBE_MEM,
  BPF_PROBE_MEM32,
  BPF_PROBE_MEMSX,
  BPF_ST,
  BPF_STX,
  BPF_W,
  type Insn,
  LD_IMM64,
  NOSPEC,
  ZEXT_IMM,
} from '../../../isa/index.ts';
import { lb, lbu, lh, lhu, lw, lwu, sb, sh } from '../encode.ts';
import { calleeAt } from './call.ts';
import { address, constant, constant64, emitAdd, isS12 } from './constant.ts';
import type { Emission, LoweringRow } from './emission.ts';
import { ARENA, REGISTERS, T1, T2, T3, ZERO } from './registers.ts';

type Access = (e: Emission, reg: number, off: number, base: number) => void;

const word =
  (op: (reg: number, off: number, base: number) => number): Access =>
  (e, reg, off, base) =>
    e.word(op(reg, off, base));
const wide: Access = (e, reg, off, base) => e.ld(reg, off, base);

/** By the size bits of a code. Only of words stored and of doublewords there are short forms. */
const LOADS: readonly Access[] = [word(lwu), word(lhu), word(lbu), wide];
const SIGNED_LOADS: readonly Access[] = [word(lw), word(lh), word(lb), wide];
const STORES: readonly Access[] = [
  (e, reg, off, base) => e.sw(reg, off, base),
  word(sh),
  word(sb),
  (e, reg, off, base) => e.sd(reg, off, base),
];

const sizeOf = ({ code }: Insn): number => (code & 0x18) >> 3;
const modeOf = ({ code }: Insn): number => code & 0xe0;

/**
 * An access; returns the offset of its instruction.
 *
 * @param spare takes the address where the offset does not fit
 */
function access(e: Emission, how: Access, reg: number, base: number, off: number, spare: number): number {
  if (isS12(off)) {
    const start = e.here;
    how(e, reg, off, base);
    return start;
  }
  constant(e, spare, off);
  emitAdd(e, spare, spare, base);
  const start = e.here;
  how(e, reg, 0, spare);
  return start;
}

/** Base of an access; of one in an arena `spare`, the arena's base with the register's value added. */
function baseOf(e: Emission, insn: Insn, reg: number, spare: number): number {
  if (modeOf(insn) !== BPF_PROBE_MEM32) return reg;
  emitAdd(e, spare, reg, ARENA);
  return spare;
}

function mayFault(e: Emission, start: number, clears: number): void {
  e.faults.push({ insnOff: start, fixupOff: e.here });
  e.faultClears.push(clears);
}

/** A 32-bit move that only clears the high half (`insn_is_zext`). */
const isZext = (insn: Insn | undefined): boolean => insn !== undefined && insn.code === 0xbc && insn.imm === ZEXT_IMM;

function lowerLoad(e: Emission, insn: Insn): void {
  const mode = modeOf(insn);
  const rd = REGISTERS[insn.dst];
  const signed = mode === BPF_MEMSX || mode === BPF_PROBE_MEMSX;
  const base = baseOf(e, insn, REGISTERS[insn.src], T2);
  const start = access(e, (signed ? SIGNED_LOADS : LOADS)[sizeOf(insn)], rd, base, insn.off, T1);
  if (mode !== BPF_MEM && mode !== BPF_MEMSX) mayFault(e, start, rd);
  if ((insn.code & 0x18) !== BPF_DW && isZext(e.next)) e.slot++;
}

function lowerStore(e: Emission, insn: Insn): void {
  const constantToo = (insn.code & 7) === BPF_ST;
  const base = baseOf(e, insn, REGISTERS[insn.dst], constantToo ? T3 : T2);
  if (constantToo) constant(e, T1, insn.imm);
  const value = constantToo ? T1 : REGISTERS[insn.src];
  const start = access(e, STORES[sizeOf(insn)], value, base, insn.off, constantToo ? T2 : T1);
  if (modeOf(insn) === BPF_PROBE_MEM32) mayFault(e, start, ZERO);
}

function lowerLdImm64(e: Emission, insn: Insn): void {
  const rd = REGISTERS[insn.dst];
  const subprog = e.unit.func.funcRefs.get(e.slot);
  if (subprog === undefined) {
    constant64(e, rd, e.next?.imm ?? 0, insn.imm);
  } else {
    const { callees } = e;
    const { start } = e.unit.env.space.layout.modules;
    const addr = callees === undefined ? start : calleeAt(callees, subprog).bpfFunc;
    address(e, rd, addr, e.hasImage && callees !== undefined);
  }
  e.slot++;
}

export const MEMORY_ROWS: readonly LoweringRow[] = [
  ...[BPF_B, BPF_H, BPF_W, BPF_DW].flatMap((size): LoweringRow[] => [
    ...[BPF_MEM, BPF_PROBE_MEM, BPF_PROBE_MEM32].map((mode): LoweringRow => [BPF_LDX | mode | size, lowerLoad]),
    ...[BPF_MEM, BPF_PROBE_MEM32].flatMap((mode): LoweringRow[] => [
      [BPF_ST | mode | size, lowerStore],
      [BPF_STX | mode | size, lowerStore],
    ]),
  ]),
  ...[BPF_B, BPF_H, BPF_W].flatMap((size): LoweringRow[] => [
    [BPF_LDX | BPF_MEMSX | size, lowerLoad],
    [BPF_LDX | BPF_PROBE_MEMSX | size, lowerLoad],
  ]),
  [LD_IMM64, lowerLdImm64],
  [NOSPEC, () => {}],
];
