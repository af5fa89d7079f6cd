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
import { hi32, lo32 } from '../../../util/index.ts';
import { ADD, alu, BYTE_REG, CC, CMP, JCC8, JMP8, lfence, mov, NONE, rmDisp, rr, SUB, W } from '../encode.ts';
import { calleeAt } from './call.ts';
import { constant32, constant64 } from './constant.ts';
import type { Emission, LoweringRow } from './emission.ts';
import { ARENA, AUX, AX, REGISTERS } from './registers.ts';

/** Flags and opcode of an access, and how many bytes of a constant it takes. */
type Form = readonly [flags: number, op: number, immBytes: number];

const SIZES = [BPF_W, BPF_H, BPF_B, BPF_DW] as const;
/** By the size bits of a code. Loads of bytes and halfwords have 64-bit results. */
const LOADS: readonly Form[] = [
  [0, 0x8b, 0],
  [W, 0x0fb7, 0],
  [W, 0x0fb6, 0],
  [W, 0x8b, 0],
];
const ARENA_LOADS: readonly Form[] = [
  [0, 0x8b, 0],
  [0, 0x0fb7, 0],
  [0, 0x0fb6, 0],
  [W, 0x8b, 0],
];
const SIGNED_LOADS: readonly Form[] = [
  [W, 0x63, 0],
  [W, 0x0fbf, 0],
  [W, 0x0fbe, 0],
  [W, 0x8b, 0],
];
const STORES: readonly Form[] = [
  [0, 0x89, 0],
  [0, 0x66000089, 0],
  [BYTE_REG, 0x88, 0],
  [W, 0x89, 0],
];
const STORES_IMM: readonly Form[] = [
  [0, 0xc7, 4],
  [0, 0x660000c7, 2],
  [0, 0xc6, 1],
  [W, 0xc7, 4],
];

const formOf = (forms: readonly Form[], insn: Insn): Form => forms[(insn.code & 0x18) >> 3];

function load(e: Emission, insn: Insn, [flags, op]: Form, index: number): void {
  rmDisp(e.c, flags, op, REGISTERS[insn.dst], REGISTERS[insn.src], insn.off, index);
}

function store(e: Emission, insn: Insn, [flags, op]: Form, index: number): void {
  rmDisp(e.c, flags, op, REGISTERS[insn.src], REGISTERS[insn.dst], insn.off, index);
}

function storeImm({ c }: Emission, insn: Insn, [flags, op, immBytes]: Form, index: number): void {
  rmDisp(c, flags, op, 0, REGISTERS[insn.dst], insn.off, index);
  if (immBytes === 1) c.u8(insn.imm & 0xff);
  else if (immBytes === 2) c.u16(insn.imm & 0xffff);
  else c.u32(insn.imm);
}

/** Offsets of R0 … R9 in `struct pt_regs`. */
const PT_REGS = [80, 112, 104, 96, 88, 72, 40, 16, 8, 0] as const;
const CLEARS_NOTHING = 1;

/** A fault of the instruction written since `start` goes on behind it, with a register cleared. */
export function mayFault(e: Emission, start: number, clears: number | undefined): void {
  e.extable.push({ insnOff: start, fixupOff: e.c.length });
  e.extableClears.push(clears === undefined ? CLEARS_NOTHING : PT_REGS[clears]);
}

/** `VSYSCALL_ADDR` */
const VSYSCALL = -0xa00000n;

/**
 * A load only from addresses above user space and below the vsyscall page; from others the result is 0. Both limits in
 * one unsigned comparison, of the distance from the upper one.
 */
function lowerProbe(e: Emission, insn: Insn, forms: readonly Form[]): void {
  const { c } = e;
  const reg = REGISTERS[insn.dst];
  constant64(c, AX, hi32(VSYSCALL), lo32(VSYSCALL));
  mov(c, W, AUX, REGISTERS[insn.src]);
  if (insn.off !== 0) {
    rr(c, W, 0x81, ADD, AUX);
    c.u32(insn.off);
  }
  alu(c, W, SUB, AUX, AX);
  const limit = BigInt.asIntN(64, e.unit.env.userLimit - VSYSCALL);
  constant64(c, AX, hi32(limit), lo32(limit));
  alu(c, W, CMP, AUX, AX);
  c.u8(JCC8 | CC.a);
  c.u8(0);
  const guarded = c.length;
  constant32(c, reg, 0, false);
  c.u8(JMP8);
  c.u8(0);
  const start = c.length;
  c.patchU8(guarded - 1, start - guarded);
  load(e, insn, formOf(forms, insn), NONE);
  c.patchU8(start - 1, c.length - start);
  mayFault(e, start, insn.dst);
}

function lowerLdImm64(e: Emission, insn: Insn): void {
  const reg = REGISTERS[insn.dst];
  const subprog = e.unit.func.funcRefs.get(e.slot);
  if (subprog === undefined) {
    constant64(e.c, reg, e.next?.imm ?? 0, insn.imm);
  } else {
    // Before addresses are known: the start of where images go, which has as many bytes.
    const { callees } = e;
    const addr = callees === undefined ? e.unit.env.space.layout.modules.start : calleeAt(callees, subprog).bpfFunc;
    constant64(e.c, reg, hi32(addr), lo32(addr));
  }
  e.slot++;
}

export const MEMORY_ROWS: readonly LoweringRow[] = [
  ...SIZES.flatMap((size): LoweringRow[] => [
    [BPF_ST | BPF_MEM | size, (e, insn) => storeImm(e, insn, formOf(STORES_IMM, insn), NONE)],
    [BPF_STX | BPF_MEM | size, (e, insn) => store(e, insn, formOf(STORES, insn), NONE)],
    [BPF_LDX | BPF_MEM | size, (e, insn) => load(e, insn, formOf(LOADS, insn), NONE)],
    [BPF_LDX | BPF_PROBE_MEM | size, (e, insn) => lowerProbe(e, insn, LOADS)],
    [
      BPF_ST | BPF_PROBE_MEM32 | size,
      (e, insn) => {
        const start = e.c.length;
        storeImm(e, insn, formOf(STORES_IMM, insn), ARENA);
        mayFault(e, start, undefined);
      },
    ],
    [
      BPF_STX | BPF_PROBE_MEM32 | size,
      (e, insn) => {
        const start = e.c.length;
        store(e, insn, formOf(STORES, insn), ARENA);
        mayFault(e, start, undefined);
      },
    ],
    [
      BPF_LDX | BPF_PROBE_MEM32 | size,
      (e, insn) => {
        const start = e.c.length;
        load(e, insn, formOf(ARENA_LOADS, insn), ARENA);
        mayFault(e, start, insn.dst);
      },
    ],
  ]),
  ...[BPF_W, BPF_H, BPF_B].flatMap((size): LoweringRow[] => [
    [BPF_LDX | BPF_MEMSX | size, (e, insn) => load(e, insn, formOf(SIGNED_LOADS, insn), NONE)],
    [BPF_LDX | BPF_PROBE_MEMSX | size, (e, insn) => lowerProbe(e, insn, SIGNED_LOADS)],
  ]),
  [LD_IMM64, lowerLdImm64],
  [NOSPEC, ({ c }) => lfence(c)],
];
