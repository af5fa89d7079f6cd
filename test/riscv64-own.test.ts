import { describe, expect, it } from 'vitest';
import { CALL, EXIT, type Insn, LD_IMM64, makeInsn, TAIL_CALL } from '../src/isa/index.ts';
import { RISCV64 } from '../src/jit/riscv64/index.ts';
import { helperImm, OwnMachine, STRUCTS } from './support/riscv64/own-machine.ts';

// What own mode compiles beside plain code: each on every CPU, on a small emulated one that watches the ABI.

const i = makeInsn;
const exit = i(EXIT, 0, 0, 0, 0);
const mov = (dst: number, imm: number): Insn => i(0xb7, dst, 0, 0, imm);
const movX = (dst: number, src: number): Insn => i(0xbf, dst, src, 0, 0);
const add = (dst: number, imm: number): Insn => i(0x07, dst, 0, 0, imm);
const addX = (dst: number, src: number): Insn => i(0x0f, dst, src, 0, 0);
const load = (dst: number, src: number, off: number): Insn => i(0x79, dst, src, off, 0);
const store = (dst: number, off: number, src: number): Insn => i(0x7b, dst, src, off, 0);
const callSub = (subprog: number): Insn => i(CALL, 0, 1, subprog, 1);
const helper = (addr: bigint): Insn => i(CALL, 0, 0, 0, helperImm(addr));
const tailCall = i(TAIL_CALL, 0, 0, 0, 0);
const ld64 = (dst: number, value: bigint): Insn[] => [
  i(LD_IMM64, dst, 0, 0, Number(BigInt.asIntN(32, value))),
  i(0, 0, 0, 0, Number(BigInt.asIntN(32, value >> 32n))),
];

/** A program array and the programs in it, in the machine's data; returns the array's address. */
function progArray(own: OwnMachine, at: number, mains: readonly (bigint | undefined)[]): bigint {
  own.setU32(at + STRUCTS.arrayMaxEntries, mains.length);
  mains.forEach((main, n) => {
    const prog = at + 512 + 64 * n;
    own.setU64(at + STRUCTS.arrayPtrs + 8 * n, main === undefined ? 0n : BigInt(prog));
    if (main !== undefined) own.setU64(prog + STRUCTS.progBpfFunc, main);
  });
  return BigInt(at);
}

describe.each(RISCV64.cpus)('own mode on %s', cpuName => {
  const setup = () => {
    const own = new OwnMachine(cpuName);
    return { own, data: own.data, at: BigInt(own.data) };
  };
  /** Adds 1 to the counter R1 points to, tail-calls entry `index` of the array, and returns 7 if that fails. */
  const counting = (array: bigint, index: number): Insn[] => [
    movX(6, 1),
    load(2, 1, 0),
    add(2, 1),
    store(1, 0, 2),
    ...ld64(2, array),
    mov(3, index),
    tailCall,
    mov(0, 7),
    exit,
  ];

  it('makes 33 tail calls and no more', () => {
    const { own, data, at } = setup();
    const array = at + 1024n;
    const { funcs } = own.place([{ insns: counting(array, 0), tailCallReachable: true }]);
    progArray(own, data + 1024, [funcs[0].bpfFunc]);
    for (let run = 1; run <= 2; run++) {
      expect(own.call(funcs[0].bpfFunc, [at])).toBe(7n);
      expect(own.u64(data)).toBe(BigInt(34 * run));
    }
  });

  it('goes on behind a tail call outside the array, to nothing, or beyond 32 bits of index', () => {
    const { own, data, at } = setup();
    for (const index of [1, 2, -1]) {
      const { funcs } = own.place([{ insns: counting(at + 1024n, index), tailCallReachable: true }]);
      progArray(own, data + 1024, [funcs[0].bpfFunc, undefined]);
      own.setU64(data, 0n);
      expect(own.call(funcs[0].bpfFunc, [at])).toBe(7n);
      expect(own.u64(data)).toBe(1n);
    }
    // The index is 32 bits wide.
    const insns = [movX(6, 1), ...ld64(2, at + 1024n), ...ld64(3, 0x700000001n), tailCall, mov(0, 7), exit];
    const { funcs } = own.place([{ insns, tailCallReachable: true }]);
    const { funcs: others } = own.place([{ insns: [mov(0, 9), exit] }]);
    progArray(own, data + 1024, [undefined, others[0].bpfFunc]);
    expect(own.call(funcs[0].bpfFunc, [at])).toBe(9n);
  });

  it('goes on from each of several tail calls', () => {
    const { own, data, at } = setup();
    const { funcs } = own.place([{ insns: [load(0, 1, 8), exit] }]);
    own.setU64(data + 8, 20n);
    progArray(own, data + 1024, [undefined, funcs[0].bpfFunc]);
    const attempt = (index: bigint) => [movX(1, 6), ...ld64(2, at + 1024n), ...ld64(3, index), tailCall];
    const results = [[], [attempt(1n)]].map(last => {
      const attempts = [attempt(0n), attempt(9n), attempt(0n), ...last].flatMap(insns => [...insns, add(7, 1)]);
      const insns = [movX(6, 1), mov(7, 0), ...attempts, movX(0, 7), exit];
      return own.call(own.place([{ insns, tailCallReachable: true, stackDepthBytes: 40 }]).funcs[0].bpfFunc, [at]);
    });
    expect(results).toEqual([3n, 20n]);
  });

  it('tail-calls programs of every kind of prologue', () => {
    const { own, data, at } = setup();
    const twice = own.gate('twice', (cpu, out) => {
      out[0] = 2 * cpu.argLo(0);
      out[1] = 0;
    });
    const callees: Insn[][] = [
      [mov(0, 3), exit],
      [load(0, 1, 8), exit],
      [load(1, 1, 8), helper(twice), exit],
      [movX(6, 1), load(1, 1, 8), helper(twice), load(2, 6, 8), addX(0, 2), exit],
      [i(0x7a, 10, 0, -8, 5), load(0, 10, -8), exit],
    ];
    own.setU64(data + 8, 20n);
    const values = callees.map((insns, n) => {
      const { funcs } = own.place([{ insns, stackDepthBytes: 8 }]);
      // One caller without frame, one with everything.
      return [0, 1].map(kind => {
        const before = kind === 0 ? [] : [movX(6, 1), mov(7, 1), mov(1, 4), helper(twice), movX(1, 6), addX(7, 0)];
        const tail = [...ld64(2, at + 1024n), mov(3, 0), tailCall, mov(0, 7), exit];
        const caller = own.place([{ insns: [...before, ...tail], tailCallReachable: true, stackDepthBytes: n * 16 }]);
        progArray(own, data + 1024, [funcs[0].bpfFunc]);
        return own.call(caller.funcs[0].bpfFunc, [at]);
      });
    });
    expect(values).toEqual([3n, 20n, 40n, 60n, 5n].map(value => [value, value]));
  });

  it('counts tail calls of subprograms with their caller', () => {
    const { own, data, at } = setup();
    const array = at + 1024n;
    // Main counts, calls the subprogram twice; the subprogram tail-calls main (tailcall_bpf2bpf_hierarchy).
    const main = [
      movX(6, 1),
      load(2, 1, 0),
      add(2, 1),
      store(1, 0, 2),
      callSub(1),
      movX(1, 6),
      callSub(1),
      mov(0, 1),
      exit,
    ];
    const sub = [...ld64(2, array), mov(3, 0), tailCall, mov(0, 2), exit];
    for (const distance of [0n, 1n << 21n]) {
      const { funcs } = own.place(
        [
          { insns: main, tailCallReachable: true },
          { insns: sub, tailCallReachable: true, stackDepthBytes: 16 },
        ],
        distance,
      );
      progArray(own, data + 1024, [funcs[0].bpfFunc]);
      own.setU64(data, 0n);
      expect(own.call(funcs[0].bpfFunc, [at])).toBe(1n);
      expect(own.u64(data)).toBe(34n);
    }
  });

  it('calls subprograms near and far, through pointers, and from the kernel', () => {
    const { own, at } = setup();
    const back = own.gate('call back', (cpu, out) => {
      const pointer = (BigInt(cpu.argHi(0) >>> 0) << 32n) | BigInt(cpu.argLo(0) >>> 0);
      const result = cpu.call(pointer, [5n, 6n]);
      if (!result.ok) throw new Error(result.fault.message);
      [out[0], out[1]] = [Number(BigInt.asIntN(32, result.value)), Number(BigInt.asIntN(32, result.value >> 32n))];
    });
    const main = [
      mov(6, 100),
      mov(7, 200),
      ...ld64(1, 0n),
      helper(back),
      addX(0, 6),
      movX(6, 0),
      mov(1, 1),
      mov(2, 2),
      callSub(1),
      addX(0, 6),
      addX(0, 7),
      exit,
    ];
    const sub = [movX(6, 1), movX(7, 2), i(0x67, 6, 0, 0, 8), movX(1, 7), callSub(2), addX(0, 6), exit];
    const leaf = [movX(0, 1), i(0x27, 0, 0, 0, 1000), exit];
    for (const distance of [0n, 1n << 21n, -1n << 34n]) {
      const { funcs } = own.place(
        [{ insns: main, funcRefs: new Map([[2, 1]]) }, { insns: sub }, { insns: leaf }],
        distance,
      );
      expect(own.call(funcs[0].bpfFunc, [at])).toBe(100n + 200n + (5n << 8n) + 6000n + (1n << 8n) + 2000n);
    }
  });

  it('returns from exception callbacks to the caller of main, all registers restored', () => {
    const { own, at } = setup();
    let boundary: { start: bigint; end: bigint };
    let callback = 0n;
    const bpfThrow = own.gate('bpf_throw', cpu => {
      const cookie = BigInt.asUintN(64, (BigInt(cpu.argHi(0)) << 32n) | BigInt(cpu.argLo(0) >>> 0));
      const frame = cpu.frames().find(({ pc }) => pc >= boundary.start && pc < boundary.end);
      if (frame === undefined) throw new Error('no boundary');
      const { sp } = frame;
      cpu.resumeAt({ func: callback, args: [cookie, sp, 0n], sp, frameSp: sp });
    });
    const ping = own.gate('ping', (_cpu, out) => {
      out[0] = 1;
      out[1] = 0;
    });
    const main = [mov(6, 1), i(0x7a, 10, 0, -8, 77), mov(1, 40), callSub(1), mov(0, 5), exit];
    const thrower = [mov(7, 9), mov(8, 8), movX(6, 1), add(1, 1), helper(bpfThrow), mov(0, 6), exit];
    const handler = [movX(6, 1), i(0x7a, 10, 0, -16, 3), helper(ping), addX(0, 6), load(1, 10, -16), addX(0, 1), exit];
    const { funcs } = own.place([
      { insns: main, exceptionBoundary: true, stackDepthBytes: 8 },
      { insns: thrower, stackDepthBytes: 64 },
      { insns: handler, exceptionCallback: true, stackDepthBytes: 16 },
    ]);
    boundary = { start: funcs[0].at, end: funcs[0].at + BigInt(funcs[0].compiled.bytes.length) };
    callback = funcs[2].bpfFunc;
    expect(own.call(funcs[0].bpfFunc, [at])).toBe(41n + 1n + 3n);
    expect(own.call(funcs[0].bpfFunc, [at])).toBe(45n);
  });

  it('reads 0 where a probe load may not go or faults', () => {
    const { own, data, at } = setup();
    own.setU64(data, 0x8081828384858687n);
    const value = (sizeBytes: number): bigint => {
      const bytes = own.mem.u8.subarray(data, data + sizeBytes);
      return [...bytes].reverse().reduce((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
    };
    const sizes = [
      [0x10, 1],
      [0x08, 2],
      [0x00, 4],
      [0x18, 8],
    ];
    for (const [bits, sizeBytes] of sizes) {
      for (const signed of [false, true]) {
        if (signed && sizeBytes === 8) continue;
        const code = 0x01 | bits | (signed ? 0x40 : 0x20);
        const good = signed ? BigInt.asUintN(64, BigInt.asIntN(8 * sizeBytes, value(sizeBytes))) : value(sizeBytes);
        for (const off of [0, 3, -5]) {
          for (const dst of [1, 2]) {
            const insns = [mov(2, 99), i(code, dst, 1, off, 0), movX(0, dst), exit];
            const { funcs } = own.place([{ insns }]);
            const text = `${code.toString(16)} off ${off} dst ${dst}`;
            expect(own.call(funcs[0].bpfFunc, [at - BigInt(off)]), text).toBe(good);
            for (const bad of [0x8000n, 0xc000000000000000n, 0x7fffff00n, 0xffffn - BigInt(off)]) {
              expect(own.call(funcs[0].bpfFunc, [bad]), `${text} at ${bad.toString(16)}`).toBe(0n);
            }
          }
        }
      }
    }
  });

  it('reads and writes arenas at their base, and passes over faults', () => {
    const { own, data, at } = setup();
    const arena = { kernVmStart: at, userVmStart: 0x7f0000000000n };
    const insns = [
      // Faults first: 2 GB on there is nothing.
      mov(6, 0x7ffffff0),
      mov(0, 5),
      i(0x01 | 0xa0, 0, 6, 8, 0),
      i(0x03 | 0xa0, 6, 6, 8, 0),
      i(0xc3 | 0x18 | 0x20, 6, 6, 8, 0),
      // The high half of the pointer does not count.
      movX(2, 1),
      i(0x18 | 0x01 | 0xa0, 3, 2, 16, 0),
      addX(0, 3),
      i(0x18 | 0x02 | 0xa0, 2, 0, 24, -2),
      i(0x03 | 0xa0, 2, 3, 32, 0),
      mov(4, 5),
      i(0xe3 | 0x18, 2, 4, 16, 0x01),
      addX(0, 4),
      exit,
    ];
    own.setU64(data + 64 + 16, 1000n);
    const { funcs } = own.place([{ insns, arena }]);
    expect(own.call(funcs[0].bpfFunc, [0xabcd00000000n + 64n])).toBe(2000n);
    expect([own.u64(data + 80), own.u64(data + 88), own.u32(data + 96)]).toEqual([1005n, (1n << 64n) - 2n, 1000]);
  });

  it('makes addresses of per-CPU data and of user space', () => {
    const { own, at } = setup();
    const perCpu = own.place([{ insns: [i(0xbf, 0, 1, -1, 0), exit] }]);
    expect(own.call(perCpu.funcs[0].bpfFunc, [at])).toBe(at);
    for (const userVmStart of [0x7f0000000000n, 0xf234567800000000n, 0n]) {
      const insns = [i(0xbf, 1, 1, 1, 1 << 16), movX(0, 1), exit];
      const { funcs } = own.place([{ insns, arena: { kernVmStart: at, userVmStart } }]);
      expect(own.call(funcs[0].bpfFunc, [0x1234567887654321n])).toBe(userVmStart | 0x87654321n);
      expect(own.call(funcs[0].bpfFunc, [0x1234567800000000n])).toBe(0n);
    }
  });

  it('extends arguments of kernel functions as LP64 has it', () => {
    const { own, at } = setup();
    const seen: bigint[] = [];
    const gate = own.gate('kfunc', (cpu, out) => {
      for (let n = 0; n < 5; n++) seen.push((BigInt(cpu.argHi(n)) << 32n) | BigInt(cpu.argLo(n) >>> 0));
      out[0] = 1;
      out[1] = 0;
    });
    const args = ([8, 4, 4, 2, 1] as const).map((sizeBytes, n) => ({ sizeBytes, signed: n % 2 === 1 }));
    const value = 0x12345678fedcba98n;
    const insns = [1, 2, 3, 4, 5].flatMap(reg => ld64(reg, value)).concat(i(CALL, 0, 2, 1, 77), exit);
    const { funcs } = own.place([{ insns, kfuncAddr: () => gate, kfuncArgs: () => args }]);
    expect(own.call(funcs[0].bpfFunc, [at])).toBe(1n);
    const word = BigInt.asIntN(32, value);
    expect(seen).toEqual([value, word, word, BigInt.asIntN(16, value), 0x98n]);
  });
});
