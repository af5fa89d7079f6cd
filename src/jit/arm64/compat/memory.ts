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
} from '../../../isa/index.ts';
import { add, LOAD, LOAD_SIGNED, memRegister, memScaled, SP, STORE, X } from '../encode.ts';
import { calleeAt } from './call.ts';
import { address, constant32, constant64 } from './constant.ts';
import type { Emission, LoweringRow } from './emission.ts';
import { ARENA, FRAME_POINTER, REGISTERS, T1, T2 } from './registers.ts';

/** log2 of the bytes of an access, by the size bits of a code. */
const LOG2 = [2, 1, 0, 3] as const;
const log2Of = ({ code }: Insn): number => LOG2[(code & 0x18) >> 3];
const modeOf = ({ code }: Insn): number => code & 0xe0;

/** With {@link memRegister}'s option: the register is sign-extended, from 64 bits. */
const SXTX = 0x8000;

/** Whether an access holds the offset: not negative, a multiple of its size, 12 bits (`is_lsi_offset`). */
const isScaled = (off: number, log2: number): boolean =>
  off >= 0 && off <= 0xfff << log2 && (off & ((1 << log2) - 1)) === 0;

/** An access at `base` + `off`; of the BPF stack from sp. `spare` takes the offset where the instruction cannot. */
function access(e: Emission, log2: number, opc: number, reg: number, base: number, off: number, spare: number): void {
  const onStack = base === FRAME_POINTER;
  const scaled = onStack ? off + e.unit.stackBytes : off;
  if (isScaled(scaled, log2)) {
    e.emit(memScaled(log2, opc, reg, onStack ? SP : base, scaled >> log2));
  } else {
    constant32(e, X, spare, off);
    // Signed loads take the offset as if it had to be extended.
    const word = memRegister(log2, opc, reg, base, spare);
    e.emit(opc === LOAD_SIGNED ? word | SXTX : word);
  }
}

/** Base of an access; of one in an arena the arena's with the register's value added. */
function baseOf(e: Emission, insn: Insn, reg: number): number {
  if (modeOf(insn) !== BPF_PROBE_MEM32) return reg;
  e.emit(add(X, T2, reg, ARENA));
  return T2;
}

function lowerLoad(e: Emission, insn: Insn): void {
  const mode = modeOf(insn);
  const reg = REGISTERS[insn.dst];
  const signed = mode === BPF_MEMSX || mode === BPF_PROBE_MEMSX;
  const base = baseOf(e, insn, REGISTERS[insn.src]);
  access(e, log2Of(insn), signed ? LOAD_SIGNED : LOAD, reg, base, insn.off, T1);
  if (mode !== BPF_MEM && mode !== BPF_MEMSX) e.mayFault(reg);
}

function lowerStore(e: Emission, insn: Insn): void {
  const base = baseOf(e, insn, REGISTERS[insn.dst]);
  if ((insn.code & 7) === BPF_ST) {
    constant32(e, X, T1, insn.imm);
    access(e, log2Of(insn), STORE, T1, base, insn.off, T2);
  } else access(e, log2Of(insn), STORE, REGISTERS[insn.src], base, insn.off, T1);
  if (modeOf(insn) === BPF_PROBE_MEM32) e.mayFault(undefined);
}

function lowerLdImm64(e: Emission, insn: Insn): void {
  const reg = REGISTERS[insn.dst];
  const subprog = e.unit.func.funcRefs.get(e.slot);
  if (subprog === undefined) {
    constant64(e, reg, e.next?.imm ?? 0, insn.imm);
  } else {
    const { callees } = e;
    const { start } = e.unit.env.space.layout.modules;
    address(e, reg, callees === undefined ? start : calleeAt(callees, subprog).bpfFunc);
  }
  e.offsets[++e.slot] = e.idx;
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
  // The firmware's affair.
  [NOSPEC, () => {}],
];
