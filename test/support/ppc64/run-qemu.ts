import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ElfWriter } from '../../../src/elf/index.ts';
import type { ByteOrder } from '../../../src/util/index.ts';
import {
  type Case,
  CELL_BYTES,
  CELLS_ADDR,
  CR,
  CTR,
  EXIT_ADDR,
  LR,
  REGS,
  STUBS_ADDR,
  TAKEN_ADDR,
  XER,
} from './cases.ts';
import { type Outcome, stubBytes } from './run-emulated.ts';

const EM_PPC64 = 21;
const ELFV2 = 2;
const ET_EXEC = 2;
const PT_LOAD = 1;

/** Where the runner's code and the table of states lie. */
const RUNNER_ADDR = 0x1000000;
const TABLE_ADDR = 0x20000000;

/**
 * A record of the table: the registers of a case, where it begins, and whether its branch was taken. The runner loads
 * them, goes there, and puts back what it finds.
 */
const RECORD = { start: REGS, taken: REGS + 1, words: 40 } as const;
const RECORD_BYTES = 8 * RECORD.words;

// VSX registers the runner keeps its own state in while all of r0..r31 belong to the case.
const [ONE, ZERO, TAKEN, END, SPARE, AT] = [26, 27, 28, 29, 30, 31];
const TAR = 815;

const d = (op: number, rt: number, ra: number, imm: number): number =>
  ((op << 26) | (rt << 21) | (ra << 16) | (imm & 0xffff)) >>> 0;
const addi = (rt: number, ra: number, imm: number): number => d(14, rt, ra, imm);
const lis = (rt: number, imm: number): number => d(15, rt, 0, imm);
const ori = (ra: number, rs: number, imm: number): number => d(24, rs, ra, imm);
const ld = (rt: number, ra: number, disp: number): number => d(58, rt, ra, disp);
const std = (rs: number, ra: number, disp: number): number => d(62, rs, ra, disp);
const x = (rt: number, ra: number, rb: number, xo: number): number =>
  ((31 << 26) | (rt << 21) | (ra << 16) | (rb << 11) | (xo << 1)) >>> 0;
const spr = (n: number): [number, number] => [n & 31, n >> 5];
const mtspr = (n: number, rs: number): number => x(rs, ...spr(n), 467);
const mfspr = (rt: number, n: number): number => x(rt, ...spr(n), 339);
const mtvsrd = (v: number, ra: number): number => x(v, ra, 0, 179);
const mfvsrd = (ra: number, v: number): number => x(v, ra, 0, 51);
const fmr = (ft: number, fb: number): number => ((63 << 26) | (ft << 21) | (fb << 11) | (72 << 1)) >>> 0;
const bctar = ((19 << 26) | (20 << 21) | (560 << 1)) >>> 0;
const cmpd = (ra: number, rb: number): number => x(1, ra, rb, 0);
const sc = 0x44000002;
const at = (n: number): number => 8 * n;
const hi = (addr: number): number => addr >> 16;

/** Writes `bytes` from r31 to standard output, however often it takes. */
function writeAll(addr: number, bytes: number): number[] {
  return [
    lis(31, hi(addr)),
    ori(31, 31, addr & 0xffff),
    lis(30, hi(bytes)),
    ori(30, 30, bytes & 0xffff),
    addi(0, 0, 4),
    addi(3, 0, 1),
    ori(4, 31, 0),
    ori(5, 30, 0),
    sc,
    x(31, 31, 3, 266), // add r31,r31,r3
    x(30, 3, 30, 40), // subf r30,r3,r30
    d(11, 1, 30, 0), // cmpdi r30,0
    ((16 << 26) | (12 << 21) | (1 << 16) | (-32 & 0xfffc)) >>> 0, // bgt back to addi r0
  ];
}

function runnerWords(caseCount: number): number[] {
  const end = TABLE_ADDR + RECORD_BYTES * caseCount;
  const begin = [
    lis(1, hi(TABLE_ADDR)),
    mtvsrd(AT, 1),
    lis(2, hi(end)),
    ori(2, 2, end & 0xffff),
    mtvsrd(END, 2),
    addi(3, 0, 0),
    mtvsrd(ZERO, 3),
    addi(3, 0, 1),
    mtvsrd(ONE, 3),
  ];
  const others = Array.from({ length: 31 }, (_, n) => (n === 0 ? 0 : n + 1));
  const loop = [
    mfvsrd(1, AT),
    fmr(TAKEN, ZERO),
    ld(2, 1, at(RECORD.start)),
    mtspr(TAR, 2),
    ld(2, 1, at(CR)),
    x(2, 0x1f >> 1, 0x1e, 144), // mtcrf 0xff,r2
    ld(2, 1, at(XER)),
    mtspr(1, 2),
    ld(2, 1, at(LR)),
    mtspr(8, 2),
    ld(2, 1, at(CTR)),
    mtspr(9, 2),
    ...others.map(n => ld(n, 1, at(n))),
    ld(1, 1, at(1)),
    bctar,
  ];
  const save = [
    mtvsrd(SPARE, 1),
    mfvsrd(1, AT),
    ...others.map(n => std(n, 1, at(n))),
    mfvsrd(2, SPARE),
    std(2, 1, at(1)),
    x(2, 0, 0, 19), // mfcr r2
    std(2, 1, at(CR)),
    mfspr(2, 1),
    std(2, 1, at(XER)),
    mfspr(2, 8),
    std(2, 1, at(LR)),
    mfspr(2, 9),
    std(2, 1, at(CTR)),
    mfvsrd(2, TAKEN),
    std(2, 1, at(RECORD.taken)),
    addi(1, 1, RECORD_BYTES),
    mtvsrd(AT, 1),
    mfvsrd(2, END),
    cmpd(1, 2),
  ];
  const finish = [
    ...writeAll(TABLE_ADDR, RECORD_BYTES * caseCount),
    ...writeAll(CELLS_ADDR, CELL_BYTES * caseCount),
    addi(0, 0, 1),
    addi(3, 0, 0),
    sc,
  ];
  const words = new Array<number>((EXIT_ADDR - RUNNER_ADDR) / 4).fill(0x60000000);
  [...begin, ...loop].forEach((word, i) => {
    words[i] = word;
  });
  // Two doors: by one the branch was not taken, by the other it was.
  const exit = words.length;
  words.push(branch(exit, exit + 3), fmr(TAKEN, ONE), 0x60000000);
  words.push(...save);
  words.push(((16 << 26) | (12 << 21) | ((4 * (begin.length - words.length)) & 0xfffc)) >>> 0); // blt loop
  words.push(...finish);
  return words;
}
const branch = (from: number, to: number): number => ((18 << 26) | ((4 * (to - from)) & 0x3fffffc)) >>> 0;

/** A static executable that runs the cases and writes the table and their memory to standard output. */
export function casesExecutable(cases: readonly Case[], order: ByteOrder): Uint8Array {
  if (TAKEN_ADDR !== EXIT_ADDR + 4) throw new Error('doors');
  const little = order === 'little';
  const words = runnerWords(cases.length);
  const runner = new Uint8Array(4 * words.length);
  const runnerView = new DataView(runner.buffer);
  words.forEach((word, i) => {
    runnerView.setUint32(4 * i, word, little);
  });
  const table = new Uint8Array(RECORD_BYTES * cases.length);
  const tableView = new DataView(table.buffer);
  const cells = new Uint8Array(CELL_BYTES * cases.length);
  cases.forEach((one, i) => {
    one.regs.forEach((value, n) => {
      tableView.setBigUint64(RECORD_BYTES * i + 8 * n, value, little);
    });
    tableView.setBigUint64(RECORD_BYTES * i + 8 * RECORD.start, BigInt(one.stubAddr), little);
    cells.set(one.memory, CELL_BYTES * i);
  });
  const elf = new ElfWriter({
    order,
    machine: EM_PPC64,
    type: ET_EXEC,
    flags: ELFV2,
    entry: RUNNER_ADDR,
    pageBytes: 65536,
  });
  const add = (name: string, addr: number, data: Uint8Array, flags: number): void => {
    const section = elf.section({ name, addr, data, flags: 2, addralign: 65536 });
    elf.segment({ type: PT_LOAD, flags, sections: [section], align: 65536 });
  };
  const text = new Uint8Array(STUBS_ADDR - RUNNER_ADDR + 32 * cases.length);
  text.set(runner);
  text.set(stubBytes(cases, order), STUBS_ADDR - RUNNER_ADDR);
  if (runner.length > STUBS_ADDR - RUNNER_ADDR) throw new Error('the runner is too long');
  add('.cells', CELLS_ADDR, cells, 6);
  add('.text', RUNNER_ADDR, text, 5);
  add('.table', TABLE_ADDR, table, 6);
  return elf.finish();
}

/** Runs each case under qemu-user. */
export function runQemu(qemu: string, cpu: string, cases: readonly Case[], order: ByteOrder): Outcome[] {
  const dir = mkdtempSync(join(tmpdir(), 'farcall-ppc64-'));
  try {
    const path = join(dir, 'cases');
    writeFileSync(path, casesExecutable(cases, order), { mode: 0o755 });
    const output = execFileSync(qemu, ['-cpu', cpu, path], { maxBuffer: 1 << 30 });
    const view = new DataView(output.buffer, output.byteOffset, output.length);
    const little = order === 'little';
    return cases.map((_, i) => {
      const word = (n: number): bigint => view.getBigUint64(RECORD_BYTES * i + 8 * n, little);
      const start = RECORD_BYTES * cases.length + CELL_BYTES * i;
      return {
        regs: Array.from({ length: REGS }, (_, n) => word(n)),
        memory: new Uint8Array(output.subarray(start, start + CELL_BYTES)),
        taken: word(RECORD.taken) !== 0n,
      };
    });
  } finally {
    rmSync(dir, { recursive: true });
  }
}
