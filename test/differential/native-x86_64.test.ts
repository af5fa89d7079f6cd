import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { assemble } from '../../src/asm/index.ts';
import type { Insn } from '../../src/isa/index.ts';
import { ReplayLog } from '../../src/jit/index.ts';
import { createMachine } from '../../src/machine/index.ts';
import { pcapPackets } from '../support/pcap.ts';
import { CTX_BYTES, FUEL_OFF, generateFunctions, type OwnFunc } from '../support/ppc64/own-programs.ts';
import { OutOfBudget, runReference } from '../support/ppc64/own-reference.ts';
import { Random } from '../support/random.ts';
import { apart, at, NATIVE, PLACES, type Place, type Subject, threeWay } from '../support/three-way.ts';
import { callSubject, insnSubject, objectSubject, plainSubject } from '../support/three-way-subjects.ts';
import { createX86Cpu } from '../support/x86_64/cpu.ts';
import { EXIT_INSN, i, instructionForms, ld64, mov, movX } from '../support/x86_64/forms.ts';
import { DATA, isNativeX86, NativeBatch, SP, STRUCTS } from '../support/x86_64/native.ts';

const CPUS = ['x86-64-v1', 'x86-64-v3'] as const;
const SEEDS = Array.from(
  { length: Number(process.env.OWN_PROGRAMS ?? 150) },
  (_, n) => Number(process.env.OWN_SEED ?? 1) + n,
);
/** Of thousands of forms, one in so many; 1 for all. */
const STEP = Number(process.env.FORMS_STEP ?? 13);
const USER_LIMIT = 0xffff;
const file = (name: string): string => fileURLToPath(new URL(`../../${name}`, import.meta.url));
const TAIL = i(0xf5, 0, 0, 0, 0);

const mixed = (count: number, args: readonly bigint[]): bigint =>
  BigInt.asUintN(
    64,
    args.slice(0, count).reduce((sum, arg) => 3n * sum + arg, BigInt(count) * 0x1234567n),
  );

/** What the evaluator makes of functions, and its calls of the kernel; undefined when it takes too long. */
function evaluated(
  funcs: readonly OwnFunc[],
  start: Uint8Array,
  helpers: readonly { readonly index: number; readonly imm: number }[],
): { readonly r0: bigint; readonly data: Uint8Array; readonly log: Uint8Array } | undefined {
  const data = start.slice();
  const log = new ReplayLog('little');
  try {
    const r0 = runReference(funcs, {
      ctx: data,
      ctxAddr: BigInt(DATA),
      little: true,
      userLimit: BigInt(USER_LIMIT),
      helper: (imm, args) => {
        const count = helpers.findIndex(helper => helper.imm === imm);
        const value = mixed(count, args);
        log.call(helpers[count].index, args.slice(0, count));
        log.return(value);
        return value;
      },
      budget: 20_000,
    });
    return { r0, data, log: log.finish() };
  } catch (error) {
    if (error instanceof OutOfBudget) return undefined;
    throw error;
  }
}

describe.runIf(isNativeX86()).each(CPUS)('%s, natively', cpu => {
  const config = { target: 'x86_64', cpu, mode: 'own', makeCpu: createX86Cpu } as const;
  const agree = (subjects: readonly Subject[], placeOf: (index: number) => Place): void => {
    const { differences, agreed, skipped } = threeWay(subjects, config, placeOf, NATIVE);
    expect(
      differences.map(({ subject, place, ...rest }) => ({ name: subject.name, place: place.name, ...rest })),
    ).toEqual([]);
    expect([...skipped]).toEqual([]);
    expect(agreed).toBe(subjects.length);
  };

  it('every form of instruction, operands in every kind of register', () => {
    const batch = new NativeBatch({ cpu });
    const start = Uint8Array.from({ length: CTX_BYTES }, (_, n) => 0x80 + 7 * n);
    let count = 0;
    let turn = 0;
    for (const [name, func] of instructionForms()) {
      if (turn++ % STEP !== CPUS.indexOf(cpu) % STEP) continue;
      const wanted = evaluated([func], start, []);
      const [placed] = batch.place([func]);
      if (wanted === undefined) throw new Error('a form that never ends');
      batch.run(name, placed.bpfFunc, [BigInt(DATA)], start, wanted);
      count++;
    }
    batch.flush();
    expect(batch.problems).toEqual([]);
    expect(batch.count).toBe(count);
  });

  it.each([0n, 0x7ffff000n, 1n << 36n])('generated functions %i bytes apart', distance => {
    const batch = new NativeBatch({ cpu });
    const helpers = [0, 1, 2, 3, 4, 5].map(n => batch.gate(`mix${n}`));
    let count = 0;
    // Programs that lie far apart leave room for fewer.
    for (const seed of distance === 0n ? SEEDS : SEEDS.slice(0, 30)) {
      const helperImms = helpers.map(helper => helper.imm);
      const verifierZext = seed % 2 === 0;
      const funcs = generateFunctions(seed, { verifierZext, helperImms, userLimit: USER_LIMIT, ctxAddr: BigInt(DATA) });
      const start = new Random(seed).bytes(CTX_BYTES);
      new DataView(start.buffer).setUint32(FUEL_OFF, 40, true);
      const wanted = evaluated(funcs, start, helpers);
      if (wanted === undefined) continue;
      const placed = batch.place(
        funcs.map(func => ({ ...func, verifierZext })),
        distance,
      );
      batch.run(`seed ${seed}`, placed[0].bpfFunc, [BigInt(DATA)], start, wanted, wanted.log);
      count++;
    }
    batch.flush();
    expect(batch.problems).toEqual([]);
    expect(batch.count).toBe(count);
  });

  it('probe loads: 0 where they may not go or fault, by limit and by sign', () => {
    const start = new Uint8Array(64).fill(0x81);
    for (const kernelHalf of [false, true]) {
      const userLimit = kernelHalf ? 0x7fffffffffffn : 0x1ffffn;
      const batch = new NativeBatch({ cpu, userLimit, kernelHalf });
      const bad = [0n, 0x10000n, 0xffff800000000000n, 0xffffffff00000000n, 0x8000000000000000n];
      for (const code of [0x21, 0x29, 0x31, 0x39, 0x41, 0x49, 0x51]) {
        for (const off of [0, 8, -8]) {
          for (const dst of [1, 2, 7]) {
            const [placed] = batch.place([
              { insns: [mov(2, 99), mov(7, 98), i(code, dst, 1, off, 0), movX(0, dst), EXIT_INSN] },
            ]);
            const name = `${code.toString(16)} off ${off} r${dst}`;
            for (const addr of bad)
              batch.run(`${name} ${addr}`, placed.bpfFunc, [addr], start, { r0: 0n, data: start });
            const bits = [32, 16, 8, 64][(code >> 3) & 3];
            const value = BigInt.asUintN(bits, 0x8181818181818181n);
            const r0 = code >= 0x40 ? BigInt.asUintN(64, BigInt.asIntN(bits, value)) : value;
            // By sign, nothing of this process is the kernel's.
            batch.run(`${name} data`, placed.bpfFunc, [BigInt(DATA + 16 - off)], start, {
              r0: kernelHalf ? 0n : r0,
              data: start,
            });
          }
        }
      }
      batch.flush();
      expect(batch.problems).toEqual([]);
      expect(batch.count).toBe(7 * 3 * 3 * 6);
    }
  });

  it.each([0n, BigInt(DATA), 0xffffffff80000000n])(
    'arenas at %i: the low half of pointers counts, faults are passed over',
    start => {
      const batch = new NativeBatch({ cpu });
      const arena = { kernVmStart: start, userVmStart: 0x7f0000000000n };
      const memory = Uint8Array.from({ length: 128 }, (_, n) => n + 0x70);
      const view = new DataView(memory.buffer);
      const pointer = BigInt.asUintN(32, BigInt(DATA) - start) | (0xabcdn << 32n);
      const nothing = BigInt.asUintN(32, 0x7f000000n - start) | (0xabcdn << 32n);
      const loads = [0x10, 0x08, 0x00, 0x18].flatMap((size, log) => [
        {
          code: 0xa1 | size,
          value: (off: number) =>
            [view.getUint8(off), view.getUint16(off, true), view.getUint32(off, true), view.getBigUint64(off, true)][
              log
            ],
        },
        ...(log === 3
          ? []
          : [
              {
                code: 0xc1 | size,
                value: (off: number) => [view.getInt8(off), view.getInt16(off, true), view.getInt32(off, true)][log],
              },
            ]),
      ]);
      for (const narrow of [false, true]) {
        // A pointer that is zero-extended already takes another way.
        const before = narrow ? [i(0xbc, 1, 1, 0, 0)] : [];
        for (const { code, value } of loads) {
          for (const dst of [0, 1, 7]) {
            const [placed] = batch.place([
              { insns: [...before, i(code, dst, 1, 24, 0), movX(0, dst), EXIT_INSN], arena },
            ]);
            const r0 = BigInt.asUintN(64, BigInt(value(24)));
            batch.run(`load ${code} r${dst}`, placed.bpfFunc, [pointer], memory, { r0, data: memory });
            batch.run(`load ${code} r${dst} faults`, placed.bpfFunc, [nothing], memory, { r0: 0n, data: memory });
          }
        }
        for (const size of [0x00, 0x18]) {
          const bits = size === 0 ? 32 : 64;
          const operand = 0x0102030405060708n;
          for (const op of [0x00, 0x40, 0x50, 0xa0, 0x01, 0x41, 0x51, 0xa1, 0xe1, 0xf1]) {
            for (const s of [0, 2, 7]) {
              const body = [...before, mov(0, 55), ...ld64(s, operand), i(0xe3 | size, 1, s, 32, op)];
              const other = s === 0 ? [] : [i(0x67, 0, 0, 0, 1), i(0x0f, 0, s, 0, 0)];
              const [placed] = batch.place([{ insns: [...body, ...other, EXIT_INSN], arena }]);
              const old = size === 0 ? BigInt(view.getUint32(32, true)) : view.getBigUint64(32, true);
              const value = BigInt.asUintN(bits, operand);
              const results: Record<number, bigint> = {
                0: old + value,
                4: old | value,
                5: old & value,
                10: old ^ value,
                14: value,
              };
              const compared = s === 0 ? operand : 55n;
              const swapped = op === 0xf1 ? (BigInt.asUintN(bits, compared) === old ? value : old) : results[op >> 4];
              const after = memory.slice();
              const afterView = new DataView(after.buffer);
              if (size === 0) afterView.setUint32(32, Number(BigInt.asUintN(32, swapped)), true);
              else afterView.setBigUint64(32, BigInt.asUintN(64, swapped), true);
              const newR0 = op === 0xf1 ? old : s === 0 ? ((op & 1) === 1 ? old : operand) : 55n;
              const newS = s !== 0 && op !== 0xf1 && (op & 1) === 1 ? old : operand;
              const sum = (a: bigint, b: bigint): bigint => BigInt.asUintN(64, s === 0 ? a : 2n * a + b);
              const name = `atomic ${op.toString(16)} ${bits} r${s}`;
              batch.run(name, placed.bpfFunc, [pointer], memory, { r0: sum(newR0, newS), data: after });
              // Registers stay; of a comparison of 32 bits rax's low half.
              const kept = op === 0xf1 && size === 0 ? BigInt.asUintN(32, compared) : s === 0 ? operand : 55n;
              batch.run(`${name} faults`, placed.bpfFunc, [nothing], memory, { r0: sum(kept, operand), data: memory });
            }
          }
        }
        const stores = [
          i(0xa2 | 0x18, 1, 0, 40, -2),
          mov(2, 0x1234),
          i(0xa3 | 0x08, 1, 2, 48, 0),
          i(0xe3, 1, 2, 52, 0x110),
        ];
        const acquire = i(0xe3 | 0x18, 0, 1, 40, 0x100);
        const [placed] = batch.place([{ insns: [...before, ...stores, acquire, EXIT_INSN], arena }]);
        const after = memory.slice();
        const afterView = new DataView(after.buffer);
        afterView.setBigInt64(40, -2n, true);
        afterView.setUint16(48, 0x1234, true);
        afterView.setUint32(52, 0x1234, true);
        batch.run('stores', placed.bpfFunc, [pointer], memory, { r0: (1n << 64n) - 2n, data: after });
        batch.run('stores fault', placed.bpfFunc, [nothing], memory, { r0: 0n, data: memory });
      }
      for (const [from, to] of [
        [0n, 0n],
        [0xabcd00000001n, 0x7f0000000001n],
      ]) {
        const cast = i(0xbf, 0, 1, 1, 1 << 16);
        const [placed] = batch.place([{ insns: [cast, EXIT_INSN], arena }]);
        batch.run('cast to user', placed.bpfFunc, [from], memory, { r0: to, data: memory });
        const [kernel] = batch.place([{ insns: [i(0xbf, 0, 1, 1, 1), EXIT_INSN], arena }]);
        batch.run('cast to the kernel', kernel.bpfFunc, [from], memory, { r0: from & 0xffffffffn, data: memory });
      }
      batch.flush();
      expect(batch.problems).toEqual([]);
    },
  );

  it('the per-CPU offset and a barrier', () => {
    const batch = new NativeBatch({ cpu });
    const [placed] = batch.place([
      { insns: [i(0xbf, 0, 1, -1, 0), i(0xc2, 0, 0, 0, 0), i(0xbf, 0, 0, -1, 0), EXIT_INSN] },
    ]);
    batch.run('per CPU', placed.bpfFunc, [0x123456789n], new Uint8Array(8), { r0: 0x123456789n });
    batch.flush();
    expect(batch.problems).toEqual([]);
  });

  /** An array of programs at {@link DATA} + 1024, each with its `bpf_func`. */
  const progArray = (funcs: readonly bigint[], counter = 0n): Uint8Array => {
    const memory = new Uint8Array(2048);
    const view = new DataView(memory.buffer);
    view.setBigUint64(0, counter, true);
    const array = 1024;
    view.setUint32(array + STRUCTS.arrayMaxEntries, funcs.length, true);
    funcs.forEach((func, n) => {
      if (func === 0n) return;
      const prog = 64 + 128 * n;
      view.setBigUint64(array + STRUCTS.arrayPtrs + 8 * n, BigInt(DATA + prog), true);
      view.setBigUint64(prog + STRUCTS.progBpfFunc, func, true);
    });
    return memory;
  };
  const ARRAY = BigInt(DATA + 1024);
  const counted = (memory: Uint8Array, count: bigint): Uint8Array => {
    const after = memory.slice();
    new DataView(after.buffer).setBigUint64(0, count, true);
    return after;
  };

  it('tail calls: to the end of the index, empty slots, with frames of any shape, 33 of them', () => {
    const batch = new NativeBatch({ cpu });
    const callees = [
      [movX(0, 1), i(0x57, 0, 0, 0, 0xff), EXIT_INSN],
      [i(0x7a, 10, 0, -8, 20), i(0x79, 0, 10, -8, 0), EXIT_INSN],
      [mov(6, 1), mov(7, 2), mov(8, 3), mov(9, 4), i(0x0f, 6, 9, 0, 0), movX(0, 6), EXIT_INSN],
    ].map(insns => batch.place([{ insns, stackDepthBytes: 8 }])[0].bpfFunc);
    const memory = progArray([...callees, 0n]);
    for (const [index, r0] of [
      [0, BigInt(DATA & 0xff)],
      [1, 20n],
      [2, 5n],
      [3, 7n],
      [4, 7n],
      [-1, 7n],
    ] as const) {
      for (const before of [[], [mov(6, 5)], [i(0x7a, 10, 0, -200, 5), mov(8, 2), mov(9, 1)]]) {
        const insns = [...before, ...ld64(2, ARRAY), mov(3, index), TAIL, mov(0, 7), EXIT_INSN];
        const [caller] = batch.place([{ insns, tailCallReachable: true, stackDepthBytes: 200 }]);
        batch.run(`index ${index}`, caller.bpfFunc, [BigInt(DATA)], memory, { r0, data: memory });
      }
    }
    // Several in one function, which share what they do.
    for (const [last, r0] of [
      [1, 20n],
      [3, 4n],
    ] as const) {
      const attempts = [3, 4, -1, last].flatMap(index => [
        movX(1, 6),
        ...ld64(2, ARRAY),
        mov(3, index),
        TAIL,
        i(0x07, 7, 0, 0, 1),
      ]);
      const insns = [movX(6, 1), mov(7, 0), ...attempts, movX(0, 7), EXIT_INSN];
      const [caller] = batch.place([{ insns, tailCallReachable: true, stackDepthBytes: 40 }]);
      batch.run(`of several ${last}`, caller.bpfFunc, [BigInt(DATA)], memory, { r0, data: memory });
    }
    const self = [
      i(0x79, 4, 1, 0, 0),
      i(0x07, 4, 0, 0, 1),
      i(0x7b, 1, 4, 0, 0),
      ...ld64(2, ARRAY),
      mov(3, 0),
      TAIL,
      mov(0, 9),
      EXIT_INSN,
    ];
    const [looping] = batch.place([{ insns: self, tailCallReachable: true }]);
    const loop = progArray([looping.bpfFunc]);
    batch.run('33', looping.bpfFunc, [BigInt(DATA)], loop, { r0: 9n, data: counted(loop, 34n) });
    batch.flush();
    expect(batch.problems).toEqual([]);
  });

  it.each([0n, 1n << 33n])('tail calls of subprograms count with their callers, %i bytes apart', distance => {
    const batch = new NativeBatch({ cpu });
    // Main counts, calls the subprogram twice; the subprogram tail-calls main.
    const main = [
      movX(6, 1),
      i(0x79, 2, 1, 0, 0),
      i(0x07, 2, 0, 0, 1),
      i(0x7b, 1, 2, 0, 0),
      i(0x85, 0, 1, 1, 1),
      movX(1, 6),
      i(0x85, 0, 1, 1, 1),
      mov(0, 1),
      EXIT_INSN,
    ];
    const sub = [...ld64(2, ARRAY), mov(3, 0), i(0x7b, 10, 3, -16, 0), TAIL, i(0x79, 0, 10, -16, 0), EXIT_INSN];
    const [placed] = batch.place(
      [
        { insns: main, tailCallReachable: true },
        { insns: sub, tailCallReachable: true, stackDepthBytes: 16 },
      ],
      distance,
    );
    const memory = progArray([placed.bpfFunc]);
    batch.run('hierarchy', placed.bpfFunc, [BigInt(DATA)], memory, { r0: 1n, data: counted(memory, 34n) });
    batch.flush();
    expect(batch.problems).toEqual([]);
  });

  it.each([0n, 1n << 33n])('callbacks and function pointers, %i bytes apart', distance => {
    const batch = new NativeBatch({ cpu });
    const gate = batch.gate('call_back');
    const insns = [
      mov(6, 100),
      ...ld64(1, 0n, 4),
      mov(2, 3),
      i(0x85, 0, 0, 0, gate.imm),
      i(0x0f, 0, 6, 0, 0),
      EXIT_INSN,
    ];
    const back = [movX(6, 1), i(0x27, 6, 0, 0, 10), i(0x7b, 10, 6, -8, 0), i(0x79, 0, 10, -8, 0), EXIT_INSN];
    const [main, callback] = batch.place(
      [
        { insns, funcRefs: new Map([[1, 1]]) },
        { insns: back, stackDepthBytes: 8 },
      ],
      distance,
    );
    const log = new ReplayLog('little');
    log.call(gate.index, [callback.bpfFunc, 3n]);
    for (const n of [4n, 5n]) {
      log.callback(callback.bpfFunc, [n, 0n, 0n, 0n, 0n]);
      log.result(10n * n);
    }
    log.return(9n);
    batch.run('callback', main.bpfFunc, [0n], new Uint8Array(8), { r0: 109n }, log.finish());
    batch.flush();
    expect(batch.problems).toEqual([]);
  });

  it('exceptions return from the callback to the caller of main, all registers restored', () => {
    const batch = new NativeBatch({ cpu });
    const bpfThrow = batch.gate('bpf_throw');
    const ping = batch.gate('ping');
    const stackDepthBytes = 40;
    const main = [mov(6, 1), i(0x7a, 10, 0, -40, 77), mov(1, 40), i(0x85, 0, 1, 1, 1), mov(0, 5), EXIT_INSN];
    const thrower = [
      mov(7, 9),
      mov(8, 8),
      mov(9, 7),
      movX(6, 1),
      i(0x07, 1, 0, 0, 1),
      i(0x85, 0, 0, 0, bpfThrow.imm),
      mov(0, 6),
      EXIT_INSN,
    ];
    const handler = [
      movX(6, 1),
      i(0x7a, 10, 0, -16, 3),
      i(0x85, 0, 0, 0, ping.imm),
      i(0x0f, 0, 6, 0, 0),
      i(0x79, 1, 10, -16, 0),
      i(0x0f, 0, 1, 0, 0),
      EXIT_INSN,
    ];
    const placed = batch.place([
      { insns: main, exceptionBoundary: true, stackDepthBytes },
      { insns: thrower, stackDepthBytes: 64 },
      { insns: handler, exceptionCallback: true, stackDepthBytes: 16 },
    ]);
    // Return address, rbp, stack, five registers, rbp: where main's rsp is while it calls.
    const sp = SP - 8n - 8n - BigInt(stackDepthBytes) - 40n - 8n;
    const log = new ReplayLog('little');
    log.call(bpfThrow.index, [41n]);
    log.resume(placed[2].bpfFunc, [41n, sp, 0n], sp, sp);
    log.call(ping.index, []);
    log.return(1n);
    batch.run('throws', placed[0].bpfFunc, [0n], new Uint8Array(8), { r0: 45n }, log.finish());
    const quiet = new ReplayLog('little');
    quiet.call(bpfThrow.index, [41n]);
    quiet.return(0n);
    batch.run('does not', placed[0].bpfFunc, [0n], new Uint8Array(8), { r0: 5n }, quiet.finish());
    batch.flush();
    expect(batch.problems).toEqual([]);
  });

  it('generated programs of many functions, near, at the edges of calls, and far', () => {
    const places = Object.values(PLACES);
    agree(
      Array.from({ length: 18 }, (_, n) => callSubject(1000 + n)),
      index => places[index % places.length],
    );
  });

  it('generated programs with contexts, packets and maps', () => {
    agree(
      Array.from({ length: 15 }, (_, n) => plainSubject(500 + n)),
      () => PLACES.near,
    );
  });

  const insnsOf = (text: string): readonly Insn[] => assemble(text, { dialect: 'llvm' });
  const subjectOf = (name: string, text: string): Subject =>
    insnSubject(name, 6, insnsOf(text), new Uint8Array(64), []);

  it('a call across both edges, byte by byte', () => {
    const text = 'r6 = 0x1234\nr1 = r6\ncall second\nr0 += r6\nexit\nsecond:\nr0 = r1\nr0 *= 3\nexit';
    // Main's call ends 16 bytes in.
    const places = [0x80000000n, -0x80000000n].flatMap(reach =>
      Array.from({ length: 24 }, (_, n) => apart(reach + BigInt(n + 4))),
    );
    agree(
      places.map(place => subjectOf(place.name, text)),
      index => places[index],
    );
  });

  it('calls of kernel functions from near, 2 GB and terabytes away', () => {
    const text = 'call 5\nr6 = r0\ncall 5\nr0 -= r6\nexit';
    const places = [0x28000000n, 0x88000000n, -0x88000000n, 0x6ff000000000n].map(far => at(0x1000000000n + far));
    agree(
      places.map(place => subjectOf(place.name, text)),
      index => places[index],
    );
  });

  it('an object on a capture, packet after packet', () => {
    const packets = pcapPackets(new Uint8Array(readFileSync(file('examples/traffic.pcap'))));
    const subject = objectSubject(file('examples/tail_parser.bpf.o'), 'classify', packets, undefined);
    const { differences, runs } = threeWay([subject], config, () => PLACES.far, NATIVE);
    expect(differences).toEqual([]);
    const ran = subject.run(createMachine()).filter(line => line.startsWith('r0'));
    expect([runs, ran.length > 60]).toEqual([ran.length, true]);
  });
});
