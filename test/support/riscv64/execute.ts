import type { RiscvCpu } from './cpu.ts';

const s64 = (value: bigint): bigint => BigInt.asIntN(64, value);
const u64 = (value: bigint): bigint => BigInt.asUintN(64, value);
const s32 = (value: bigint): bigint => BigInt.asIntN(32, value);
const u32 = (value: bigint): bigint => BigInt.asUintN(32, value);

const reverse = (value: bigint): bigint => {
  let out = 0n;
  for (let k = 0n; k < 64n; k += 8n) out = (out << 8n) | ((value >> k) & 0xffn);
  return out;
};

const quotient = (a: bigint, b: bigint): bigint => (b === 0n ? -1n : a / b);
const remainder = (a: bigint, b: bigint): bigint => (b === 0n ? a : a % b);

type Binary = (a: bigint, b: bigint) => bigint;
/** By funct7 << 3 | funct3. Operands unsigned. */
const OP: Readonly<Record<number, Binary>> = {
  0: (a, b) => a + b,
  256: (a, b) => a - b,
  1: (a, b) => a << (b & 63n),
  2: (a, b) => (s64(a) < s64(b) ? 1n : 0n),
  3: (a, b) => (a < b ? 1n : 0n),
  4: (a, b) => a ^ b,
  5: (a, b) => a >> (b & 63n),
  261: (a, b) => s64(a) >> (b & 63n),
  6: (a, b) => a | b,
  7: (a, b) => a & b,
  8: (a, b) => a * b,
  12: (a, b) => quotient(s64(a), s64(b)),
  13: (a, b) => quotient(a, b),
  14: (a, b) => remainder(s64(a), s64(b)),
  15: (a, b) => remainder(a, b),
};
const OP_ZBA: Readonly<Record<number, Binary>> = {
  130: (a, b) => (a << 1n) + b,
  132: (a, b) => (a << 2n) + b,
  134: (a, b) => (a << 3n) + b,
};
const OP32: Readonly<Record<number, Binary>> = {
  0: (a, b) => s32(a + b),
  256: (a, b) => s32(a - b),
  1: (a, b) => s32(a << (b & 31n)),
  5: (a, b) => s32(u32(a) >> (b & 31n)),
  261: (a, b) => s32(a) >> (b & 31n),
  8: (a, b) => s32(a * b),
  12: (a, b) => s32(quotient(s32(a), s32(b))),
  13: (a, b) => s32(quotient(u32(a), u32(b))),
  14: (a, b) => s32(remainder(s32(a), s32(b))),
  15: (a, b) => s32(remainder(u32(a), u32(b))),
};
const OP32_ZBA: Readonly<Record<number, Binary>> = {
  32: (a, b) => u32(a) + b,
  36: a => a & 0xffffn,
};

function immediate(cpu: RiscvCpu, f3: number, a: bigint, imm: number): bigint | undefined {
  const shift = BigInt(imm & 63);
  const high = (imm >> 6) & 63;
  switch (f3) {
    case 0:
      return a + BigInt(imm);
    case 2:
      return s64(a) < BigInt(imm) ? 1n : 0n;
    case 3:
      return a < u64(BigInt(imm)) ? 1n : 0n;
    case 4:
      return a ^ u64(BigInt(imm));
    case 6:
      return a | u64(BigInt(imm));
    case 7:
      return a & u64(BigInt(imm));
    case 1:
      if (high === 0) return a << shift;
      if (cpu.bits && (imm & 0xfff) === 0x604) return BigInt.asIntN(8, a);
      return cpu.bits && (imm & 0xfff) === 0x605 ? BigInt.asIntN(16, a) : undefined;
    default:
      if (high === 0) return a >> shift;
      if (high === 0x10) return s64(a) >> shift;
      if (cpu.bits && high === 0x18) return (a >> shift) | (a << (64n - shift));
      return cpu.bits && (imm & 0xfff) === 0x6b8 ? reverse(a) : undefined;
  }
}

function immediate32(cpu: RiscvCpu, f3: number, a: bigint, imm: number): bigint | undefined {
  const shift = BigInt(imm & 31);
  if (f3 === 0) return s32(a + BigInt(imm));
  if (f3 === 1 && cpu.bits && imm >> 6 === 2) return u32(a) << BigInt(imm & 63);
  if ((imm & 0x20) !== 0) return undefined;
  if (f3 === 1) return imm >> 6 === 0 ? s32(a << shift) : undefined;
  if (f3 !== 5) return undefined;
  return imm >> 6 === 0 ? s32(u32(a) >> shift) : imm >> 6 === 0x10 ? s32(a) >> shift : undefined;
}

const TAKEN: Readonly<Record<number, (a: bigint, b: bigint) => boolean>> = {
  0: (a, b) => a === b,
  1: (a, b) => a !== b,
  4: (a, b) => s64(a) < s64(b),
  5: (a, b) => s64(a) >= s64(b),
  6: (a, b) => a < b,
  7: (a, b) => a >= b,
};

const AMO: Readonly<Record<number, Binary>> = {
  0: (a, b) => a + b,
  1: (_, b) => b,
  4: (a, b) => a ^ b,
  8: (a, b) => a | b,
  12: (a, b) => a & b,
};

function atomic(cpu: RiscvCpu, word: number, rd: number, address: bigint, operand: bigint): boolean {
  const f3 = (word >> 12) & 7;
  if (f3 !== 2 && f3 !== 3) return false;
  const bytes = f3 === 2 ? 4 : 8;
  if (address % BigInt(bytes) !== 0n) throw cpu.fault('trap', 'an atomic access that is not aligned', address, bytes);
  const op = word >>> 27;
  const extend = (value: bigint): bigint => (bytes === 4 ? s32(value) : value);
  if (op === 3) {
    // Reservations get lost.
    if (cpu.reservation !== address || ++cpu.conditionalStores % 3 === 0) cpu.set(rd, 1n);
    else if (cpu.write(address, bytes, operand)) cpu.set(rd, 0n);
    cpu.reservation = undefined;
    return true;
  }
  const old = cpu.read(address, bytes);
  if (old === undefined) return true;
  if (op === 2) {
    cpu.reservation = address;
    cpu.set(rd, extend(old));
    return true;
  }
  const combine = AMO[op];
  if (combine === undefined) return false;
  if (cpu.write(address, bytes, combine(old, operand))) cpu.set(rd, extend(old));
  return true;
}

/** Executes one instruction; false where there is none like it. */
export function execute(cpu: RiscvCpu, word: number): boolean {
  const rd = (word >> 7) & 31;
  const f3 = (word >> 12) & 7;
  const a = cpu.x[(word >> 15) & 31];
  const b = cpu.x[(word >> 20) & 31];
  const imm = word >> 20;
  const result = (value: bigint | undefined): boolean => {
    if (value !== undefined) cpu.set(rd, value);
    return value !== undefined;
  };
  const key = ((word >>> 25) << 3) | f3;
  switch (word & 0x7f) {
    case 0x33:
      return result((OP[key] ?? (cpu.bits ? OP_ZBA[key] : undefined))?.(a, b));
    case 0x3b:
      return result((OP32[key] ?? (cpu.bits ? OP32_ZBA[key] : undefined))?.(a, b));
    case 0x13:
      return result(immediate(cpu, f3, a, imm));
    case 0x1b:
      return result(immediate32(cpu, f3, a, imm));
    case 0x37:
      return result(BigInt((word & 0xfffff000) | 0));
    case 0x17:
      return result(cpu.pc + BigInt((word & 0xfffff000) | 0));
    case 0x03: {
      if (f3 === 7) return false;
      const bytes = 1 << (f3 & 3);
      const value = cpu.read(u64(a + BigInt(imm)), bytes);
      if (value !== undefined) cpu.set(rd, f3 < 4 ? BigInt.asIntN(8 * bytes, value) : value);
      return true;
    }
    case 0x23: {
      if (f3 > 3) return false;
      const off = ((word >> 25) << 5) | rd;
      cpu.write(u64(a + BigInt(off)), 1 << f3, b);
      return true;
    }
    case 0x63: {
      const off =
        ((word >> 31) << 12) | (((word >> 7) & 1) << 11) | (((word >> 25) & 63) << 5) | (((word >> 8) & 15) << 1);
      const taken = TAKEN[f3];
      if (taken?.(a, b) === true) cpu.next = u64(cpu.pc + BigInt(off));
      return taken !== undefined;
    }
    case 0x6f: {
      const off =
        ((word >> 31) << 20) |
        (((word >> 12) & 0xff) << 12) |
        (((word >> 20) & 1) << 11) |
        (((word >> 21) & 0x3ff) << 1);
      cpu.jump(rd, 0, u64(cpu.pc + BigInt(off)));
      return true;
    }
    case 0x67:
      cpu.jump(rd, (word >> 15) & 31, u64(a + BigInt(imm)) & ~1n);
      return f3 === 0;
    case 0x2f:
      return atomic(cpu, word, rd, a, b);
    case 0x0f:
      return true;
    default:
      return false;
  }
}
