import { CALL, EXIT, GOTOL, JA, LD_IMM64, MAY_GOTO } from '../../isa/index.ts';
import * as w from './opcodes.ts';

/** How an instruction is written, in {@link FORM}; 0 is for what others write. */
export const ALU_REG = 1;
export const ALU_IMM = 2;
export const ALU32_REG = 3;
export const ALU32_IMM = 4;
export const MOVE_REG = 5;
export const MOVE32_REG = 6;
export const MOVE_IMM = 7;
export const LOAD_MEM = 8;
export const STORE_REG = 9;
export const STORE_IMM = 10;
export const COMPARE_REG = 11;
export const COMPARE_IMM = 12;
export const COMPARE32_REG = 13;
export const COMPARE32_IMM = 14;
export const CONDITION = 15;
export const GO = 16;
export const LEAVE = 17;

type Row = readonly [code: number, form: number, opcode: number];

const ALU = (
  [
    [0x00, w.I64_ADD, w.I32_ADD],
    [0x10, w.I64_SUB, w.I32_SUB],
    [0x20, w.I64_MUL, w.I32_MUL],
    [0x40, w.I64_OR, w.I32_OR],
    [0x50, w.I64_AND, w.I32_AND],
    [0x60, w.I64_SHL, w.I32_SHL],
    [0x70, w.I64_SHR_U, w.I32_SHR_U],
    [0xa0, w.I64_XOR, w.I32_XOR],
    [0xc0, w.I64_SHR_S, w.I32_SHR_S],
  ] as const
).flatMap(([op, wide, narrow]): Row[] => [
  [op | 0xf, ALU_REG, wide],
  [op | 0x7, ALU_IMM, wide],
  [op | 0xc, ALU32_REG, narrow],
  [op | 0x4, ALU32_IMM, narrow],
]);

const COMPARISONS = (
  [
    [0x10, w.I64_EQ, w.I32_EQ],
    [0x20, w.I64_GT_U, w.I32_GT_U],
    [0x30, w.I64_GE_U, w.I32_GE_U],
    [0x50, w.I64_NE, w.I32_NE],
    [0x60, w.I64_GT_S, w.I32_GT_S],
    [0x70, w.I64_GE_S, w.I32_GE_S],
    [0xa0, w.I64_LT_U, w.I32_LT_U],
    [0xb0, w.I64_LE_U, w.I32_LE_U],
    [0xc0, w.I64_LT_S, w.I32_LT_S],
    [0xd0, w.I64_LE_S, w.I32_LE_S],
  ] as const
).flatMap(([op, wide, narrow]): Row[] => [
  [op | 0xd, COMPARE_REG, wide],
  [op | 0x5, COMPARE_IMM, wide],
  [op | 0xe, COMPARE32_REG, narrow],
  [op | 0x6, COMPARE32_IMM, narrow],
]);

const ACCESSES = (
  [
    [0x10, w.I64_LOAD8_U, w.I64_STORE8],
    [0x08, w.I64_LOAD16_U, w.I64_STORE16],
    [0x00, w.I64_LOAD32_U, w.I64_STORE32],
    [0x18, w.I64_LOAD, w.I64_STORE],
  ] as const
).flatMap(([size, load, store]): Row[] => [
  [0x61 | size, LOAD_MEM, load],
  [0x63 | size, STORE_REG, store],
  [0x62 | size, STORE_IMM, store],
]);

/** jset, in both widths and from both sources, and may_goto. */
const CONDITIONS = [0x4d, 0x45, 0x4e, 0x46, MAY_GOTO].map((code): Row => [code, CONDITION, 0]);

const ROWS: readonly Row[] = [
  ...ALU,
  ...COMPARISONS,
  ...ACCESSES,
  ...CONDITIONS,
  [0xbf, MOVE_REG, 0],
  [0xbc, MOVE32_REG, 0],
  [0xb7, MOVE_IMM, 0],
  [JA, GO, 0],
  [GOTOL, GO, 0],
  [EXIT, LEAVE, 0],
];

/** By `code`. */
function byCode(rows: readonly (readonly [code: number, value: number])[]): Uint8Array {
  const table = new Uint8Array(256);
  for (const [code, value] of rows) table[code] = value;
  return table;
}

/** By `code`: how it is written. */
export const FORM = byCode(ROWS.map(([code, form]) => [code, form]));
/** By `code`: what computes, compares, loads or stores. */
export const OPCODE = byCode(ROWS.map(([code, , opcode]) => [code, opcode]));

/** What the walk that looks for jumps does with an instruction, in {@link SCANNED}; with most it does nothing. */
export const JUMPS = 1;
export const JUMPS_BY_IMM = 2;
export const MAY_JUMP = 3;
export const CALLS = 4;
export const TWO_SLOTS = 5;
export const NEEDS_GRAPH = 6;

const CALLX = 0x8d;
const GOTOX = 0x0d;
const ofClass = (class_: number, kind: number): [number, number][] =>
  Array.from({ length: 32 }, (_, op) => [(op << 3) | class_, kind]);

/** By `code`. */
export const SCANNED = byCode([
  // Packet loads.
  ...ofClass(0, CALLS),
  ...ofClass(5, JUMPS),
  ...ofClass(6, JUMPS),
  [EXIT, 0],
  [CALL, CALLS],
  [GOTOL, JUMPS_BY_IMM],
  [MAY_GOTO, MAY_JUMP],
  [LD_IMM64, TWO_SLOTS],
  [CALLX, NEEDS_GRAPH],
  [GOTOX, NEEDS_GRAPH],
]);
