import { describe, expect, it } from 'vitest';
import { CALL, EXIT, type Insn, LD_IMM64, makeInsn, TAIL_CALL } from '../src/isa/index.ts';
import { configName, helperImm, OWN_CONFIGS, OwnMachine, STRUCTS } from './support/ppc64/own-machine.ts';
import { Random } from './support/random.ts';

// What own mode compiles beside plain code: each on every CPU and ABI, on the emulated CPU, which watches the ABI.

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

describe.each(OWN_CONFIGS.map(config => [configName(config), config] as const))('own mode on %s', (_, config) => {
  const setup = () => {
    const own = new OwnMachine(config);
    return { own, data: own.machine.data, at: BigInt(own.machine.data) };
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

  it('tail-calls programs of every kind of prologue', () => {
    const { own, data, at } = setup();
    const twice = own.machine.gate('twice', (cpu, out) => {
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
    for (const distance of [0n, 1n << 27n]) {
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
    const back = own.machine.gate('call back', (cpu, out) => {
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
    for (const distance of [0n, 1n << 26n, 1n << 34n]) {
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
    const bpfThrow = own.machine.gate('bpf_throw', cpu => {
      const cookie = BigInt.asUintN(64, (BigInt(cpu.argHi(0)) << 32n) | BigInt(cpu.argLo(0) >>> 0));
      const frame = cpu.frames().find(({ pc }) => pc >= boundary.start && pc < boundary.end);
      if (frame === undefined) throw new Error('no boundary');
      const { sp } = frame;
      cpu.resumeAt({ func: callback, args: [cookie, sp, own.u64(Number(sp))], sp, frameSp: sp });
    });
    const ping = own.machine.gate('ping', (_cpu, out) => {
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
      const bytes = own.machine.mem.u8.subarray(data, data + sizeBytes);
      const ordered = config.target.order === 'little' ? [...bytes].reverse() : [...bytes];
      return ordered.reduce((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
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
    const { cpu, mem } = own.machine;
    mem.view.setBigUint64(cpu.pacaAddr + 48, 0x123400n, mem.littleEndian);
    const perCpu = own.place([{ insns: [i(0xbf, 0, 1, -1, 0), exit] }]);
    expect(own.call(perCpu.funcs[0].bpfFunc, [at])).toBe(at + 0x123400n);
    for (const userVmStart of [0x7f0000000000n, 0xf234567800000000n, 0n]) {
      const insns = [i(0xbf, 1, 1, 1, 1 << 16), movX(0, 1), exit];
      const { funcs } = own.place([{ insns, arena: { kernVmStart: at, userVmStart } }]);
      expect(own.call(funcs[0].bpfFunc, [0x1234567887654321n])).toBe(userVmStart | 0x87654321n);
      expect(own.call(funcs[0].bpfFunc, [0x1234567800000000n])).toBe(0n);
    }
  });

  it('branches beyond 32 KB in both directions', () => {
    const { own, at } = setup();
    // Each row is one word at least, and none folds into another.
    const filler = Array.from({ length: 9000 }, (_, n) => i(0x27, 0, 0, 0, 3 + 2 * (n % 7)));
    const product = filler.reduce((value, { imm }) => BigInt.asUintN(64, value * BigInt(imm)), 1n);
    const far = (code: number, dst: number, target: number, from: number, imm = 0): Insn =>
      i(code, dst, 0, target - from - 1, imm);
    const insns: Insn[] = [load(2, 1, 0), mov(0, 1)];
    insns.push(far(0x15, 2, insns.length + 1 + filler.length, insns.length, 5));
    insns.push(...filler, add(2, -1), store(1, 0, 2));
    insns.push(far(0x55, 2, 2, insns.length, 0), exit);
    const { funcs } = own.place([{ insns }]);
    for (const [rounds, value] of [
      [5n, product ** 4n],
      [1n, product],
    ] as const) {
      own.setU64(own.machine.data, rounds);
      expect(own.call(funcs[0].bpfFunc, [at])).toBe(BigInt.asUintN(64, value));
    }
  });

  it('never makes a form shorter than it was, and comes to rest', () => {
    const { own } = setup();
    const random = new Random(7);
    const near = 0xc008000000100000n;
    const distances = [
      0n,
      1n << 20n,
      (1n << 25n) - 64n,
      1n << 25n,
      1n << 28n,
      1n << 31n,
      1n << 33n,
      1n << 40n,
      -(1n << 40n),
    ];
    const insns = [callSub(1), callSub(2), mov(1, 0), ...ld64(2, 0n), callSub(1), callSub(3), exit];
    const compiler = own.compiler({ insns, funcRefs: new Map([[3, 2]]) });
    const first = compiler.emit(undefined, undefined).bytes.length;
    let before = 0;
    for (let round = 0; round < 60; round++) {
      const callees = [0, 1, 2, 3].map(() => {
        const entry = near + random.pick(distances) + BigInt(4 * random.below(64));
        return { bpfFunc: entry, entry, localEntry: entry + 4n };
      });
      const at = near + BigInt(64 * random.below(4));
      const image = compiler.emit(at, callees);
      expect(image.bytes.length).toBeGreaterThanOrEqual(before);
      expect(image.bytes.length).toBeLessThanOrEqual(first);
      expect(compiler.emit(at, callees).bytes).toEqual(image.bytes);
      before = image.bytes.length;
    }
  });

  it('extends arguments of kernel functions by their types', () => {
    const { own, at } = setup();
    const seen: bigint[] = [];
    const gate = own.machine.gate('narrow', (cpu, out) => {
      for (let n = 0; n < 5; n++) seen.push((BigInt(cpu.argHi(n) >>> 0) << 32n) | BigInt(cpu.argLo(n) >>> 0));
      [out[0], out[1]] = [0, 0];
    });
    const value = 0x8182838485868788n;
    const insns = [1, 2, 3, 4, 5].flatMap(reg => ld64(reg, value)).concat(i(CALL, 0, 2, 0, 5), exit);
    const args = [
      { sizeBytes: 1, signed: true },
      { sizeBytes: 2, signed: false },
      { sizeBytes: 4, signed: true },
      { sizeBytes: 4, signed: false },
      { sizeBytes: 8, signed: false },
    ];
    const { funcs } = own.place([{ insns, kfuncAddr: () => gate, kfuncArgs: () => args }]);
    expect(own.call(funcs[0].bpfFunc, [at])).toBe(0n);
    expect(seen).toEqual([0xffffffffffffff88n, 0x8788n, 0xffffffff85868788n, 0x85868788n, value]);
  });

  it('loads r2 again behind functions of modules', () => {
    const { own, at } = setup();
    const { machine } = own;
    const gate = machine.gate('plain', (cpu, out) => {
      out[0] = cpu.argLo(0) + 1;
      out[1] = 0;
    });
    const kfunc = i(CALL, 0, 2, 1, 77);
    const insns = [mov(1, 1), kfunc, movX(1, 0), helper(gate), movX(1, 0), kfunc, exit];
    // A module's function: here it is just another image, far from kernel text.
    const { funcs: module } = own.place([{ insns: [movX(0, 1), add(0, 10), exit] }]);
    const { funcs } = own.place([{ insns, kfuncAddr: () => module[0].bpfFunc }]);
    expect(own.call(funcs[0].bpfFunc, [at])).toBe(22n);
  });
});
