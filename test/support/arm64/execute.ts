import type { Arm64Cpu } from './cpu.ts';

/*
 * A64 instructions, those the JIT emits and their nearest relatives, as the manual's pseudocode has them. Nothing here
 * is shared with the encoders.
 */

const bits = (word: number, high: number, low: number): number => (word >>> low) & (2 ** (high - low + 1) - 1);
const signed = (word: number, high: number, low: number): number => (word << (31 - high)) >> (31 - high + low);
const sext = (value: bigint, width: number): bigint => BigInt.asUintN(64, BigInt.asIntN(width, value));

/** DecodeBitMasks: the mask of logical immediates, and what bitfield moves need of it. */
function mask(n: number, immr: number, imms: number, width: number): bigint | undefined {
  const length = 31 - Math.clz32((n << 6) | (~imms & 63));
  if (length < 1) return undefined;
  const size = 1 << length;
  const [s, r] = [imms & (size - 1), immr & (size - 1)];
  if (s === size - 1) return undefined;
  const ones = (1n << BigInt(s + 1)) - 1n;
  const element = ((ones >> BigInt(r)) | (ones << BigInt(size - r))) & ((1n << BigInt(size)) - 1n);
  let all = 0n;
  for (let at = 0; at < width; at += size) all |= element << BigInt(at);
  return all;
}

/** a + b + carry, with flags. */
function addFlags(cpu: Arm64Cpu, width: number, a: bigint, b: bigint, carry: bigint): bigint {
  const sum = a + b + carry;
  const result = BigInt.asUintN(width, sum);
  cpu.c = sum !== result;
  cpu.v = BigInt.asIntN(width, a) + BigInt.asIntN(width, b) + carry !== BigInt.asIntN(width, result);
  nz(cpu, width, result);
  return result;
}
function nz(cpu: Arm64Cpu, width: number, result: bigint): void {
  cpu.n = BigInt.asIntN(width, result) < 0n;
  cpu.z = result === 0n;
}
function sum(cpu: Arm64Cpu, word: number, width: number, a: bigint, b: bigint): bigint {
  const minus = bits(word, 30, 30) === 1;
  const second = BigInt.asUintN(width, minus ? ~b : b);
  if (bits(word, 29, 29) === 1) return addFlags(cpu, width, a, second, minus ? 1n : 0n);
  return BigInt.asUintN(width, a + second + (minus ? 1n : 0n));
}

function holds({ n, z, c, v }: Arm64Cpu, cond: number): boolean {
  const base = [z, c, n, v, c && !z, n === v, n === v && !z, true][cond >> 1];
  return (cond & 1) === 1 && cond !== 15 ? !base : base;
}

function shifted(value: bigint, kind: number, by: number, width: number): bigint {
  if (kind === 0) return BigInt.asUintN(width, value << BigInt(by));
  if (kind === 1) return value >> BigInt(by);
  if (kind === 2) return BigInt.asUintN(width, BigInt.asIntN(width, value) >> BigInt(by));
  return BigInt.asUintN(width, (value >> BigInt(by)) | (value << BigInt(width - by)));
}

/** Executes one instruction; false for one that is not known. */
export function execute(cpu: Arm64Cpu, word: number): boolean {
  switch (bits(word, 28, 25)) {
    case 8:
    case 9:
      return immediates(cpu, word);
    case 10:
    case 11:
      return branches(cpu, word);
    case 5:
    case 13:
      return registers(cpu, word);
    case 4:
    case 6:
    case 12:
    case 14:
      return memory(cpu, word);
    default:
      return false;
  }
}

function immediates(cpu: Arm64Cpu, word: number): boolean {
  const width = word < 0 ? 64 : 32;
  const [rd, rn] = [bits(word, 4, 0), bits(word, 9, 5)];
  const [n, immr, imms] = [bits(word, 22, 22), bits(word, 21, 16), bits(word, 15, 10)];
  switch (bits(word, 25, 23)) {
    case 0:
    case 1: {
      const offset = (BigInt(signed(word, 23, 5)) << 2n) | BigInt(bits(word, 30, 29));
      cpu.set(rd, 64, word < 0 ? (cpu.pc & ~0xfffn) + offset * 4096n : cpu.pc + offset);
      return true;
    }
    case 2: {
      const imm = BigInt(bits(word, 21, 10)) << BigInt(12 * bits(word, 22, 22));
      const result = sum(cpu, word, width, cpu.getSp(rn, width), imm);
      if (bits(word, 29, 29) === 1) cpu.set(rd, width, result);
      else cpu.setSp(rd, width, result);
      return true;
    }
    case 4: {
      if (width === 32 && n === 1) return false;
      const imm = mask(n, immr, imms, width);
      if (imm === undefined) return false;
      const a = cpu.get(rn, width);
      const opc = bits(word, 30, 29);
      const result = opc === 1 ? a | imm : opc === 2 ? a ^ imm : a & imm;
      if (opc === 3) {
        nz(cpu, width, result);
        cpu.c = cpu.v = false;
        cpu.set(rd, width, result);
      } else cpu.setSp(rd, width, result);
      return true;
    }
    case 5: {
      const hw = bits(word, 22, 21);
      if (width === 32 && hw > 1) return false;
      const imm = BigInt(bits(word, 20, 5)) << BigInt(16 * hw);
      const opc = bits(word, 30, 29);
      if (opc === 1) return false;
      const kept = cpu.get(rd, width) & ~(0xffffn << BigInt(16 * hw));
      cpu.set(rd, width, opc === 0 ? ~imm : opc === 2 ? imm : kept | imm);
      return true;
    }
    case 6: {
      const opc = bits(word, 30, 29);
      if ((opc !== 0 && opc !== 2) || n !== (word < 0 ? 1 : 0) || (width === 32 && (immr > 31 || imms > 31)))
        return false;
      const source = cpu.get(rn, width);
      let result: bigint;
      if (imms >= immr) {
        const length = imms - immr + 1;
        const field = (source >> BigInt(immr)) & ((1n << BigInt(length)) - 1n);
        result = opc === 0 ? BigInt.asIntN(length, field) : field;
      } else {
        const field = source & ((1n << BigInt(imms + 1)) - 1n);
        result = (opc === 0 ? BigInt.asIntN(imms + 1, field) : field) << BigInt(width - immr);
      }
      cpu.set(rd, width, result);
      return true;
    }
    default:
      return false;
  }
}

function branches(cpu: Arm64Cpu, word: number): boolean {
  const go = (offset: number): true => {
    cpu.next = BigInt.asUintN(64, cpu.pc + BigInt(offset * 4));
    return true;
  };
  const rt = bits(word, 4, 0);
  if (bits(word, 30, 26) === 5) {
    if (word < 0) cpu.link();
    return go(signed(word, 25, 0));
  }
  if (bits(word, 30, 25) === 0x1a) {
    const zero = cpu.get(rt, word < 0 ? 64 : 32) === 0n;
    return zero === (bits(word, 24, 24) === 0) ? go(signed(word, 23, 5)) : true;
  }
  if (bits(word, 30, 25) === 0x1b) {
    const bit = (word < 0 ? 32 : 0) + bits(word, 23, 19);
    const zero = ((cpu.get(rt, 64) >> BigInt(bit)) & 1n) === 0n;
    return zero === (bits(word, 24, 24) === 0) ? go(signed(word, 18, 5)) : true;
  }
  if (word >>> 24 === 0x54 && (word & 16) === 0) return holds(cpu, word & 15) ? go(signed(word, 23, 5)) : true;
  const rn = bits(word, 9, 5);
  switch ((word & ~0x3e0) >>> 0) {
    case 0xd61f0000:
      cpu.next = cpu.get(rn, 64);
      return true;
    case 0xd63f0000: {
      const to = cpu.get(rn, 64);
      cpu.link();
      cpu.next = to;
      return true;
    }
    case 0xd65f0000:
      cpu.ret(cpu.get(rn, 64));
      return true;
  }
  if ((word & ~31) >>> 0 === 0xd538d080) {
    cpu.set(rt, 64, 0n);
    return true;
  }
  // nop, dmb ish, dsb nsh, isb
  return [0xd503201f, 0xd5033bbf, 0xd503379f, 0xd5033fdf].includes(word >>> 0);
}

function registers(cpu: Arm64Cpu, word: number): boolean {
  const width = word < 0 ? 64 : 32;
  const [rd, rn, rm] = [bits(word, 4, 0), bits(word, 9, 5), bits(word, 20, 16)];
  const by = bits(word, 15, 10);
  const a = cpu.get(rn, width);
  const b = cpu.get(rm, width);
  const top = bits(word, 28, 21);
  if (bits(word, 28, 24) === 0x0a) {
    const operand = shifted(b, bits(word, 23, 22), by, width);
    const second = bits(word, 21, 21) === 1 ? BigInt.asUintN(width, ~operand) : operand;
    const opc = bits(word, 30, 29);
    const result = opc === 1 ? a | second : opc === 2 ? a ^ second : a & second;
    if (opc === 3) {
      nz(cpu, width, result);
      cpu.c = cpu.v = false;
    }
    cpu.set(rd, width, result);
    return width === 64 || by < 32;
  }
  if (bits(word, 28, 24) === 0x0b) {
    if (bits(word, 21, 21) === 0) {
      if (bits(word, 23, 22) === 3 || (width === 32 && by > 31)) return false;
      cpu.set(rd, width, sum(cpu, word, width, a, shifted(b, bits(word, 23, 22), by, width)));
      return true;
    }
    const option = bits(word, 15, 13);
    const lsl = bits(word, 12, 10);
    if (lsl > 4 || bits(word, 23, 22) !== 0) return false;
    const size = 8 << (option & 3);
    const low = BigInt.asUintN(size, cpu.get(rm, 64));
    const extended = option >= 4 ? sext(low, size) : low;
    const result = sum(cpu, word, width, cpu.getSp(rn, width), BigInt.asUintN(width, extended << BigInt(lsl)));
    if (bits(word, 29, 29) === 1) cpu.set(rd, width, result);
    else cpu.setSp(rd, width, result);
    return true;
  }
  if (top === 0xd8 && bits(word, 30, 29) === 0) {
    const third = cpu.get(bits(word, 14, 10), width);
    cpu.set(rd, width, bits(word, 15, 15) === 0 ? third + a * b : third - a * b);
    return true;
  }
  if (top === 0xd6 && bits(word, 30, 29) === 0) return twoOperands(cpu, by, rd, width, a, b);
  if (top === 0xd6 && bits(word, 30, 29) === 2 && rm === 0) {
    const size = by === 1 ? 2 : by === 2 ? 4 : by === 3 && width === 64 ? 8 : 0;
    if (size === 0) return false;
    let result = 0n;
    for (let at = 0; at < width / 8; at++) {
      const from = at - (at % size) + (size - 1 - (at % size));
      result |= ((a >> BigInt(8 * from)) & 0xffn) << BigInt(8 * at);
    }
    cpu.set(rd, width, result);
    return true;
  }
  return false;
}

function twoOperands(cpu: Arm64Cpu, op: number, rd: number, width: number, a: bigint, b: bigint): boolean {
  const by = Number(b % BigInt(width));
  const [sa, sb] = [BigInt.asIntN(width, a), BigInt.asIntN(width, b)];
  if (op === 2) cpu.set(rd, width, b === 0n ? 0n : a / b);
  else if (op === 3) cpu.set(rd, width, b === 0n ? 0n : sa / sb);
  else if (op >= 8 && op <= 10) cpu.set(rd, width, shifted(a, op - 8, by, width));
  else return false;
  return true;
}

function memory(cpu: Arm64Cpu, word: number): boolean {
  const [rt, rn, rm] = [bits(word, 4, 0), bits(word, 9, 5), bits(word, 20, 16)];
  const size = 1 << bits(word, 31, 30);
  const base = cpu.getSp(rn, 64);
  if (bits(word, 29, 25) === 0x14 && word < 0 && bits(word, 30, 30) === 0) return pair(cpu, word, base);
  if (bits(word, 29, 24) === 0x08) return exclusive(cpu, word, size, base);
  if (bits(word, 29, 24) === 0x39) {
    return single(cpu, word, base + BigInt(bits(word, 21, 10) * size), rt, size);
  }
  if (bits(word, 29, 24) !== 0x38) return false;
  if (bits(word, 21, 21) === 0) {
    const offset = BigInt(signed(word, 20, 12));
    const mode = bits(word, 11, 10);
    if (mode === 2) return false;
    // The stack grows before it is written to.
    if (mode === 3) cpu.setSp(rn, 64, base + offset);
    const known = single(cpu, word, mode === 1 ? base : base + offset, rt, size);
    if (mode === 1) cpu.setSp(rn, 64, base + offset);
    return known;
  }
  if (bits(word, 11, 10) === 2) {
    const option = bits(word, 15, 13);
    const index = cpu.get(rm, 64);
    if (bits(word, 12, 12) === 1 || (option !== 3 && option !== 2)) return false;
    return single(cpu, word, base + (option === 2 ? BigInt.asUintN(32, index) : index), rt, size);
  }
  if (bits(word, 11, 10) === 0) return atomic(cpu, word, size, base);
  return false;
}

function single(cpu: Arm64Cpu, word: number, addr: bigint, rt: number, size: number): boolean {
  const opc = bits(word, 23, 22);
  if (opc === 0) {
    cpu.write(addr, size, cpu.get(rt, 64));
    return true;
  }
  if (opc === 3 || (opc === 2 && size === 8)) return false;
  const value = cpu.read(addr, size);
  if (value !== undefined) cpu.set(rt, 64, opc === 2 ? sext(value, 8 * size) : value);
  return true;
}

function pair(cpu: Arm64Cpu, word: number, base: bigint): boolean {
  const [rt, rn, rt2] = [bits(word, 4, 0), bits(word, 9, 5), bits(word, 14, 10)];
  const offset = BigInt(signed(word, 21, 15) * 8);
  const mode = bits(word, 24, 23);
  if (mode === 0) return false;
  const addr = mode === 1 ? base : base + offset;
  if (bits(word, 22, 22) === 1) {
    const [first, second] = [cpu.read(addr, 8), cpu.read(addr + 8n, 8)];
    cpu.set(rt, 64, first ?? 0n);
    cpu.set(rt2, 64, second ?? 0n);
  } else {
    // The stack grows before it is written to.
    if (mode === 3) cpu.setSp(rn, 64, base + offset);
    cpu.write(addr, 8, cpu.get(rt, 64));
    cpu.write(addr + 8n, 8, cpu.get(rt2, 64));
  }
  if (mode !== 2) cpu.setSp(rn, 64, base + offset);
  return true;
}

function exclusive(cpu: Arm64Cpu, word: number, size: number, addr: bigint): boolean {
  const [rt, rs] = [bits(word, 4, 0), bits(word, 20, 16)];
  const [o2, load, o1, o0] = [bits(word, 23, 23), bits(word, 22, 22), bits(word, 21, 21), bits(word, 15, 15)];
  if (bits(word, 14, 10) !== 31) return false;
  if (addr % BigInt(size) !== 0n) throw cpu.fault('misaligned', 'an atomic access', addr, size);
  const width = 8 * size;
  if (o1 === 1) {
    if (o2 === 0 || load === 0 || o0 === 0) return false;
    const old = cpu.read(addr, size, 'write');
    if (old === undefined) return true;
    if (old === BigInt.asUintN(width, cpu.get(rs, 64))) cpu.write(addr, size, cpu.get(rt, 64));
    cpu.set(rs, 64, old);
    return true;
  }
  if (rs !== 31 && (load === 1 || o2 === 1)) return false;
  if (load === 1) {
    if (o2 !== o0) return false;
    const value = cpu.read(addr, size);
    if (value === undefined) return true;
    if (o2 === 0) cpu.reserved = addr;
    cpu.set(rt, 64, value);
    return true;
  }
  if (o2 === 1) {
    cpu.write(addr, size, cpu.get(rt, 64));
    return true;
  }
  // Every seventh store does not take place, as when somebody else had stored in between.
  const kept = cpu.reserved === addr && ++cpu.stores % 7 !== 0;
  cpu.reserved = undefined;
  if (rs === rt || rs === bits(word, 9, 5)) return false;
  if (kept) cpu.write(addr, size, cpu.get(rt, 64));
  cpu.set(rs, 32, kept ? 0n : 1n);
  return true;
}

/** ldadd and its relatives, Armv8.1. */
function atomic(cpu: Arm64Cpu, word: number, size: number, addr: bigint): boolean {
  const [rt, rs] = [bits(word, 4, 0), bits(word, 20, 16)];
  const width = 8 * size;
  if (addr % BigInt(size) !== 0n) throw cpu.fault('misaligned', 'an atomic access', addr, size);
  const value = BigInt.asUintN(width, cpu.get(rs, 64));
  const op = bits(word, 15, 12);
  if (op > 3 && op !== 8) return false;
  const old = cpu.read(addr, size, 'write');
  if (old === undefined) return true;
  const result =
    op === 0 ? old + value : op === 1 ? old & ~value : op === 2 ? old ^ value : op === 3 ? old | value : value;
  cpu.write(addr, size, BigInt.asUintN(width, result));
  cpu.set(rt, 64, old);
  return true;
}
