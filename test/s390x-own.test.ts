import { describe, expect, it } from 'vitest';
import { CALL, EXIT, type Insn, LD_IMM64, makeInsn, TAIL_CALL } from '../src/isa/index.ts';
import { plainFunc } from '../src/jit/func-input.ts';
import { S390X } from '../src/jit/s390x/index.ts';
import { CTX_BYTES, FUEL_OFF, generateFunctions } from './support/ppc64/own-programs.ts';
import { OutOfBudget, runReference } from './support/ppc64/own-reference.ts';
import { Random } from './support/random.ts';
import { helperImm, OwnMachine, STRUCTS, USER_LIMIT } from './support/s390x/own-machine.ts';

// What own mode of s390x compiles, on the emulated CPU of the tests, which watches the ABI.

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
  own.mem.view.setUint32(at + STRUCTS.arrayMaxEntries, mains.length);
  mains.forEach((main, n) => {
    const prog = at + 512 + 64 * n;
    own.setU64(at + STRUCTS.arrayPtrs + 8 * n, main === undefined ? 0n : BigInt(prog));
    if (main !== undefined) own.setU64(prog + STRUCTS.progBpfFunc, main);
  });
  return BigInt(at);
}

const PROGRAMS = Number(process.env.OWN_PROGRAMS ?? 40);
const FIRST_SEED = Number(process.env.OWN_SEED ?? 1);
/** Two places between which no `brasl` reaches, and two between which every one does. */
const NEAR = 0n;
const FAR = 1n << 33n;

const mixed = (count: number, args: readonly bigint[]): bigint =>
  BigInt.asUintN(
    64,
    args.slice(0, count).reduce((sum, arg) => 3n * sum + arg, BigInt(count) * 0x1234567n),
  );

/** What generated functions do other than the evaluator says. */
function differences(cpu: string, distance: bigint): string[] {
  const wrong: string[] = [];
  for (let seed = FIRST_SEED; seed < FIRST_SEED + PROGRAMS; seed++) {
    const own = new OwnMachine(cpu);
    const helpers = [0, 1, 2, 3, 4, 5].map(count =>
      own.gate(`mix${count}`, (at, out) => {
        const args = [0, 1, 2, 3, 4].map(n => (BigInt(at.argHi(n) >>> 0) << 32n) | BigInt(at.argLo(n) >>> 0));
        const value = mixed(count, args);
        out[0] = Number(BigInt.asIntN(32, value));
        out[1] = Number(BigInt.asIntN(32, value >> 32n));
      }),
    );
    const helperImms = helpers.map(helperImm);
    const verifierZext = seed % 2 === 0;
    const funcs = generateFunctions(seed, {
      verifierZext,
      helperImms,
      userLimit: USER_LIMIT,
      ctxAddr: BigInt(own.data),
    });
    const start = new Random(seed).bytes(CTX_BYTES);
    new DataView(start.buffer).setUint32(FUEL_OFF, 40);
    const ctx = start.slice();
    let wanted: bigint;
    try {
      wanted = runReference(funcs, {
        ctx,
        ctxAddr: BigInt(own.data),
        little: false,
        userLimit: BigInt(USER_LIMIT),
        helper: (imm, args) => mixed(helperImms.indexOf(imm), args),
        budget: 20_000,
      });
    } catch (error) {
      if (error instanceof OutOfBudget) continue;
      throw error;
    }
    own.mem.u8.set(start, own.data);
    const placed = own.place(
      funcs.map(func => ({ ...func, verifierZext })),
      distance,
    );
    const value = own.call(placed[0].at, [BigInt(own.data)]);
    if (value !== wanted) wrong.push(`seed ${seed}: ${value} instead of ${wanted}`);
    const differs = ctx.findIndex((byte, n) => byte !== own.mem.u8[own.data + n]);
    if (differs >= 0) wrong.push(`seed ${seed}: byte ${differs} is not ${ctx[differs]}`);
  }
  return wrong;
}

describe.each(S390X.cpus)('own mode on %s', cpu => {
  const setup = () => {
    const own = new OwnMachine(cpu);
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

  it('agrees with the evaluator, functions near one another and out of reach', () => {
    expect(differences(cpu, NEAR)).toEqual([]);
    expect(differences(cpu, FAR)).toEqual([]);
  });

  it('takes no copy into an operation that a jump reaches by way of an instruction that does nothing', () => {
    const { own } = setup();
    const insns = [
      mov(0, -56),
      mov(5, 7),
      makeInsn(0x35, 5, 0, 1, 5),
      movX(0, 5),
      makeInsn(0xdc, 2, 0, 0, 64),
      makeInsn(0x27, 0, 0, 0, 31),
      exit,
    ];
    const [main] = own.place([{ insns }]);
    expect(own.call(main.at, [])).toBe(BigInt.asUintN(64, -56n * 31n));
  });

  it('gives no copy the register that a comparison with memory changes, though nobody reads its result', () => {
    const { own, data, at } = setup();
    new DataView(own.mem.u8.buffer, own.mem.u8.byteOffset).setBigUint64(data, 5n);
    const insns = [
      mov(0, 7),
      movX(4, 0),
      makeInsn(0xdb, 1, 4, 0, 0xf1),
      load(0, 1, 0),
      makeInsn(0x0f, 0, 4, 0, 0),
      exit,
    ];
    const [main] = own.place([{ insns }]);
    expect(own.call(main.at, [at])).toBe(12n);
  });

  it('makes 33 tail calls and no more', () => {
    const { own, data, at } = setup();
    const [main] = own.place([{ insns: counting(at + 1024n, 0), tailCallReachable: true }]);
    progArray(own, data + 1024, [main.at]);
    for (let run = 1; run <= 2; run++) {
      expect(own.call(main.at, [at])).toBe(7n);
      expect(own.u64(data)).toBe(BigInt(34 * run));
    }
  });

  it('goes on behind a tail call outside the array, to nothing, or beyond 32 bits of index', () => {
    const { own, data, at } = setup();
    for (const index of [1, 2, -1]) {
      const [main] = own.place([{ insns: counting(at + 1024n, index), tailCallReachable: true }]);
      progArray(own, data + 1024, [main.at, undefined]);
      own.setU64(data, 0n);
      expect(own.call(main.at, [at])).toBe(7n);
      expect(own.u64(data)).toBe(1n);
    }
    const insns = [movX(6, 1), ...ld64(2, at + 1024n), ...ld64(3, 0x700000001n), tailCall, mov(0, 7), exit];
    const [main] = own.place([{ insns, tailCallReachable: true }]);
    const [other] = own.place([{ insns: [mov(0, 9), exit] }]);
    progArray(own, data + 1024, [undefined, other.at]);
    expect(own.call(main.at, [at])).toBe(9n);
  });

  it('tail-calls programs of every kind of prologue', () => {
    const { own, data, at } = setup();
    const twice = own.gate('twice', (from, out) => {
      out[0] = 2 * from.argLo(0);
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
      const [callee] = own.place([{ insns, stackDepthBytes: 8 }]);
      // One caller without frame, one with everything.
      return [0, 1].map(kind => {
        const before = kind === 0 ? [] : [movX(6, 1), mov(7, 1), mov(1, 4), helper(twice), movX(1, 6), addX(7, 0)];
        const tail = [...ld64(2, at + 1024n), mov(3, 0), tailCall, mov(0, 7), exit];
        const [caller] = own.place([{ insns: [...before, ...tail], tailCallReachable: true, stackDepthBytes: n * 64 }]);
        progArray(own, data + 1024, [callee.at]);
        return own.call(caller.at, [at]);
      });
    });
    expect(values).toEqual([3n, 20n, 40n, 60n, 5n].map(value => [value, value]));
  });

  it('counts tail calls of subprograms with their caller', () => {
    const { own, data, at } = setup();
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
    const sub = [...ld64(2, at + 1024n), mov(3, 0), tailCall, mov(0, 2), exit];
    for (const distance of [NEAR, FAR]) {
      const [first] = own.place(
        [
          { insns: main, tailCallReachable: true },
          { insns: sub, tailCallReachable: true, stackDepthBytes: 16 },
        ],
        distance,
      );
      progArray(own, data + 1024, [first.at]);
      own.setU64(data, 0n);
      expect(own.call(first.at, [at])).toBe(1n);
      expect(own.u64(data)).toBe(34n);
    }
  });

  it('calls subprograms near and far, through pointers, and from the kernel', () => {
    const { own, at } = setup();
    const back = own.gate('call back', (from, out) => {
      const pointer = (BigInt(from.argHi(0) >>> 0) << 32n) | BigInt(from.argLo(0) >>> 0);
      const result = from.call(pointer, [5n, 6n]);
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
    for (const distance of [NEAR, 1n << 26n, FAR]) {
      const funcs = own.place(
        [{ insns: main, funcRefs: new Map([[2, 1]]) }, { insns: sub }, { insns: leaf }],
        distance,
      );
      expect(own.call(funcs[0].at, [at])).toBe(100n + 200n + (5n << 8n) + 6000n + (1n << 8n) + 2000n);
      expect(funcs[1].compiled.sites.map(site => site.form)).toEqual([distance === FAR ? 'imm64' : 'brasl']);
    }
  });

  it('takes the long form where 4 GB end, to the halfword', () => {
    const { own, at } = setup();
    const [first] = own.place([{ insns: [movX(0, 1), exit] }]);
    for (const [far, form] of [
      [0x1_0000_0000n - 2n, 'brasl'],
      [0x1_0000_0000n, 'imm64'],
      [-0x1_0000_0000n, 'brasl'],
      [-0x1_0000_0002n, 'imm64'],
    ] as const) {
      const env = { cpu, mode: 'own', userLimit: 0n, pcrel: false } as const;
      const space = { kernel: { structs: STRUCTS }, callBase: 0n, kernelToc: 0n, layout: {} } as never;
      const input = plainFunc([callSub(0), exit], { index: 1, isFunc: true });
      const compiler = S390X.compiler(input, { ...env, space });
      const probe = compiler.emit(first.at, [first]).sites[0].offBytes;
      const from = first.at - far - BigInt(probe);
      const image = S390X.compiler(input, { ...env, space }).emit(from, [first]);
      expect([far, image.sites[0].form]).toEqual([far, form]);
    }
    expect(own.call(first.at, [at])).toBe(at);
  });

  it('returns from exception callbacks to the caller of main, all registers restored', () => {
    const { own, at } = setup();
    let boundary: { start: bigint; end: bigint };
    let callback = 0n;
    const bpfThrow = own.gate('bpf_throw', from => {
      const cookie = BigInt.asUintN(64, (BigInt(from.argHi(0)) << 32n) | BigInt(from.argLo(0) >>> 0));
      const frame = from.frames().find(({ pc }) => pc >= boundary.start && pc < boundary.end);
      if (frame === undefined) throw new Error('no boundary');
      const { sp } = frame;
      from.resumeAt({ func: callback, args: [cookie, sp, 0n], sp, frameSp: sp });
    });
    const ping = own.gate('ping', (_from, out) => {
      out[0] = 1;
      out[1] = 0;
    });
    const main = [mov(6, 1), i(0x7a, 10, 0, -8, 77), mov(1, 40), callSub(1), mov(0, 5), exit];
    const thrower = [mov(7, 9), mov(8, 8), movX(6, 1), add(1, 1), helper(bpfThrow), mov(0, 6), exit];
    const handlers = [
      [movX(6, 1), i(0x7a, 10, 0, -16, 3), helper(ping), addX(0, 6), load(1, 10, -16), addX(0, 1), exit],
      [movX(0, 1), add(0, 4), exit],
    ];
    for (const handler of handlers) {
      const funcs = own.place([
        { insns: main, exceptionBoundary: true, stackDepthBytes: 8 },
        { insns: thrower, stackDepthBytes: 64 },
        { insns: handler, exceptionCallback: true, stackDepthBytes: 16 },
      ]);
      boundary = { start: funcs[0].at, end: funcs[0].at + BigInt(funcs[0].compiled.bytes.length) };
      callback = funcs[2].at;
      expect(own.call(funcs[0].at, [at])).toBe(45n);
    }
  });

  it('extends narrow arguments of kernel functions', () => {
    const { own, at } = setup();
    let seen: bigint[] = [];
    const kfunc = own.gate('kfunc', (from, out) => {
      seen = [0, 1, 2, 3, 4].map(n => (BigInt(from.argHi(n) >>> 0) << 32n) | BigInt(from.argLo(n) >>> 0));
      out[0] = out[1] = 0;
    });
    const insns = [1, 2, 3, 4, 5].flatMap(r => ld64(r, 0x8123456789abcdefn));
    const [main] = own.place([
      {
        insns: [...insns, i(CALL, 0, 2, 0, 7), exit],
        kfuncAddr: () => kfunc,
        kfuncArgs: () => [
          { sizeBytes: 4, signed: true },
          { sizeBytes: 4, signed: false },
          { sizeBytes: 2, signed: true },
          { sizeBytes: 1, signed: false },
          { sizeBytes: 1, signed: true },
        ],
      },
    ]);
    expect(own.call(main.at, [at])).toBe(0n);
    expect(seen).toEqual([0xffffffff89abcdefn, 0x89abcdefn, 0xffffffffffffcdefn, 0xefn, 0xffffffffffffffefn]);
  });

  it('reads 0 where a probe load may not go or faults', () => {
    const { own, data, at } = setup();
    own.setU64(data, 0x8081828384858687n);
    for (const [bits, sizeBytes] of [
      [0x10, 1],
      [0x08, 2],
      [0x00, 4],
      [0x18, 8],
    ]) {
      const value = own.u64(data) >> BigInt(64 - 8 * sizeBytes);
      for (const signed of [false, true]) {
        if (signed && sizeBytes === 8) continue;
        const code = 0x01 | bits | (signed ? 0x40 : 0x20);
        const good = signed ? BigInt.asUintN(64, BigInt.asIntN(8 * sizeBytes, value)) : value;
        for (const off of [0, 3, -5]) {
          for (const dst of [1, 2]) {
            const [func] = own.place([{ insns: [mov(2, 99), i(code, dst, 1, off, 0), movX(0, dst), exit] }]);
            const text = `${code.toString(16)} off ${off} dst ${dst}`;
            expect(own.call(func.at, [at - BigInt(off)]), text).toBe(good);
            for (const bad of [0x8000n, 0xc000000000000000n, 0x7fffff00n, 0xffffn - BigInt(off)]) {
              expect(own.call(func.at, [bad]), `${text} at ${bad.toString(16)}`).toBe(0n);
            }
          }
        }
      }
    }
  });

  it('reads and writes arenas at their base, and passes over faults', () => {
    const { own, data, at } = setup();
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
    for (const kernVmStart of [at, 0n]) {
      own.setU64(data + 64 + 16, 1000n);
      const [func] = own.place([{ insns, arena: { kernVmStart, userVmStart: 0x7f0000000000n } }]);
      const pointer = kernVmStart === 0n ? at + 64n : 64n;
      expect(own.call(func.at, [0xabcd00000000n + pointer])).toBe(2000n);
      const { view } = own.mem;
      expect([own.u64(data + 80), own.u64(data + 88), view.getUint32(data + 96)]).toEqual([
        1005n,
        (1n << 64n) - 2n,
        1000,
      ]);
    }
  });

  it('makes addresses of user space', () => {
    const { own, at } = setup();
    for (const userVmStart of [0x7f0000000000n, 0xf234567800000000n, 0n]) {
      const insns = [i(0xbf, 1, 1, 1, 1 << 16), movX(0, 1), exit];
      const [func] = own.place([{ insns, arena: { kernVmStart: at, userVmStart } }]);
      expect(own.call(func.at, [0x1234567887654321n])).toBe(userVmStart | 0x87654321n);
      expect(own.call(func.at, [0x1234567800000000n])).toBe(0n);
    }
  });

  it('branches over more than 64 KB', () => {
    const { own, at } = setup();
    const filler = Array.from({ length: 12_000 }, () => i(0x07, 2, 0, 0, 0x12345678));
    const skip = filler.length;
    const insns = [
      movX(0, 1),
      mov(2, 0),
      i(0x06, 0, 0, 0, 1),
      exit,
      i(0x25, 0, 0, skip, 1),
      ...filler,
      movX(0, 2),
      i(0x05, 0, 0, -skip - 4, 0),
    ];
    const [func] = own.place([{ insns }]);
    expect(own.call(func.at, [9n])).toBe(0n);
    expect(own.call(func.at, [at])).toBe(0n);
  });
});
