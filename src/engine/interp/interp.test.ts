import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { bareHost } from '../../../test/support/bare-host.ts';
import { type HelperEnv, kfuncDef } from '../../helpers/index.ts';
import {
  type AluOp,
  type AtomicOp,
  INSN_TABLE,
  type Insn,
  insnDef,
  type JumpOp,
  makeInsn,
  ProgramBuilder,
  R0,
  R1,
  R2,
  R3,
  R6,
  R10,
} from '../../isa/index.ts';
import { LinearMemory } from '../../mem/index.ts';
import { type ByteOrder, u64Of } from '../../util/index.ts';
import type { EngineHost, RunOptions, RunResult } from '../types.ts';
import { wasmEngine } from '../wasm/index.ts';
import { interpEngine } from './index.ts';

const host = bareHost(new LinearMemory('little'));
function run(insns: readonly Insn[], ctx = 0n, options?: RunOptions, on = host): RunResult {
  const loaded = interpEngine.load({ name: 'test', type: 0, id: 1, handle: 0, insns }, on);
  const result = loaded.run(ctx, options);
  loaded.free();
  return result;
}

function r0(insns: readonly Insn[], ctx?: bigint): bigint {
  const result = run(insns, ctx);
  if (!result.ok) throw new Error(result.fault.message);
  return result.r0;
}

const u64 = fc.oneof(
  fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }),
  fc.constantFrom(
    0n,
    1n,
    2n,
    0x7fn,
    0x80n,
    0x7fffffffn,
    0x80000000n,
    0xffffffffn,
    1n << 32n,
    1n << 63n,
    (1n << 64n) - 1n,
  ),
);
const i32 = fc.oneof(fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }), fc.constantFrom(0, 1, -1, -(2 ** 31)));

// The oracle: what RFC 9669 says, in BigInt.
const S = (bits: number, v: bigint): bigint => BigInt.asIntN(bits, v);
const U = (bits: number, v: bigint): bigint => BigInt.asUintN(bits, v);
const ALU: Record<AluOp, (a: bigint, b: bigint, bits: number) => bigint> = {
  add: (a, b) => a + b,
  sub: (a, b) => a - b,
  mul: (a, b) => a * b,
  div: (a, b) => (b === 0n ? 0n : a / b),
  mod: (a, b) => (b === 0n ? a : a % b),
  sdiv: (a, b, w) => (b === 0n ? 0n : S(w, a) / S(w, b)),
  smod: (a, b, w) => (b === 0n ? a : S(w, a) % S(w, b)),
  or: (a, b) => a | b,
  and: (a, b) => a & b,
  xor: (a, b) => a ^ b,
  mov: (_, b) => b,
  lsh: (a, b, w) => a << (b % BigInt(w)),
  rsh: (a, b, w) => a >> (b % BigInt(w)),
  arsh: (a, b, w) => S(w, a) >> (b % BigInt(w)),
};
const JUMP: Record<JumpOp, (a: bigint, b: bigint, bits: number) => boolean> = {
  jeq: (a, b) => a === b,
  jne: (a, b) => a !== b,
  jset: (a, b) => (a & b) !== 0n,
  jgt: (a, b) => a > b,
  jge: (a, b) => a >= b,
  jlt: (a, b) => a < b,
  jle: (a, b) => a <= b,
  jsgt: (a, b, w) => S(w, a) > S(w, b),
  jsge: (a, b, w) => S(w, a) >= S(w, b),
  jslt: (a, b, w) => S(w, a) < S(w, b),
  jsle: (a, b, w) => S(w, a) <= S(w, b),
};

describe('arithmetic and jumps equal the RFC in BigInt', () => {
  const rows = INSN_TABLE.filter(def => def.kind === 'alu' || def.kind === 'jcond');
  it.each(rows.map(def => [def.name, def] as const))('%s', (_, def) => {
    fc.assert(
      fc.property(u64, u64, i32, (a, b, imm) => {
        const operand = def.source === 'imm' ? U(64, BigInt(imm)) : b;
        const { bits } = def;
        const insn = makeInsn(
          def.code,
          0,
          def.source === 'imm' ? 0 : 3,
          def.kind === 'jcond' ? 1 : (def.off as number),
          def.source === 'imm' ? imm : 0,
        );
        const program = new ProgramBuilder().imm64(R0, a).imm64(R3, b).raw(insn);
        if (def.kind === 'alu') {
          const expected = U(64, U(bits, ALU[def.op as AluOp](U(bits, a), U(bits, operand), bits)));
          expect(r0(program.exit().build())).toBe(expected);
        } else {
          const taken = JUMP[def.op as JumpOp](U(bits, a), U(bits, operand), bits);
          expect(r0(program.mov(R0, 0).mov(R0, 1).exit().build())).toBe(1n);
          const branch = new ProgramBuilder()
            .imm64(R0, a)
            .imm64(R3, b)
            .raw(insn)
            .jump('no')
            .mov(R0, 7)
            .exit()
            .label('no')
            .mov(R0, 9)
            .exit();
          expect(r0(branch.build())).toBe(taken ? 7n : 9n);
        }
      }),
      { numRuns: 60 },
    );
  });
});

function swapBytes(value: bigint, bits: number): bigint {
  let out = 0n;
  for (let at = 0; at < bits; at += 8) out = (out << 8n) | ((value >> BigInt(at)) & 0xffn);
  return out;
}

describe('other arithmetic', () => {
  it.each(INSN_TABLE.filter(def => ['neg', 'movsx', 'end'].includes(def.kind)).map(def => [def.name, def] as const))(
    '%s',
    (_, def) => {
      fc.assert(
        fc.property(u64, fc.constantFrom<ByteOrder>('little', 'big'), (a, order) => {
          const insn = makeInsn(
            def.code,
            0,
            def.kind === 'movsx' ? 3 : 0,
            typeof def.off === 'number' ? def.off : 0,
            typeof def.imm === 'number' ? def.imm : 0,
          );
          const result = run(
            new ProgramBuilder().imm64(R0, a).imm64(R3, a).raw(insn).exit().build(),
            0n,
            {},
            bareHost(new LinearMemory(order)),
          );
          const bits = 8 * def.sizeBytes;
          const swapped = swapBytes(U(bits, a), bits);
          const expected =
            def.kind === 'neg'
              ? U(def.bits, -a)
              : def.kind === 'movsx'
                ? U(def.bits, S(bits, a))
                : def.op === 'bswap' || (def.op === 'le') !== (order === 'little')
                  ? swapped
                  : U(bits, a);
          expect(result).toMatchObject({ ok: true, r0: expected });
        }),
        { numRuns: 30 },
      );
    },
  );
});

describe('memory', () => {
  it.each(['little', 'big'] as const)('loads what was stored, in %s-endian order', order => {
    const at = bareHost(new LinearMemory(order));
    fc.assert(
      fc.property(
        u64,
        fc.constantFrom('b', 'h', 'w', 'dw'),
        fc.constantFrom('b', 'h', 'w', 'dw'),
        (value, to, from) => {
          const insns = new ProgramBuilder()
            .imm64(R1, value)
            .store(to as 'b', R10, -8, R1)
            .load(from as 'b', R0, R10, -8)
            .exit()
            .build();
          const bytes = new DataView(new ArrayBuffer(8));
          const width = { b: 8, h: 16, w: 32, dw: 64 };
          const little = order === 'little';
          const put = {
            b: () => bytes.setUint8(0, Number(U(8, value))),
            h: () => bytes.setUint16(0, Number(U(16, value)), little),
            w: () => bytes.setUint32(0, Number(U(32, value)), little),
            dw: () => bytes.setBigUint64(0, value, little),
          };
          put[to as 'b']();
          const get = {
            b: () => bytes.getUint8(0),
            h: () => bytes.getUint16(0, little),
            w: () => bytes.getUint32(0, little),
            dw: () => bytes.getBigUint64(0, little),
          };
          expect(run(insns, 0n, {}, at)).toMatchObject({
            ok: true,
            r0: U(width[from as 'b'], BigInt(get[from as 'b']())),
          });
        },
      ),
    );
  });

  it.each(['b', 'h', 'w'] as const)('sign-extends signed loads of %s', size => {
    const insns = new ProgramBuilder().store('dw', R10, -8, -2).loadSigned(size, R0, R10, -8).exit().build();
    expect(r0(insns)).toBe((1n << 64n) - 2n);
  });

  const ATOMIC: Record<AtomicOp, (old: bigint, src: bigint, r0: bigint) => bigint> = {
    add: (o, s) => o + s,
    or: (o, s) => o | s,
    and: (o, s) => o & s,
    xor: (o, s) => o ^ s,
    xchg: (_, s) => s,
    cmpxchg: (o, s, r) => (o === r ? s : o),
  };
  it.each(INSN_TABLE.filter(def => def.kind === 'atomic').map(def => [def.name, def] as const))('%s', (_, def) => {
    const w = def.bits;
    fc.assert(
      fc.property(u64, u64, fc.boolean(), (old, src, same) => {
        const start = same ? old : src;
        const program = (tail: (b: ProgramBuilder) => ProgramBuilder): bigint =>
          r0(
            tail(
              new ProgramBuilder()
                .imm64(R0, start)
                .imm64(R1, old)
                .imm64(R3, src)
                .store('dw', R10, -8, R1)
                .emit(def.name, { dst: 10, src: 3, off: -8 }),
            )
              .exit()
              .build(),
          );
        const next = U(w, ATOMIC[def.op as AtomicOp](U(w, old), U(w, src), U(w, start)));
        expect(
          U(
            w,
            program(b => b.load('dw', R0, R10, -8)),
          ),
        ).toBe(next);
        if (w === 32) expect(program(b => b.load('dw', R0, R10, -8)) >> 32n).toBe(old >> 32n);
        if (def.op === 'cmpxchg') expect(program(b => b)).toBe(U(w, old));
        else expect(program(b => b.mov(R0, R3))).toBe(def.fetch ? U(w, old) : src);
      }),
      { numRuns: 40 },
    );
  });
});

describe('control', () => {
  it('calls functions with frames and callee-saved registers of their own', () => {
    const insns = new ProgramBuilder()
      .mov(R6, 40)
      .store('dw', R10, -8, 5)
      .mov(R1, R10)
      .call('sub')
      .alu64('add', R0, R6)
      .exit()
      .label('sub')
      .mov(R6, 0)
      .store('dw', R10, -8, 1)
      .load('dw', R0, R1, -8)
      .load('dw', R2, R10, -8)
      .alu64('sub', R0, R2)
      .exit();
    expect(r0(insns.build())).toBe(44n);
  });

  it('counts instructions and stops an endless loop', () => {
    expect(run(new ProgramBuilder().label('on').jump('on').build(), 0n, { insnBudget: 1000 })).toMatchObject({
      ok: false,
      fault: { kind: 'step-budget', insnIdx: 0 },
      insnCount: 1001,
    });
    expect(run(new ProgramBuilder().mov(R0, 0).exit().build())).toMatchObject({ insnCount: 2 });
  });

  it('may_goto leaves a loop after its budget', () => {
    const insns = new ProgramBuilder()
      .mov(R0, 0)
      .label('on')
      .mayGoto('out')
      .alu64('add', R0, 1)
      .jump('on')
      .label('out')
      .exit();
    expect(r0(insns.build())).toBe(8n * 1024n * 1024n);
  });

  it('calls through registers', () => {
    const insns = new ProgramBuilder().func(R1, 'sub').emit('callx', { dst: 1 }).exit().label('sub').mov(R0, 3).exit();
    expect(r0(insns.build())).toBe(3n);
  });
});

it('probe reads find 0 where nothing is, and only there', () => {
  const probe = (program: ProgramBuilder): RunResult => run(program.build(), 0n, { probeReads: true });
  const b = (): ProgramBuilder => new ProgramBuilder();
  for (const size of ['b', 'h', 'w', 'dw'] as const) {
    const wild = b().mov(R0, -1).imm64(R1, 0xffff_8880_0000_1234n).load(size, R0, R1).exit();
    expect(probe(wild)).toMatchObject({ ok: true, r0: 0n, probedReads: 1 });
  }
  expect(probe(b().mov(R1, 0).loadSigned('h', R0, R1, 8).exit())).toMatchObject({ ok: true, r0: 0n });
  expect(probe(b().mov(R1, 0).store('w', R1, 8, 1).exit())).toMatchObject({ ok: false });
  expect(probe(b().store('dw', R10, -8, 7).load('dw', R0, R10, -8).exit())).toMatchObject({ r0: 7n, probedReads: 0 });
  expect(probe(b().load('dw', R0, R10, -516).exit())).toMatchObject({ ok: true });
});

it.each([interpEngine, wasmEngine()])('addresses of 32 bits do not wrap to what lies at 0: $name', engine => {
  const mem = new LinearMemory('little');
  mem.addRegion({ kind: 'mem', name: 'null', start: 0, sizeBytes: 64, holds: () => false, absent: mem.alloc(64, 8) });
  const insns = new ProgramBuilder().alu32('mov', R1, -8).load('dw', R0, R1, 16).exit().build();
  const loaded = engine.load({ name: 'test', type: 0, id: 1, handle: 0, insns }, bareHost(mem));
  expect(loaded.run(0n, { probeReads: true })).toMatchObject({ ok: true, r0: 0n, probedReads: 1 });
  loaded.free();
});

describe.each([interpEngine, wasmEngine()])('exceptions: $name', engine => {
  const throwing: EngineHost = {
    ...bareHost(new LinearMemory('little')),
    kfunc: () => kfuncDef('bpf_throw'),
  };
  (throwing.env as { arg64: HelperEnv['arg64'] }).arg64 = n => {
    const { regs } = throwing.env;
    return u64Of(regs[2 * n + 1], regs[2 * n]);
  };
  const insns = new ProgramBuilder()
    .mov(R6, 1)
    .call('deep')
    .exit()
    .label('deep')
    .mov(R1, 40)
    .emit('call_kfunc', { imm: 1 })
    .exit()
    .label('callback')
    .mov(R0, R1)
    .alu64('add', R0, 2)
    .exit()
    .build();
  it.each([
    ['end in the callback', 6, 42n],
    ['return the cookie without one', undefined, 40n],
  ])('%s', (_, exceptionCallback, r0) => {
    const loaded = engine.load({ name: 'throws', type: 0, id: 1, handle: 0, insns, exceptionCallback }, throwing);
    expect([loaded.run(0n), loaded.run(0n)]).toMatchObject([
      { ok: true, r0 },
      { ok: true, r0 },
    ]);
  });
});

describe('faults', () => {
  const b = (): ProgramBuilder => new ProgramBuilder();
  const cases: [string, ProgramBuilder, object][] = [
    ['null read', b().mov(R1, 0).load('w', R0, R1, 4).exit(), { kind: 'out-of-bounds', insnIdx: 1, reg: 1, addr: 4n }],
    [
      'wild 64-bit pointer',
      b()
        .imm64(R1, 1n << 40n)
        .load('w', R0, R1)
        .exit(),
      { kind: 'out-of-bounds', insnIdx: 2, addr: 1n << 40n },
    ],
    ['above the stack', b().store('dw', R10, -4, 1).exit(), { kind: 'out-of-bounds', insnIdx: 0, reg: 10 }],
    ['below the stack', b().store('b', R10, -513, 1).exit(), { kind: 'out-of-bounds', reg: 10 }],
    ['unknown opcode', b().raw(makeInsn(0xff, 0, 0, 0, 0)), { kind: 'bad-instruction', insnIdx: 0 }],
    ['reserved field', b().raw(makeInsn(0xb7, 0, 3, 0, 0)), { kind: 'bad-instruction' }],
    ['no exit', b().mov(R0, 0), { kind: 'bad-instruction', insnIdx: 1 }],
    ['jump outside', b().raw({ ...makeInsn(insnDef('ja').code, 0, 0, -5, 0) }), { kind: 'bad-instruction' }],
    [
      'into a ld_imm64',
      b()
        .raw(makeInsn(0x05, 0, 0, 1, 0))
        .imm64(R0, 1n)
        .exit(),
      { kind: 'bad-instruction', insnIdx: 2 },
    ],
    ['endless recursion', b().label('f').call('f').exit(), { kind: 'too-deep', insnIdx: 0 }],
    ['unknown helper', b().helper(99999).exit(), { kind: 'bad-call' }],
    ['unknown kfunc', b().emit('call_kfunc', { imm: 5 }).exit(), { kind: 'bad-call' }],
    ['unresolved map', b().wide('lddw_map_fd', R1, 3).exit(), { kind: 'bad-instruction' }],
    [
      'callx of nonsense',
      b()
        .imm64(R1, 1n << 33n)
        .emit('callx', { dst: 1 })
        .exit(),
      { kind: 'bad-call', reg: 1 },
    ],
  ];
  it.each(cases)('%s', (_, program, fault) => {
    expect(run(program.build())).toMatchObject({ ok: false, fault });
  });

  it('any bytes end in a result or a fault', () => {
    const field = fc.tuple(
      fc.nat(255),
      fc.nat(15),
      fc.nat(15),
      fc.integer({ min: -8, max: 8 }),
      fc.integer({ min: -20, max: 20 }),
    );
    fc.assert(
      fc.property(fc.array(field, { maxLength: 30 }), slots => {
        const result = run(
          slots.map(([code, dst, src, off, imm]) => makeInsn(code, dst, src, off, imm)),
          0n,
          { insnBudget: 10_000 },
        );
        expect(result.ok || result.fault.message.length > 0).toBe(true);
      }),
      { numRuns: 2000 },
    );
  });
});
