import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { hi32, lo32, toHex } from '../../util/index.ts';
import { ByteSink } from './byte-sink.ts';
import { ModuleWriter } from './module-writer.ts';
import * as w from './opcodes.ts';

/** LEB128 as the specification defines it, in BigInt; the shortest form ends where the rest is the sign. */
function leb(bytes: Uint8Array, signed: boolean): { value: bigint; shortest: boolean } {
  let value = 0n;
  bytes.forEach((byte, i) => {
    expect((byte & 0x80) !== 0).toBe(i < bytes.length - 1);
    value |= BigInt(byte & 0x7f) << BigInt(7 * i);
  });
  const bits = 7 * bytes.length;
  if (signed) value = BigInt.asIntN(bits, value);
  const shorter = signed ? BigInt.asIntN(bits - 7, value) : BigInt.asUintN(bits - 7, value);
  return { value, shortest: bytes.length === 1 || shorter !== value };
}

function written(write: (sink: ByteSink) => void): Uint8Array {
  const sink = new ByteSink();
  write(sink);
  return sink.finish();
}

describe('numbers', () => {
  it('are the shortest LEB128 of their value', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 0xffffffff }), value => {
        expect(
          leb(
            written(sink => sink.u32(value)),
            false,
          ),
        ).toEqual({ value: BigInt(value), shortest: true });
      }),
    );
    const edges = [0x3f, 0x40, -0x40, -0x41, 0x1fff, 0x2000, -0x2000, -0x2001, 0x7fffffff, -0x80000000];
    fc.assert(
      fc.property(fc.oneof(fc.integer(), fc.constantFrom(...edges)), value => {
        expect(
          leb(
            written(sink => sink.s32(value)),
            true,
          ),
        ).toEqual({ value: BigInt(value), shortest: true });
      }),
    );
    const i64 = fc.oneof(
      fc.bigInt({ min: -(1n << 63n), max: (1n << 63n) - 1n }),
      fc
        .tuple(fc.nat(63), fc.integer({ min: -2, max: 2 }))
        .map(([n, d]) => BigInt.asIntN(64, (1n << BigInt(n)) + BigInt(d))),
    );
    fc.assert(
      fc.property(i64, value => {
        expect(
          leb(
            written(sink => sink.s64(hi32(value), lo32(value))),
            true,
          ),
        ).toEqual({ value, shortest: true });
      }),
    );
  });

  it('of lengths fill the room left for them', () => {
    const bytes = written(sink => {
      const mark = sink.begin();
      for (let i = 0; i < 300; i++) sink.byte(7);
      sink.end(mark);
    });
    expect([...bytes.subarray(0, 5)]).toEqual([0xac, 0x82, 0x80, 0x80, 0]);
    expect(bytes.length).toBe(305);
  });
});

describe('modules', () => {
  it('have the bytes the specification says', () => {
    const m = new ModuleWriter();
    const type = m.type([w.I32, w.I32], [w.I32]);
    m.export('add', 'func', m.func(type));
    const code = m.body([]);
    code.get(0);
    code.get(1);
    code.op(w.I32_ADD);
    m.endBody();
    const bytes = m.finish();
    expect(toHex(bytes)).toBe(
      '0061736d01000000' +
        '0187808080000160027f7f017f' +
        '0382808080000100' +
        '078780808000010361646400' +
        '00' +
        '0a8d808080000187808080000020002001' +
        '6a0b',
    );
    const { exports } = new WebAssembly.Instance(new WebAssembly.Module(bytes));
    expect((exports.add as (a: number, b: number) => number)(40, 2)).toBe(42);
  });

  it('hold every kind of section', () => {
    const m = new ModuleWriter();
    const unary = m.type([w.I64], [w.I64]);
    expect(m.type([w.I64], [w.I64])).toBe(unary);
    const twice = m.import('env', 'twice', 'func', unary);
    const base = m.import('env', 'base', 'global', w.I32);
    m.table(8);
    m.memory(1);
    const own = m.global(w.I64, -5);
    const f = m.func(unary);
    const g = m.func(unary);
    m.export('g', 'func', g);
    m.export('own', 'global', own);
    m.element(base, f, 2);
    let code = m.body([[1, w.I64]]);
    code.get(0);
    code.call(twice);
    code.tee(1);
    code.globalGet(own);
    code.op(w.I64_ADD);
    m.endBody();
    // Calls f through the table, at the end; or answers by index with br_table.
    code = m.body([]);
    code.open(w.BLOCK);
    code.open(w.BLOCK);
    code.get(0);
    code.op(w.I32_WRAP_I64);
    code.brTable([0, 1]);
    code.op(w.END);
    code.i32(16);
    code.i64(0x1234, 0x5678);
    code.access(w.I64_STORE, 8);
    code.i32(24);
    code.i32(0);
    code.access(w.I64_LOAD32_U, 4);
    code.op(w.DROP);
    code.access(w.I64_LOAD32_U, 4);
    code.op(w.RETURN);
    code.op(w.END);
    code.get(0);
    code.globalGet(base);
    code.returnCallIndirect(unary);
    m.endBody();
    const module = new WebAssembly.Module(m.finish());
    const { exports } = new WebAssembly.Instance(module, { env: { twice: (x: bigint) => 2n * x, base: 3 } });
    const run = exports.g as (x: bigint) => bigint;
    expect(run(0n)).toBe(0x1234n);
    expect(run(21n)).toBe(37n);
    expect((exports.own as WebAssembly.Global).value).toBe(-5n);
  });
});
