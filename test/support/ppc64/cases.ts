import { PREFIXED_ROWS } from '../../../src/engine/emu-ppc64/prefixed.ts';
import type { Level, Row } from '../../../src/engine/emu-ppc64/row.ts';
import { allRows } from '../../../src/engine/emu-ppc64/rows.ts';
import { Random } from '../random.ts';

/** Registers as a case knows them: r0..r31, then these. */
export const CR = 32;
export const XER = 33;
export const LR = 34;
export const CTR = 35;
export const REGS = 36;
export const REG_NAMES: readonly string[] = [
  ...Array.from({ length: 32 }, (_, n) => `r${n}`),
  'cr',
  'xer',
  'lr',
  'ctr',
];

/** Bytes of memory a case may touch, and of code it may have. */
export const CELL_BYTES = 256;
export const STUB_WORDS = 8;
/** Where the code of cases begins: within reach of absolute branches. */
export const STUBS_ADDR = 0x1001000;
/** Where control leaves a case: by its end, and by its branch being taken. */
export const EXIT_ADDR = 0x1000800;
export const TAKEN_ADDR = 0x1000804;
/** Where the memory of cases begins. */
export const CELLS_ADDR = 0x10000;

/** One instruction, sometimes with one before it, in a state of its own. */
export interface Case {
  readonly name: string;
  readonly words: readonly number[];
  readonly regs: readonly bigint[];
  readonly memory: Uint8Array;
  /** Where it is, in words. */
  readonly stubAddr: number;
  readonly cellAddr: number;
}

const EDGES: readonly bigint[] = [
  0n,
  1n,
  2n,
  -1n,
  -2n,
  0x7fffffffn,
  0x80000000n,
  0xffffffffn,
  0x100000000n,
  0x7fffffffffffffffn,
  -0x8000000000000000n,
  -0x80000000n,
  0x8000000080000000n,
  0xffn,
  0x8000n,
];

/** A value of 64 bits such as break arithmetic: edges, small counts, one-word values, and plain noise. */
function interesting(random: Random): bigint {
  const makers: readonly (() => bigint)[] = [
    () => random.pick(EDGES),
    () => random.pick(EDGES) + BigInt(random.between(-2, 2)),
    () => BigInt(random.below(140)),
    () => BigInt(random.i32()),
    () => BigInt(random.u32()) << BigInt(random.below(33)),
    () => random.u64(),
    () => random.u64(),
  ];
  return wrap(random.pick(makers)());
}

const wrap = (value: bigint | number): bigint => BigInt.asUintN(64, BigInt(value));
const branch = (from: number, to: number): number => ((18 << 26) | ((to - from) & 0x3fffffc)) >>> 0;

/** Instructions without an outcome to compare, or whose outcome is time. */
const UNFIT = /^(mftb|bctar)$/;
const UPDATES = /^(l.*u|l.*ux|st.*u|st.*ux)$/;

/** What cases can be made of: a row, or one of the prefixed instructions. */
export interface Subject {
  readonly name: string;
  readonly since: Level;
  make(random: Random, stubAddr: number, cellAddr: number): Omit<Case, 'stubAddr' | 'cellAddr'> | undefined;
}

function randomRegs(random: Random): bigint[] {
  const regs = Array.from({ length: REGS }, () => interesting(random));
  regs[CR] = BigInt(random.u32());
  // SO, OV, CA, and the byte count.
  regs[XER] = BigInt(((random.u32() & 0xe0000000) >>> 0) + random.below(128));
  return regs;
}
const randomMemory = (random: Random): Uint8Array => Uint8Array.from({ length: CELL_BYTES }, () => random.u32());

type Fields = Record<string, number>;

function assemble(row: Row, fields: Fields): number {
  let word = row.value;
  for (const { name, shift, mask } of row.fields) word |= (fields[name] & mask) << shift;
  return word >>> 0;
}

const signed = (value: number, bits: number): number => (value << (32 - bits)) >> (32 - bits);

/** Address registers so that the access falls into the cell; false when the fields do not allow it. */
function aim(row: Row, fields: Fields, regs: bigint[], random: Random, cellAddr: number): boolean {
  const ra = fields.ra ?? fields.ra0;
  const aligned = /arx$|cx\.$/.test(row.name);
  const size = row.sizeBytes;
  const off = row.name === 'dcbz' ? random.below(CELL_BYTES) : 64 + random.below(128);
  const target = BigInt(cellAddr + (aligned ? off & -size : off));
  if (ra === 0) return false;
  if (fields.rb !== undefined) {
    if (fields.rb === ra) return false;
    regs[ra] = wrap(target - regs[fields.rb]);
  } else {
    const disp = fields.si !== undefined ? signed(fields.si, 16) : signed(fields.ds, 14) * 4;
    regs[ra] = wrap(target - BigInt(disp));
  }
  return true;
}

function subjectOf(row: Row): Subject {
  return {
    name: row.name,
    since: row.since,
    make: (random, stubAddr, cellAddr) => {
      const fields: Fields = {};
      for (const { name, mask } of row.fields) fields[name] = random.u32() & mask;
      const regs = randomRegs(random);
      const memory = randomMemory(random);
      if (fields.spr !== undefined) fields.spr = random.pick([1 << 5, 8 << 5, 9 << 5]);
      if (/ocrf$/.test(row.name)) fields.fxm = 1 << random.below(8);
      if (row.name === 'sync') Object.assign(fields, { sy: random.below(2), sc: 0 });
      if ('th' in fields) fields.th = 0;
      const first: number[] = [];
      if (row.sizeBytes > 0) {
        if (!aim(row, fields, regs, random, cellAddr)) return undefined;
        if (UPDATES.test(row.name) && /^l/.test(row.name) && fields.ra === fields.rt) return undefined;
        // The special case of a new stack frame is checked elsewhere.
        if (/^stdux?$/.test(row.name) && fields.ra === 1 && fields.rs === 1) return undefined;
        if (/cx\.$/.test(row.name) && random.below(4) > 0) {
          const load = allRows().find(r => /arx$/.test(r.name) && r.sizeBytes === row.sizeBytes)!;
          // Now and then the reservation is for the neighbour.
          if (random.below(8) === 0) regs[fields.rb] = wrap(regs[fields.rb] + BigInt(row.sizeBytes));
          const rt = Array.from({ length: 32 }, (_, n) => n).find(
            n => n !== fields.ra0 && n !== fields.rb && n !== fields.rs,
          )!;
          first.push(assemble(load, { rt, ra0: fields.ra0, rb: fields.rb, eh: 0 }));
        }
      }
      if (/^b/.test(row.name) && 'lk' in fields) return makeBranch(row, fields, regs, memory, random, stubAddr);
      return {
        name: row.name,
        words: [...first, assemble(row, fields), branch(stubAddr + 4 * (first.length + 1), EXIT_ADDR)],
        regs,
        memory,
      };
    },
  };
}

/** Word 0 branches to word 3, which leaves by the other door, or falls through. */
function makeBranch(
  row: Row,
  fields: Fields,
  regs: bigint[],
  memory: Uint8Array,
  random: Random,
  stubAddr: number,
): Omit<Case, 'stubAddr' | 'cellAddr'> | undefined {
  const target = stubAddr + 12;
  if (random.below(2) === 0) regs[CTR] = BigInt(random.pick([0, 1, 2]));
  if (row.name === 'b') fields.li = (fields.aa !== 0 ? target : 12) >> 2;
  else if (row.name === 'bc') Object.assign(fields, { aa: 0, bd: 3 });
  else if (row.name === 'bclr') regs[LR] = BigInt(target + random.below(4));
  else {
    if ((fields.bo & 4) === 0) return undefined;
    regs[CTR] = BigInt(target + random.below(4));
  }
  const words = [assemble(row, fields), branch(stubAddr + 4, EXIT_ADDR), 0x60000000, branch(stubAddr + 12, TAKEN_ADDR)];
  return { name: row.name, words, regs, memory };
}

function prefixedSubject(row: (typeof PREFIXED_ROWS)[number]): Subject {
  return {
    name: row.name,
    since: 10,
    make: (random, stubAddr, cellAddr) => {
      const regs = randomRegs(random);
      const rt = random.below(32);
      let ra = random.below(32);
      const relative = random.below(4) === 0;
      let disp = BigInt.asIntN(34, random.u64());
      if (row.sizeBytes > 0) {
        const target = BigInt(cellAddr + 64 + random.below(128));
        if (relative) disp = target - BigInt(stubAddr);
        else if (ra === 0) disp = target;
        else regs[ra] = wrap(target - disp);
      }
      if (relative) ra = 0;
      const d0 = Number(BigInt.asUintN(18, disp >> 16n));
      const prefix = ((1 << 26) | (row.type << 24) | ((relative ? 1 : 0) << 20) | d0) >>> 0;
      const suffix = ((row.opcode << 26) | (rt << 21) | (ra << 16) | Number(BigInt.asUintN(16, disp))) >>> 0;
      const words = [prefix, suffix, branch(stubAddr + 8, EXIT_ADDR)];
      return { name: row.name, words, regs, memory: randomMemory(random) };
    },
  };
}

/** Every instruction there are cases of. */
export function subjects(): readonly Subject[] {
  return [
    ...allRows()
      .filter(row => !UNFIT.test(row.name))
      .map(subjectOf),
    ...PREFIXED_ROWS.map(prefixedSubject),
  ];
}

/** `each` cases of every instruction the generation has. */
export function makeCases(level: Level, each: number, seed: number): Case[] {
  const cases: Case[] = [];
  subjects().forEach((subject, number) => {
    if (subject.since > level) return;
    const random = new Random(seed + 7919 * number);
    for (let made = 0; made < each; ) {
      const stubAddr = STUBS_ADDR + 4 * STUB_WORDS * cases.length;
      const cellAddr = CELLS_ADDR + CELL_BYTES * cases.length;
      const body = subject.make(random, stubAddr, cellAddr);
      if (body === undefined) continue;
      cases.push({ ...body, stubAddr, cellAddr });
      made++;
    }
  });
  return cases;
}
