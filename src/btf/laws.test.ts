import { readFileSync } from 'node:fs';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FarcallError } from '../util/index.ts';
import { type Btf, openBtf } from './btf.ts';
import { coreTypesAreCompat, coreTypesMatch } from './core-compat.ts';
import { CORE_RELO_KINDS } from './core-kind.ts';
import { CoreResolver } from './core-resolve.ts';
import { dumpC } from './dump-c.ts';
import { dumpRaw, dumpRawJson } from './dump-raw.ts';
import { coreRelos, parseBtfExt, writeBtfExt } from './ext.ts';
import { mergeBtf } from './merge.ts';
import { remapTypeIds } from './remap.ts';
import { BtfBuilder, type BtfTypeInit } from './writer.ts';

function fixture(name: string): Uint8Array {
  return new Uint8Array(readFileSync(new URL(`../../testdata/btf/${name}`, import.meta.url)));
}

const name = fc.constantFrom('', 'a', 'b', 'long_name', 'a___flavor', 'int', 'ünïcode');
const u8 = fc.integer({ min: 0, max: 255 });
const u32 = fc.integer({ min: 0, max: 0xffffffff });
const offset = fc.integer({ min: 0, max: 4096 });
const order = fc.constantFrom('little' as const, 'big' as const);

/** Any type whose references are below `count`. FUNCs are added apart, as they need a prototype. */
function typeArbitrary(count: number): fc.Arbitrary<BtfTypeInit> {
  const typeId = fc.nat(count - 1);
  const ref = <K extends string>(...kinds: K[]) => fc.record({ kind: fc.constantFrom(...kinds), name, typeId });
  const isAttribute = fc.boolean();
  const member = fc.record({ name, typeId, bitOffset: offset, bitSize: fc.constantFrom(0, 0, 1, 13) });
  return fc.oneof(
    fc
      .record({ name, sizeBytes: fc.constantFrom(1, 2, 4, 8, 16), encoding: fc.nat(15), bitOffset: u8, bits: u8 })
      .map(init => ({
        kind: 'INT' as const,
        ...init,
        signed: (init.encoding & 1) !== 0,
        char: (init.encoding & 2) !== 0,
        bool: (init.encoding & 4) !== 0,
      })),
    ref('PTR'),
    ref('TYPEDEF'),
    ref('VOLATILE', 'CONST', 'RESTRICT'),
    fc.record({ kind: fc.constant('ARRAY' as const), name, typeId, indexTypeId: typeId, nelems: u32 }),
    fc
      .record({
        kind: fc.constantFrom('STRUCT', 'UNION'),
        name,
        sizeBytes: offset,
        members: fc.array(member, { maxLength: 5 }),
      })
      .map(init => ({ ...init, kindFlag: init.members.some(({ bitSize }) => bitSize !== 0) })),
    fc.record({
      kind: fc.constant('ENUM' as const),
      name,
      sizeBytes: u8,
      signed: fc.constant(true),
      values: fc.array(fc.record({ name, value: fc.integer() }), { maxLength: 4 }),
    }),
    fc.record({
      kind: fc.constant('ENUM64' as const),
      name,
      sizeBytes: u8,
      signed: fc.constant(false),
      values: fc.array(fc.record({ name, value: fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }) }), { maxLength: 4 }),
    }),
    fc.record({ kind: fc.constant('FWD' as const), name, of: fc.constantFrom('struct' as const, 'union' as const) }),
    fc.record({
      kind: fc.constant('FUNC_PROTO' as const),
      name,
      returnTypeId: typeId,
      params: fc.array(fc.record({ name, typeId }), { maxLength: 4 }),
    }),
    fc.record({ kind: fc.constant('VAR' as const), name, typeId, linkage: fc.nat(2) }),
    fc.record({
      kind: fc.constant('DATASEC' as const),
      name,
      sizeBytes: u32,
      vars: fc.array(fc.record({ typeId, offBytes: u32, sizeBytes: u32 }), { maxLength: 4 }),
    }),
    fc.record({ kind: fc.constant('FLOAT' as const), name, sizeBytes: u8 }),
    fc.record({
      kind: fc.constant('DECL_TAG' as const),
      name,
      typeId,
      componentIdx: fc.integer({ min: -1, max: 9 }),
      isAttribute,
    }),
    fc.record({ kind: fc.constant('TYPE_TAG' as const), name, typeId, isAttribute }),
  );
}

const graph: fc.Arbitrary<BtfTypeInit[]> = fc
  .integer({ min: 2, max: 24 })
  .chain(count => fc.array(typeArbitrary(count), { minLength: count - 1, maxLength: count - 1 }));

function build(types: readonly BtfTypeInit[], byteOrder: 'little' | 'big' = 'little'): Btf {
  const builder = new BtfBuilder();
  for (const type of types) builder.add(type);
  const proto = types.findIndex(type => type.kind === 'FUNC_PROTO');
  if (proto >= 0) builder.add({ kind: 'FUNC', name: 'f', typeId: proto + 1, linkage: 1 });
  return builder.build(byteOrder);
}

const withoutId = ({ id: _, ...type }: { readonly id: number }) => type;

describe('writing and reading', () => {
  it('gives back the types', () => {
    fc.assert(
      fc.property(graph, order, (types, byteOrder) => {
        const btf = build(types, byteOrder);
        expect([...btf.ownTypes()].map(withoutId).slice(0, types.length)).toEqual(types);
      }),
    );
  });

  it('gives back the bytes', () => {
    fc.assert(
      fc.property(graph, order, (types, byteOrder) => {
        const btf = build(types, byteOrder);
        expect(BtfBuilder.from(btf).encode(byteOrder)).toEqual(btf.bytes);
      }),
    );
  });

  it('means the same in both byte orders', () => {
    fc.assert(
      fc.property(graph, types => {
        expect(dumpRawJson(build(types, 'big'))).toBe(dumpRawJson(build(types, 'little')));
      }),
    );
  });

  it('finds every named type', () => {
    fc.assert(
      fc.property(graph, types => {
        const btf = build(types);
        for (const type of btf.ownTypes()) {
          if (type.name === '') continue;
          expect(btf.allByName(type.name)).toContain(type.id);
          expect(btf.typeById(btf.findByName(type.name, type.kind)).kind).toBe(type.kind);
        }
      }),
    );
  });
});

/** Gives every type a name of its own, so that equal types can only be equal by meaning. */
function named(types: readonly BtfTypeInit[]): BtfTypeInit[] {
  return types.map((type, index) => ({ ...type, name: `t${index}` }));
}

describe('merging', () => {
  const pure = graph.map(types => types.filter(type => type.kind !== 'VAR' && type.kind !== 'DATASEC'));
  const closed = pure.map(types => types.map(type => remapTypeIds(type, id => (id > types.length ? 0 : id))));

  it('of a BTF with itself adds nothing', () => {
    fc.assert(
      fc.property(closed, types => {
        const once = mergeBtf([build(types)]);
        const twice = mergeBtf([build(types), build(types, 'big')]);
        expect(twice.builder.encode()).toEqual(once.builder.encode());
        expect(twice.idMaps[0]).toEqual(twice.idMaps[1]);
      }),
    );
  });

  it('happens once: the merged BTF has nothing left to merge', () => {
    fc.assert(
      fc.property(closed, closed, (a, b) => {
        const merged = mergeBtf([build(a), build(b)]).builder.encode();
        expect(mergeBtf([openBtf(merged)]).builder.encode()).toEqual(merged);
      }),
    );
  });

  it('keeps what types mean', () => {
    fc.assert(
      fc.property(closed.map(named), closed.map(named), (a, b) => {
        const inputs = [build(a), build(b)];
        const { builder, idMaps } = mergeBtf(inputs);
        const merged = builder.build();
        inputs.forEach((btf, input) => {
          for (const type of btf.ownTypes()) {
            // Forward declarations may become what they declare.
            if (type.kind === 'FWD' || ('values' in type && type.values.length === 0)) continue;
            if (type.kind === 'UNKNOWN' || type.kind === 'VOID') continue;
            const found = merged.typeById(idMaps[input][type.id]);
            expect(withoutId(found)).toEqual(withoutId({ ...remapTypeIds(type, id => idMaps[input][id]), id: 0 }));
          }
        });
      }),
    );
  });
});

/** Everything that reads a BTF; throws only FarcallError, whatever the bytes. */
function useEverything(bytes: Uint8Array, ext: Uint8Array, target: Btf): void {
  const attempt = (run: () => void): void => {
    try {
      run();
    } catch (error) {
      if (!(error instanceof FarcallError)) throw error;
    }
  };
  attempt(() => {
    const btf = openBtf(bytes);
    for (let id = 0; id < btf.typeCount; id++) {
      attempt(() => void btf.typeById(id));
      attempt(() => void btf.sizeOf(id));
      attempt(() => void btf.alignOf(id));
      attempt(() => void btf.skipModifiers(id));
      attempt(() => void btf.findByName(btf.nameOf(id)));
      attempt(() => void coreTypesAreCompat({ btf, id }, { btf, id }));
      attempt(() => void coreTypesMatch({ btf, id }, { btf, id }));
    }
    attempt(() => void dumpC(btf));
    attempt(() => void dumpC(btf, { unsorted: true, style: 'complete' }));
    attempt(() => void dumpRaw(btf));
    attempt(() => void mergeBtf([btf, target]).builder.encode());
    attempt(() => {
      const parsed = parseBtfExt(ext, btf);
      expect(parseBtfExt(writeBtfExt(parsed), btf)).toMatchObject({ coreRelo: parsed.coreRelo });
      const there = new CoreResolver(btf, [target]);
      const back = new CoreResolver(btf, [btf]);
      for (const group of parsed.coreRelo.groups) {
        for (const relo of coreRelos(parsed, group)) {
          attempt(() => void there.resolve(relo));
          attempt(() => void back.resolve({ ...relo, kind: relo.kind % CORE_RELO_KINDS.length }));
        }
      }
    });
  });
}

describe('damaged BTF', () => {
  const files = ['shapes', 'core', 'shapeseb'].map(stem => ({
    btf: fixture(`${stem}.btf`),
    ext: fixture(`${stem}.btf.ext`),
  }));
  const target = openBtf(fixture('target.btf'));
  const damage = fc.array(fc.tuple(fc.nat(), u8), { minLength: 1, maxLength: 6 });

  it('ends in a value or a FarcallError', () => {
    fc.assert(
      fc.property(fc.constantFrom(...files), damage, damage, fc.boolean(), (file, hits, extHits, hitExt) => {
        const bytes = file.btf.slice();
        for (const [at, value] of hits) bytes[at % bytes.length] = value;
        const ext = file.ext.slice();
        if (hitExt) for (const [at, value] of extHits) ext[at % ext.length] = value;
        useEverything(hitExt ? file.btf : bytes, ext, target);
      }),
      { numRuns: 150 },
    );
  });

  it('ends so when type ids go astray', () => {
    fc.assert(
      fc.property(graph, types => {
        useEverything(build(types).bytes, fixture('core.btf.ext'), target);
      }),
      { numRuns: 100 },
    );
  });
});
