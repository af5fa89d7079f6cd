import { BPF_ALU, BPF_ALU64, BPF_K, BPF_X, type Insn } from '../../../isa/index.ts';
import { JitError } from '../../types.ts';
import {
  add,
  addi,
  and,
  andiDot,
  divd,
  divdu,
  divw,
  divwu,
  extsb,
  extsh,
  extsw,
  li,
  mr,
  mulld,
  mulli,
  mullw,
  neg,
  or,
  ori,
  oris,
  rlwinm,
  sld,
  sldi,
  slw,
  slwi,
  srad,
  sradi,
  sraw,
  srawi,
  srd,
  srdi,
  srw,
  srwi,
  sub,
  xor,
  xori,
  xoris,
} from '../encode.ts';
import type { Emission, LoweringRow } from './emission.ts';
import { REGISTERS, T1, T2 } from './registers.ts';

type ThreeRegs = (rt: number, ra: number, rb: number) => number;

/** What follows a 32-bit operation: clear the high half, or take in a following zero extension, as it is clear already. */
type Narrow = 'truncate' | 'absorb';

interface BinaryRow {
  /** Operation bits of the code. */
  readonly op: number;
  readonly wide: ThreeRegs;
  readonly narrow: ThreeRegs;
  readonly after: Narrow;
  /** Emits the operation with a constant and says so, or false: the constant goes to a register first. */
  immediate(e: Emission, reg: number, imm: number, wide: boolean): boolean;
}

const isS16 = (value: number) => value >= -32768 && value < 32768;

/** An `or` or `xor` by halves; those that are 0 change nothing. */
function byHalves(
  low: (ra: number, rs: number, ui: number) => number,
  high: (ra: number, rs: number, ui: number) => number,
) {
  return (e: Emission, reg: number, imm: number, wide: boolean): boolean => {
    // Sign extension would have to reach the upper 32 bits.
    if (imm < 0 && wide) return false;
    if ((imm & 0xffff) !== 0) e.emit(low(reg, reg, imm));
    if (imm >>> 16 !== 0) e.emit(high(reg, reg, imm >>> 16));
    return true;
  };
}

/** A shift: by 0 a 32-bit one still clears the high half. */
function shift(
  wideShift: (ra: number, rs: number, sh: number) => number,
  narrowShift: (ra: number, rs: number, sh: number) => number,
) {
  return (e: Emission, reg: number, imm: number, wide: boolean): boolean => {
    if (!wide) e.emit(narrowShift(reg, reg, imm));
    else if (imm !== 0) e.emit(wideShift(reg, reg, imm));
    return true;
  };
}

const BINARY: readonly BinaryRow[] = [
  {
    op: 0x00,
    wide: add,
    narrow: add,
    after: 'truncate',
    immediate(e, reg, imm) {
      if (!isS16(imm)) return false;
      if (imm !== 0) e.emit(addi(reg, reg, imm));
      return true;
    },
  },
  {
    op: 0x10,
    wide: sub,
    narrow: sub,
    after: 'truncate',
    immediate(e, reg, imm) {
      if (!isS16(-imm)) return false;
      if (imm !== 0) e.emit(addi(reg, reg, -imm));
      return true;
    },
  },
  {
    op: 0x20,
    wide: mulld,
    narrow: mullw,
    after: 'truncate',
    immediate(e, reg, imm) {
      if (!isS16(imm)) return false;
      e.emit(mulli(reg, reg, imm));
      return true;
    },
  },
  { op: 0x40, wide: or, narrow: or, after: 'truncate', immediate: byHalves(ori, oris) },
  {
    op: 0x50,
    wide: and,
    narrow: and,
    after: 'truncate',
    immediate(e, reg, imm) {
      if (imm >>> 16 !== 0) return false;
      e.emit(andiDot(reg, reg, imm));
      return true;
    },
  },
  { op: 0x60, wide: sld, narrow: slw, after: 'absorb', immediate: shift(sldi, slwi) },
  { op: 0x70, wide: srd, narrow: srw, after: 'absorb', immediate: shift(srdi, srwi) },
  { op: 0xa0, wide: xor, narrow: xor, after: 'truncate', immediate: byHalves(xori, xoris) },
  { op: 0xc0, wide: srad, narrow: sraw, after: 'truncate', immediate: shift(sradi, srawi) },
];

function after(e: Emission, how: Narrow, reg: number): void {
  if (how === 'truncate') e.truncate(reg);
  else e.absorbZext();
}

function binaryRows(row: BinaryRow): LoweringRow[] {
  const rows: LoweringRow[] = [];
  for (const wide of [false, true]) {
    const cls = wide ? BPF_ALU64 : BPF_ALU;
    const word = wide ? row.wide : row.narrow;
    rows.push([
      cls | row.op | BPF_X,
      (e, insn) => {
        const reg = REGISTERS[insn.dst];
        e.emit(word(reg, reg, REGISTERS[insn.src]));
        if (!wide) after(e, row.after, reg);
      },
    ]);
    rows.push([
      cls | row.op | BPF_K,
      (e, insn) => {
        const reg = REGISTERS[insn.dst];
        if (!row.immediate(e, reg, insn.imm, wide)) {
          e.constant32(T1, insn.imm);
          e.emit(word(reg, reg, T1));
        }
        if (!wide) after(e, row.after, reg);
      },
    ]);
  }
  return rows;
}

/** Quotient and product by width; the quotient is signed where `off` is 1. */
const DIVISION = {
  narrow: { signed: divw, unsigned: divwu, product: mullw },
  wide: { signed: divd, unsigned: divdu, product: mulld },
} as const;

const BPF_DIV = 0x30;
const BPF_MOD = 0x90;

function divisionRows(op: number, wide: boolean): LoweringRow[] {
  const cls = wide ? BPF_ALU64 : BPF_ALU;
  const words = wide ? DIVISION.wide : DIVISION.narrow;
  const quotient = (insn: Insn) => (insn.off === 0 ? words.unsigned : words.signed);
  return [
    [
      cls | op | BPF_X,
      (e, insn) => {
        const reg = REGISTERS[insn.dst];
        const by = REGISTERS[insn.src];
        if (op === BPF_MOD) {
          e.emit(quotient(insn)(T1, reg, by));
          e.emit(words.product(T1, by, T1));
          e.emit(sub(reg, reg, T1));
        } else {
          e.emit(quotient(insn)(reg, reg, by));
        }
        if (!wide) e.truncate(reg);
      },
    ],
    [
      cls | op | BPF_K,
      (e, insn) => {
        const reg = REGISTERS[insn.dst];
        if (insn.imm === 0) throw new JitError(22, `division by 0 (@${e.slot})`);
        if (insn.imm === 1 && op === BPF_MOD) {
          e.emit(li(reg, 0));
          return;
        }
        if (insn.imm !== 1) {
          e.constant32(T1, insn.imm);
          if (op === BPF_MOD) {
            e.emit(quotient(insn)(T2, reg, T1));
            e.emit(words.product(T1, T1, T2));
            e.emit(sub(reg, reg, T1));
          } else {
            e.emit(quotient(insn)(reg, reg, T1));
          }
        }
        if (!wide) e.truncate(reg);
      },
    ],
  ];
}

/** `off` of a sign-extending move → instruction. */
const SIGN_EXTENSIONS: ReadonlyMap<number, (ra: number, rs: number) => number> = new Map([
  [8, extsb],
  [16, extsh],
  [32, extsw],
]);

function moveRows(wide: boolean): LoweringRow[] {
  const cls = wide ? BPF_ALU64 : BPF_ALU;
  return [
    [
      cls | 0xb0 | BPF_X,
      (e, insn) => {
        const reg = REGISTERS[insn.dst];
        const from = REGISTERS[insn.src];
        if (insn.imm === 1) {
          e.emit(rlwinm(reg, reg, 0, 0, 31));
          return;
        }
        if (insn.off === 0) {
          if (reg !== from) e.emit(mr(reg, from));
        } else {
          const extend = SIGN_EXTENSIONS.get(insn.off);
          if (extend === undefined)
            throw new JitError(1, `eBPF filter move with off ${insn.off} (@${e.slot}) unsupported`);
          e.emit(extend(reg, from));
        }
        if (!wide) e.truncate(reg);
      },
    ],
    [
      cls | 0xb0 | BPF_K,
      (e, insn) => {
        const reg = REGISTERS[insn.dst];
        e.constant32(reg, insn.imm);
        if (insn.imm >= 0) e.absorbZext();
        else if (!wide) e.truncate(reg);
      },
    ],
  ];
}

function negationRow(wide: boolean): LoweringRow {
  return [
    (wide ? BPF_ALU64 : BPF_ALU) | 0x80,
    (e, insn) => {
      const reg = REGISTERS[insn.dst];
      e.emit(neg(reg, reg));
      if (!wide) e.truncate(reg);
    },
  ];
}

export const ALU_ROWS: readonly LoweringRow[] = [
  ...BINARY.flatMap(binaryRows),
  ...[BPF_DIV, BPF_MOD].flatMap(op => [...divisionRows(op, false), ...divisionRows(op, true)]),
  ...[false, true].flatMap(wide => [...moveRows(wide), negationRow(wide)]),
];
