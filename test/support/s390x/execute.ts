import type { S390xCpu } from './cpu.ts';

const u = (bits: number, value: bigint): bigint => BigInt.asUintN(bits, value);
const s = (bits: number, value: bigint): bigint => BigInt.asIntN(bits, value);

/** An instruction of 2, 4 or 6 bytes, cut into fields; which of them mean something its operation knows. */
export interface Decoded {
  readonly size: number;
  /** Opcode with its extension: see {@link decodeInsn}. */
  readonly op: number;
  /** Four-bit fields at bits 8, 12, 16, 24, 28, and 32. */
  readonly a: number;
  readonly b: number;
  readonly c: number;
  readonly r1: number;
  readonly r2: number;
  readonly m: number;
  /** 16 bits from bit 16, 32 bits from bit 16, 16 bits from bit 32; signed. */
  readonly i16: number;
  readonly i32: number;
  readonly low16: number;
  /** Displacements of 12 bits from bit 20, and of 20. */
  readonly d12: number;
  readonly d20: number;
  /** 8 bits from bit 32, signed. */
  readonly i8: number;
  readonly bytes: readonly number[];
}

/** The opcode: `op`, with the four bits at 12, the byte at 8 or the byte at 40 where those belong to it. */
export function decodeInsn(code: Uint8Array, off: number): Decoded {
  const first = code[off];
  const size = first < 0x40 ? 2 : first < 0xc0 ? 4 : 6;
  const b = Array.from({ length: 6 }, (_, n) => (n < size ? (code[off + n] ?? 0) : 0));
  const [, x] = b;
  const extended = [0xa5, 0xa7, 0xc0, 0xc2].includes(first);
  const op = extended
    ? (first << 4) | (x & 15)
    : [0xb2, 0xb9, 0xe5].includes(first)
      ? (first << 8) | x
      : [0xe3, 0xeb, 0xec].includes(first)
        ? (first << 8) | b[5]
        : first;
  const d12 = ((b[2] & 15) << 8) | b[3];
  return {
    size,
    op,
    a: x >> 4,
    b: x & 15,
    c: b[2] >> 4,
    r1: b[3] >> 4,
    r2: b[3] & 15,
    m: b[4] >> 4,
    i16: (((b[2] << 8) | b[3]) << 16) >> 16,
    i32: (b[2] << 24) | (b[3] << 16) | (b[4] << 8) | b[5],
    low16: (((b[4] << 8) | b[5]) << 16) >> 16,
    d12,
    d20: ((b[4] << 24) >> 12) | d12,
    i8: (b[4] << 24) >> 24,
    bytes: b,
  };
}

type Run = (cpu: S390xCpu, i: Decoded) => void;

const low = (cpu: S390xCpu, r: number): bigint => u(32, cpu.r[r]);
const setLow = (cpu: S390xCpu, r: number, value: bigint): void => {
  cpu.r[r] = (cpu.r[r] & ~0xffffffffn) | u(32, value);
};
const set = (cpu: S390xCpu, r: number, value: bigint): void => {
  cpu.r[r] = u(64, value);
};
const compare = (cpu: S390xCpu, x: bigint, y: bigint): void => {
  cpu.cc = x === y ? 0 : x < y ? 1 : 2;
};
const at = (cpu: S390xCpu, d: number, x: number, b: number): bigint =>
  u(64, BigInt(d) + (x === 0 ? 0n : cpu.r[x]) + (b === 0 ? 0n : cpu.r[b]));
const taken = (cpu: S390xCpu, mask: number): boolean => ((mask >> (3 - cpu.cc)) & 1) === 1;
const jump = (cpu: S390xCpu, halfwords: number): void => {
  cpu.next = u(64, cpu.pc + 2n * BigInt(halfwords));
};

const swap = (value: bigint, bytes: number): bigint => {
  let out = 0n;
  for (let n = 0; n < bytes; n++) out = (out << 8n) | ((value >> BigInt(8 * n)) & 0xffn);
  return out;
};

// ---- tables

type Op = (x: bigint, y: bigint) => bigint;
const OPS: Readonly<Record<string, Op>> = {
  a: (x, y) => x + y,
  s: (x, y) => x - y,
  n: (x, y) => x & y,
  o: (x, y) => x | y,
  x: (x, y) => x ^ y,
  m: (x, y) => x * y,
};

function build(): Map<number, Run> {
  const t = new Map<number, Run>();
  const logical = (name: string): boolean => 'nox'.includes(name);
  const result = (cpu: S390xCpu, name: string, bits: number, value: bigint): void => {
    const wrapped = s(bits, value);
    if (logical(name)) cpu.cc = wrapped === 0n ? 0 : 1;
    else if (name !== 'm') cpu.cc = wrapped === 0n ? 0 : wrapped < 0n ? 1 : 2;
  };
  const two32: Readonly<Record<string, number>> = { a: 0x1a, s: 0x1b, n: 0x14, o: 0x16, x: 0x17 };
  const three32: Readonly<Record<string, number>> = { a: 0xb9f8, s: 0xb9f9, n: 0xb9f4, o: 0xb9f6, x: 0xb9f7 };
  const two64: Readonly<Record<string, number>> = { a: 0xb908, n: 0xb980, o: 0xb981, x: 0xb982, m: 0xb90c };
  const three64: Readonly<Record<string, number>> = {
    a: 0xb9e8,
    s: 0xb9e9,
    n: 0xb9e4,
    o: 0xb9e6,
    x: 0xb9e7,
    m: 0xb9ed,
  };
  for (const [name, op] of Object.entries(OPS)) {
    const narrow =
      (to: (i: Decoded) => number, x: (i: Decoded) => number, y: (i: Decoded) => number): Run =>
      (cpu, i) => {
        const value = op(low(cpu, x(i)), low(cpu, y(i)));
        setLow(cpu, to(i), value);
        result(cpu, name, 32, value);
      };
    const wide =
      (to: (i: Decoded) => number, x: (i: Decoded) => number, y: (i: Decoded) => number): Run =>
      (cpu, i) => {
        const value = op(cpu.r[x(i)], cpu.r[y(i)]);
        set(cpu, to(i), value);
        result(cpu, name, 64, value);
      };
    const [r1, r2, r3] = [(i: Decoded) => i.r1, (i: Decoded) => i.r2, (i: Decoded) => i.c];
    if (name in two32)
      t.set(
        two32[name],
        narrow(
          i => i.a,
          i => i.a,
          i => i.b,
        ),
      );
    if (name in three32) t.set(three32[name], narrow(r1, r2, r3));
    if (name in two64) t.set(two64[name], wide(r1, r1, r2));
    if (name in three64) t.set(three64[name], wide(r1, r2, r3));
  }
  t.set(0xb252, (cpu, i) => setLow(cpu, i.r1, low(cpu, i.r1) * low(cpu, i.r2)));
  t.set(0xb966, (cpu, i) => set(cpu, i.r1, ~(cpu.r[i.r2] | cpu.r[i.c])));
  // Copies and extensions.
  t.set(0x18, (cpu, i) => setLow(cpu, i.a, cpu.r[i.b]));
  t.set(0x13, (cpu, i) => setLow(cpu, i.a, -cpu.r[i.b]));
  t.set(0xb903, (cpu, i) => set(cpu, i.r1, -cpu.r[i.r2]));
  const copies: readonly (readonly [number, (value: bigint) => bigint])[] = [
    [0xb904, x => x],
    [0xb916, x => u(32, x)],
    [0xb985, x => u(16, x)],
    [0xb984, x => u(8, x)],
    [0xb917, x => u(31, x)],
    [0xb914, x => s(32, x)],
    [0xb907, x => s(16, x)],
    [0xb906, x => s(8, x)],
    [0xb90f, x => swap(x, 8)],
  ];
  for (const [op, f] of copies) t.set(op, (cpu, i) => set(cpu, i.r1, f(cpu.r[i.r2])));
  t.set(0xb926, (cpu, i) => setLow(cpu, i.r1, s(8, cpu.r[i.r2])));
  t.set(0xb927, (cpu, i) => setLow(cpu, i.r1, s(16, cpu.r[i.r2])));
  t.set(0xb91f, (cpu, i) => setLow(cpu, i.r1, swap(low(cpu, i.r2), 4)));
  // Divisions.
  const divide =
    (bits: number, signed: boolean, divisorBits: number): Run =>
    (cpu, i) => {
      const of = (r: number, width: number): bigint => (signed ? s(width, cpu.r[r]) : u(width, cpu.r[r]));
      const y = of(i.r2, divisorBits);
      const x = signed ? of(i.r1 + 1, 64) : (u(bits, cpu.r[i.r1]) << BigInt(bits)) | u(bits, cpu.r[i.r1 + 1]);
      if (y === 0n || (signed && s(64, x / y) !== x / y) || (!signed && x / y >= 1n << BigInt(bits)))
        throw cpu.fault('trap', 'a division that overflows');
      const put = bits === 64 ? set : setLow;
      put(cpu, i.r1, x % y);
      put(cpu, i.r1 + 1, x / y);
    };
  t.set(0xb997, divide(32, false, 32));
  t.set(0xb987, divide(64, false, 64));
  t.set(0xb90d, divide(64, true, 64));
  t.set(0xb91d, divide(64, true, 32));
  // Comparisons.
  t.set(0x19, (cpu, i) => compare(cpu, s(32, cpu.r[i.a]), s(32, cpu.r[i.b])));
  t.set(0x15, (cpu, i) => compare(cpu, low(cpu, i.a), low(cpu, i.b)));
  t.set(0xb920, (cpu, i) => compare(cpu, s(64, cpu.r[i.r1]), s(64, cpu.r[i.r2])));
  t.set(0xb921, (cpu, i) => compare(cpu, cpu.r[i.r1], cpu.r[i.r2]));
  t.set(0xa7e, (cpu, i) => compare(cpu, s(32, cpu.r[i.a]), BigInt(i.i16)));
  t.set(0xa7f, (cpu, i) => compare(cpu, s(64, cpu.r[i.a]), BigInt(i.i16)));
  t.set(0xc2c, (cpu, i) => compare(cpu, s(64, cpu.r[i.a]), BigInt(i.i32)));
  t.set(0xc2d, (cpu, i) => compare(cpu, s(32, cpu.r[i.a]), BigInt(i.i32)));
  t.set(0xc2e, (cpu, i) => compare(cpu, cpu.r[i.a], BigInt(i.i32 >>> 0)));
  t.set(0xc2f, (cpu, i) => compare(cpu, low(cpu, i.a), BigInt(i.i32 >>> 0)));
  const test =
    (shift: bigint): Run =>
    (cpu, i) => {
      const mask = BigInt(i.i16 & 0xffff);
      const bits = (cpu.r[i.a] >> shift) & mask;
      cpu.cc = bits === 0n ? 0 : bits === mask ? 3 : 1;
    };
  t.set(0xa71, test(0n));
  t.set(0xa70, test(16n));
  // Constants.
  t.set(0xa78, (cpu, i) => setLow(cpu, i.a, BigInt(i.i16)));
  t.set(0xa79, (cpu, i) => set(cpu, i.a, BigInt(i.i16)));
  t.set(0xc01, (cpu, i) => set(cpu, i.a, BigInt(i.i32)));
  const halfwords = [48n, 32n, 16n, 0n];
  halfwords.forEach((shift, n) => {
    const mask = 0xffffn << shift;
    const value = (i: Decoded): bigint => BigInt(i.i16 & 0xffff) << shift;
    t.set(0xa50 + n, (cpu, i) => set(cpu, i.a, (cpu.r[i.a] & ~mask) | value(i)));
    t.set(0xa54 + n, (cpu, i) => set(cpu, i.a, cpu.r[i.a] & (~mask | value(i))));
    t.set(0xa58 + n, (cpu, i) => set(cpu, i.a, cpu.r[i.a] | value(i)));
    t.set(0xa5c + n, (cpu, i) => set(cpu, i.a, value(i)));
  });
  const words: readonly (readonly [number, (old: bigint, value: bigint) => bigint])[] = [
    [0xc06, (old, value) => old ^ (value << 32n)],
    [0xc07, (old, value) => old ^ value],
    [0xc08, (old, value) => u(32, old) | (value << 32n)],
    [0xc09, (old, value) => (old & ~0xffffffffn) | value],
    [0xc0b, (old, value) => old & (~0xffffffffn | value)],
    [0xc0d, (old, value) => old | value],
    [0xc0e, (_, value) => value << 32n],
    [0xc0f, (_, value) => value],
    [0xc2a, (old, value) => old + value],
  ];
  for (const [op, f] of words) {
    t.set(op, (cpu, i) => {
      const value = BigInt(i.i32 >>> 0);
      const old = cpu.r[i.a];
      set(cpu, i.a, f(old, value));
      // Of and/or/xor the condition code says whether the changed half is 0.
      if (op === 0xc0b || op === 0xc07 || op === 0xc0d) cpu.cc = low(cpu, i.a) === 0n ? 0 : 1;
    });
  }
  const numbers: readonly (readonly [number, boolean, 'i16' | 'i32', Op])[] = [
    [0xa7a, false, 'i16', OPS.a],
    [0xa7b, true, 'i16', OPS.a],
    [0xa7c, false, 'i16', OPS.m],
    [0xa7d, true, 'i16', OPS.m],
    [0xc20, true, 'i32', OPS.m],
    [0xc21, false, 'i32', OPS.m],
    [0xc28, true, 'i32', OPS.a],
    [0xc29, false, 'i32', OPS.a],
  ];
  for (const [op, is64, field, f] of numbers)
    t.set(op, (cpu, i) => (is64 ? set : setLow)(cpu, i.a, f(cpu.r[i.a], BigInt(i[field]))));
  t.set(0xecd8, (cpu, i) => setLow(cpu, i.a, cpu.r[i.b] + BigInt(i.i16)));
  t.set(0xecd9, (cpu, i) => set(cpu, i.a, cpu.r[i.b] + BigInt(i.i16)));
  // Shifts.
  const count = (cpu: S390xCpu, d: number, b: number): bigint => at(cpu, d, 0, b) & 63n;
  t.set(0x89, (cpu, i) => setLow(cpu, i.a, low(cpu, i.a) << count(cpu, i.d12, i.c)));
  t.set(0x88, (cpu, i) => setLow(cpu, i.a, low(cpu, i.a) >> count(cpu, i.d12, i.c)));
  t.set(0x8a, (cpu, i) => setLow(cpu, i.a, s(32, cpu.r[i.a]) >> count(cpu, i.d12, i.c)));
  t.set(0xeb0d, (cpu, i) => set(cpu, i.a, cpu.r[i.b] << count(cpu, i.d20, i.c)));
  t.set(0xeb0c, (cpu, i) => set(cpu, i.a, cpu.r[i.b] >> count(cpu, i.d20, i.c)));
  t.set(0xeb0a, (cpu, i) => set(cpu, i.a, s(64, cpu.r[i.b]) >> count(cpu, i.d20, i.c)));
  t.set(0xebdc, (cpu, i) => setLow(cpu, i.a, s(32, cpu.r[i.b]) >> count(cpu, i.d20, i.c)));
  t.set(0xec59, (cpu, i) => {
    const [first, last, rotate] = [i.bytes[2] & 63, i.bytes[3] & 63, BigInt(i.bytes[4] & 63)];
    let mask = 0n;
    for (let bit = first; ; bit = (bit + 1) & 63) {
      mask |= 1n << BigInt(63 - bit);
      if (bit === last) break;
    }
    const turned = u(64, (cpu.r[i.b] << rotate) | (cpu.r[i.b] >> (64n - rotate)));
    set(cpu, i.a, (turned & mask) | ((i.bytes[3] & 0x80) !== 0 ? 0n : cpu.r[i.a] & ~mask));
  });
  buildStorage(t);
  buildBranches(t);
  return t;
}

function loadAndTest(cpu: S390xCpu, r: number, value: bigint): void {
  set(cpu, r, value);
  compare(cpu, s(64, value), 0n);
}

function buildStorage(t: Map<number, Run>): void {
  t.set(0x41, (cpu, i) => set(cpu, i.a, at(cpu, i.d12, i.b, i.c)));
  t.set(0xe371, (cpu, i) => set(cpu, i.a, at(cpu, i.d20, i.b, i.c)));
  type Put = (cpu: S390xCpu, r: number, value: bigint) => void;
  const loads: readonly (readonly [number, number, Put])[] = [
    [0x58, 4, setLow],
    [0x48, 2, (cpu, r, value) => setLow(cpu, r, s(16, value))],
    [0xe304, 8, set],
    [0xe302, 8, loadAndTest],
    [0xe308, 8, (cpu, r, value) => set(cpu, r, cpu.r[r] + value)],
    [0xe314, 4, (cpu, r, value) => set(cpu, r, s(32, value))],
    [0xe315, 2, (cpu, r, value) => set(cpu, r, s(16, value))],
    [0xe377, 1, (cpu, r, value) => set(cpu, r, s(8, value))],
    [0xe316, 4, set],
    [0xe391, 2, set],
    [0xe390, 1, set],
    [0xe358, 4, setLow],
    [0x55, 4, (cpu, r, value) => compare(cpu, low(cpu, r), value)],
    [0xe355, 4, (cpu, r, value) => compare(cpu, low(cpu, r), value)],
  ];
  for (const [op, bytes, put] of loads) {
    t.set(op, (cpu, i) => {
      const value = cpu.read(at(cpu, op < 0x100 ? i.d12 : i.d20, i.b, i.c), bytes);
      if (value !== undefined) put(cpu, i.a, value);
    });
  }
  for (const [op, bytes] of [
    [0x50, 4],
    [0x40, 2],
    [0x42, 1],
    [0xe324, 8],
    [0xe350, 4],
    [0xe370, 2],
    [0xe372, 1],
  ])
    t.set(op, (cpu, i) => void cpu.write(at(cpu, op < 0x100 ? i.d12 : i.d20, i.b, i.c), bytes, cpu.r[i.a]));
  t.set(0x92, (cpu, i) => void cpu.write(at(cpu, i.d12, 0, i.c), 1, BigInt(i.bytes[1])));
  t.set(0xeb52, (cpu, i) => void cpu.write(at(cpu, i.d20, 0, i.c), 1, BigInt(i.bytes[1])));
  for (const [op, bytes] of [
    [0xe544, 2],
    [0xe54c, 4],
    [0xe548, 8],
  ])
    t.set(op, (cpu, i) => void cpu.write(at(cpu, i.d12, 0, i.c), bytes, BigInt(i.low16)));
  t.set(0xeb7a, (cpu, i) => {
    const place = at(cpu, i.d20, 0, i.c);
    const old = cpu.read(place, 8);
    if (old !== undefined) cpu.write(place, 8, old + s(8, BigInt(i.bytes[1])));
  });
  t.set(0xeb04, (cpu, i) => {
    const place = at(cpu, i.d20, 0, i.c);
    for (let r = i.a, n = 0n; ; r++, n++) {
      cpu.r[r] = cpu.read(place + 8n * n, 8) ?? 0n;
      if (r === i.b) break;
    }
  });
  t.set(0xeb24, (cpu, i) => {
    const place = at(cpu, i.d20, 0, i.c);
    for (let r = i.a, n = 0n; ; r++, n++) {
      cpu.write(place + 8n * n, 8, cpu.r[r]);
      if (r === i.b) break;
    }
  });
  for (const [op, bytes, f] of [
    [0xebf8, 4, OPS.a],
    [0xebf4, 4, OPS.n],
    [0xebf6, 4, OPS.o],
    [0xebf7, 4, OPS.x],
    [0xebe8, 8, OPS.a],
    [0xebe4, 8, OPS.n],
    [0xebe6, 8, OPS.o],
    [0xebe7, 8, OPS.x],
  ] as const)
    t.set(op, (cpu, i) => {
      const place = at(cpu, i.d20, 0, i.c);
      const old = cpu.read(place, bytes);
      if (old === undefined || !cpu.write(place, bytes, f(old, cpu.r[i.b]))) return;
      (bytes === 8 ? set : setLow)(cpu, i.a, old);
    });
  for (const [op, bytes] of [
    [0xeb14, 4],
    [0xeb30, 8],
  ])
    t.set(op, (cpu, i) => {
      const place = at(cpu, i.d20, 0, i.c);
      const old = cpu.read(place, bytes);
      if (old === undefined) return;
      const same = old === u(8 * bytes, cpu.r[i.a]);
      if (!cpu.write(place, bytes, same ? cpu.r[i.b] : old)) return;
      cpu.cc = same ? 0 : 1;
      if (!same) (bytes === 8 ? set : setLow)(cpu, i.a, old);
    });
}

function buildBranches(t: Map<number, Run>): void {
  t.set(0x07, (cpu, i) => {
    if (i.b === 0 || !taken(cpu, i.a)) return;
    if (i.b === 14) cpu.ret(cpu.r[14]);
    else cpu.next = cpu.r[i.b];
  });
  t.set(0x47, (cpu, i) => {
    if (taken(cpu, i.a)) cpu.next = at(cpu, i.d12, i.b, i.c);
  });
  t.set(0x0d, (cpu, i) => cpu.callTo(i.a, cpu.r[i.b]));
  t.set(0xc05, (cpu, i) => cpu.callTo(i.a, u(64, cpu.pc + 2n * BigInt(i.i32))));
  t.set(0xc00, (cpu, i) => set(cpu, i.a, cpu.pc + 2n * BigInt(i.i32)));
  t.set(0xa74, (cpu, i) => {
    if (taken(cpu, i.a)) jump(cpu, i.i16);
  });
  t.set(0xc04, (cpu, i) => {
    if (taken(cpu, i.a)) jump(cpu, i.i32);
  });
  type Pair = (cpu: S390xCpu, i: Decoded) => readonly [bigint, bigint];
  const jumps: readonly (readonly [number, Pair, 'm' | 'b'])[] = [
    [0xec76, (cpu, i) => [s(32, cpu.r[i.a]), s(32, cpu.r[i.b])], 'm'],
    [0xec77, (cpu, i) => [low(cpu, i.a), low(cpu, i.b)], 'm'],
    [0xec64, (cpu, i) => [s(64, cpu.r[i.a]), s(64, cpu.r[i.b])], 'm'],
    [0xec65, (cpu, i) => [cpu.r[i.a], cpu.r[i.b]], 'm'],
    [0xec7e, (cpu, i) => [s(32, cpu.r[i.a]), BigInt(i.i8)], 'b'],
    [0xec7f, (cpu, i) => [low(cpu, i.a), BigInt(i.i8 & 0xff)], 'b'],
    [0xec7c, (cpu, i) => [s(64, cpu.r[i.a]), BigInt(i.i8)], 'b'],
    [0xec7d, (cpu, i) => [cpu.r[i.a], BigInt(i.i8 & 0xff)], 'b'],
  ];
  for (const [op, pair, field] of jumps)
    t.set(op, (cpu, i) => {
      const kept = cpu.cc;
      const [x, y] = pair(cpu, i);
      compare(cpu, x, y);
      const go = taken(cpu, i[field]);
      cpu.cc = kept;
      if (go) jump(cpu, i.i16);
    });
}

let table: Map<number, Run> | undefined;

/** Executes an instruction; the CPU's `next` is already behind it. */
export function execute(cpu: S390xCpu, i: Decoded): void {
  table ??= build();
  const run = table.get(i.op);
  if (run === undefined) throw cpu.fault('illegal-instruction', `opcode ${i.op.toString(16)} is not known here`);
  run(cpu, i);
}
