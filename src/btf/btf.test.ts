import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { FarcallError } from '../util/index.ts';
import { type Btf, openBtf } from './btf.ts';
import { fixDatasecs, needsDatasecFix } from './datasec-fix.ts';
import { BtfBuilder } from './writer.ts';

function fixture(name: string): Uint8Array {
  return new Uint8Array(readFileSync(new URL(`../../testdata/btf/${name}`, import.meta.url)));
}

const INT = { kind: 'INT', name: 'int', sizeBytes: 4, signed: true, char: false, bool: false, encoding: 1 } as const;
const int32 = { ...INT, bitOffset: 0, bits: 32 };

function codeOf(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    if (error instanceof FarcallError) return error.code;
    throw error;
  }
  return 'none';
}

describe.each(['shapes.btf', 'shapeseb.btf'])('%s', file => {
  const btf = openBtf(fixture(file));
  const size = (name: string): number => btf.sizeOf(btf.findByName(name));
  const align = (name: string): number => btf.alignOf(btf.findByName(name));

  it('knows its byte order and its types', () => {
    expect(btf.order).toBe(file === 'shapes.btf' ? 'little' : 'big');
    expect([...btf.ownTypes()].length).toBe(btf.typeCount - 1);
    expect(btf.typeById(0)).toEqual({ kind: 'VOID', id: 0, name: '' });
    expect(btf.pointerSizeBytes).toBe(8);
  });

  it('finds types by name and kind', () => {
    const id = btf.findByName('node', 'STRUCT');
    expect(btf.kindOf(id)).toBe('STRUCT');
    expect(btf.typeById(id)).toBe(btf.typeById(id));
    expect(btf.findByName('node', 'UNION')).toBe(0);
    expect(btf.findByName('nod')).toBe(0);
    expect(btf.findByName('')).toBe(0);
    expect(btf.findByName('node\0prev')).toBe(0);
    expect(btf.allByName('color').map(found => btf.kindOf(found))).toEqual(['ENUM']);
  });

  it.each([
    ['bits', 16, 8],
    ['gaps', 64, 8],
    ['packed_one', 11, 1],
    ['node', 56, 8],
    ['color_t', 4, 4],
    ['wide', 8, 8],
    ['small', 1, 1],
    ['node_ptr', 8, 8],
  ])('lays out %s', (name, sizeBytes, alignBytes) => {
    expect([size(name), align(name)]).toEqual([sizeBytes, alignBytes]);
  });

  it('reads enumerators of every width', () => {
    const values = (name: string) => {
      const type = btf.typeById(btf.findByName(name));
      return type.kind === 'ENUM' || type.kind === 'ENUM64' ? type.values.map(entry => entry.value) : [];
    };
    expect(values('color')).toEqual([0, 5, -1]);
    expect(values('wide')).toEqual([1n, 0x123456789abcn]);
    expect(values('wide_signed')).toEqual([-0x7fffffffffffffffn, 1n]);
  });

  it('says why a type has no size', () => {
    const func = btf.findByName('prog', 'FUNC');
    expect(btf.trySizeOf(func)).toBe('no-size');
    expect(codeOf(() => btf.sizeOf(func))).toBe('btf.no-size');
    expect(codeOf(() => btf.sizeOf(0))).toBe('btf.no-size');
    expect(codeOf(() => btf.typeById(btf.typeCount))).toBe('btf.type-id');
    expect(codeOf(() => btf.typeById(-1))).toBe('btf.type-id');
  });

  it('completes DATASECs without moving strings or ids', () => {
    expect(needsDatasecFix(btf)).toBe(true);
    const offsets = new Map([['wide_value', 64]]);
    const fixed: Btf = fixDatasecs(btf, {
      sectionSizeBytes: section => (section === '.bss' ? 4096 : undefined),
      variableOffBytes: variable => offsets.get(variable) ?? 8,
      linkage: variable => (variable === 'wide_value' ? 0 : undefined),
    });
    const bss = fixed.typeById(fixed.findByName('.bss', 'DATASEC'));
    if (bss.kind !== 'DATASEC') throw new Error('no .bss');
    expect(bss.sizeBytes).toBe(4096);
    expect(bss.vars.map(entry => entry.offBytes)).toEqual(
      [...bss.vars.map(entry => entry.offBytes)].sort((a, b) => a - b),
    );
    expect(fixed.nameOf(bss.vars.at(-1)?.typeId ?? 0)).toBe('wide_value');
    expect(fixed.typeById(fixed.findByName('wide_value', 'VAR'))).toMatchObject({ linkage: 0 });
    expect(fixed.typeById(fixed.findByName('.rodata', 'DATASEC'))).toMatchObject({ sizeBytes: 0 });
    expect(fixed.strings.bytes).toEqual(btf.strings.bytes);
  });
});

describe('split BTF', () => {
  const builder = new BtfBuilder();
  const intId = builder.add(int32);
  builder.add({ kind: 'PTR', name: '', typeId: intId });
  builder.add({ ...int32, name: 'long', sizeBytes: 4 });
  const base = builder.build();
  const split = new BtfBuilder(base);
  const own = split.add({ kind: 'TYPEDEF', name: 'mine', typeId: intId });
  const other = split.add({ ...int32, name: 'int' });
  const btf = split.build('big');

  it('continues ids and strings of its base', () => {
    expect([btf.startId, btf.typeCount, own]).toEqual([4, 6, 4]);
    expect(btf.nameOf(intId)).toBe('int');
    expect(btf.skipModifiers(own)).toBe(intId);
    expect(btf.sizeOf(own)).toBe(4);
    expect(btf.pointerSizeBytes).toBe(4);
    expect([...btf.ownTypes()].map(type => type.name)).toEqual(['mine', 'int']);
  });

  it('looks names up in the base first', () => {
    expect(btf.findByName('int')).toBe(intId);
    expect(btf.allByName('int')).toEqual([intId, other]);
    expect(btf.findByName('mine')).toBe(own);
    expect(base.findByName('mine')).toBe(0);
  });
});

describe('flavors', () => {
  const builder = new BtfBuilder();
  for (const name of ['foo', 'foo___a', 'bar', 'foo___a___b', 'foo____c']) builder.add({ ...int32, name });
  const btf = builder.build();
  it.each([
    ['foo', [1, 2]],
    ['foo___z', [1, 2]],
    ['foo___a', [1, 2]],
    ['foo___a___b', [4]],
    ['foo____c', [5]],
    ['none', []],
  ])('%s means %j', (name, ids) => expect(btf.allByEssentialName(name)).toEqual(ids));
  it('exact look-ups see flavors as they are', () => expect(btf.allByName('foo___a')).toEqual([2]));
});

describe('types that go nowhere', () => {
  const builder = new BtfBuilder();
  builder.add({ kind: 'TYPEDEF', name: 'loop', typeId: 1 });
  const self = builder.add({
    kind: 'STRUCT',
    name: 'self',
    sizeBytes: 8,
    members: [{ name: 'self', typeId: 2, bitOffset: 0, bitSize: 0 }],
  });
  const huge = builder.add({ kind: 'ARRAY', name: '', typeId: 2, indexTypeId: 2, nelems: 0xffffffff });
  const btf = builder.build();
  it('are refused, not followed', () => {
    expect(codeOf(() => btf.skipModifiers(1))).toBe('btf.loop');
    expect(codeOf(() => btf.sizeOf(1))).toBe('btf.too-deep');
    expect(codeOf(() => btf.sizeOf(huge))).toBe('btf.too-large');
    expect(btf.alignOf(self)).toBe(0);
  });
});

/** A one-INT BTF as words after the header; tests bend single words of it. */
function raw(words: readonly number[], strings = '\0int\0', bend: (view: DataView) => void = () => {}): Uint8Array {
  const text = new TextEncoder().encode(strings);
  const bytes = new Uint8Array(24 + 4 * words.length + text.length);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, 0xeb9f, true);
  view.setUint8(2, 1);
  const header = [24, 0, 4 * words.length, 4 * words.length, text.length];
  for (const [i, word] of [...header, ...words].entries()) view.setUint32(4 + 4 * i, word, true);
  bytes.set(text, 24 + 4 * words.length);
  bend(view);
  return bytes;
}

const ONE_INT = [1, 0x01000000, 4, 0x01000020];

describe('malformed BTF', () => {
  it('accepts the sound twin of what follows', () => expect(openBtf(raw(ONE_INT)).typeCount).toBe(2));

  it.each<[string, string, Uint8Array, RegExp]>([
    ['no bytes', 'btf.magic', new Uint8Array(0), /0 bytes/],
    ['other bytes', 'btf.magic', new Uint8Array(64), /0xeb9f/],
    ['half a header', 'btf.header', raw([]).subarray(0, 20), /20 bytes/],
    ['another version', 'btf.header', raw(ONE_INT, '\0', view => view.setUint8(2, 9)), /version.*9/],
    ['a short header length', 'btf.header', raw(ONE_INT, '\0', view => view.setUint32(4, 8, true)), /found 8/],
    ['strings outside', 'btf.header', raw(ONE_INT, '\0', view => view.setUint32(20, 99, true)), /of 99 bytes/],
    ['types over strings', 'btf.header', raw(ONE_INT, '\0', view => view.setUint32(12, 20, true)), /of 20 bytes/],
    ['misaligned types', 'btf.header', raw(ONE_INT, '\0int\0', view => view.setUint32(12, 15, true)), /length 15/],
    ['no strings', 'btf.strings', raw(ONE_INT, ''), /empty/],
    ['an open string', 'btf.strings', raw(ONE_INT, '\0int'), /end in NUL/],
    ['a first string', 'btf.strings', raw(ONE_INT, 'int\0'), /begin with the empty/],
    ['an unknown kind', 'btf.kind', raw([0, 0x1f000000, 0]), /type \[1\].*found 31/],
    ['kind 0', 'btf.kind', raw([0, 0, 0]), /found 0/],
    ['a cut-off type', 'btf.type', raw([1, 0x01000000, 4]), /type \[1\].*16 bytes.*12 bytes/],
    ['too many members', 'btf.type', raw([0, 0x04000002, 4, 0, 1, 0]), /36 bytes/],
    ['a missing type', 'btf.type-id', raw([0, 0x02000000, 7]), /PTR \[1\].*below 2.*7/],
    ['a missing member type', 'btf.type-id', raw([0, 0x04000001, 4, 0, 9, 0]), /item 0 of STRUCT \[1\]/],
    ['a missing element type', 'btf.type-id', raw([0, 0x03000000, 0, 5, 1, 0]), /element type of ARRAY/],
    ['a missing name', 'btf.string-offset', raw([99, 0x01000000, 4, 32]), /name of INT \[1\].*below 5.*99/],
    ['a FUNC of an INT', 'btf.func', raw([...ONE_INT, 1, 0x0c000001, 1]), /FUNC \[2\].*\[1\] INT/],
  ])('%s', (_, code, bytes, message) => {
    expect(codeOf(() => openBtf(bytes))).toBe(code);
    expect(() => openBtf(bytes)).toThrow(message);
  });
});

describe('headers longer than known', () => {
  /** Lengthens the header by `extra` bytes. */
  function lengthened(words: readonly number[], extra: readonly number[]): Uint8Array {
    const plain = raw(words, '\0int\0', view => view.setUint32(4, 24 + 4 * extra.length, true));
    const tail = new Uint8Array(Uint32Array.from(extra).buffer);
    return Uint8Array.from([...plain.subarray(0, 24), ...tail, ...plain.subarray(24)]);
  }
  it('may be zero', () => expect(openBtf(lengthened(ONE_INT, [0, 0, 0])).typeCount).toBe(2));
  it('may hold nothing unknown', () =>
    expect(codeOf(() => openBtf(lengthened(ONE_INT, [0, 0, 1])))).toBe('btf.header'));
  it('may tell the extent of kinds from the future', () => {
    const future = [0, 0x14000002, 0, 11, 12, 13, 14, 15];
    // 21 layouts of 4 bytes come after types and strings (padded to 8 bytes).
    const strings = '\0int\0\0\0\0';
    const layouts = Array.from({ length: 21 }, (_, kind) => (kind === 20 ? 4 | (8 << 8) : 0));
    const words = [...future, ...ONE_INT];
    const body = raw(words, strings, view => view.setUint32(4, 32, true));
    const bytes = Uint8Array.from([
      ...body.subarray(0, 24),
      ...new Uint8Array(Uint32Array.of(4 * words.length + 8, 84).buffer),
      ...body.subarray(24),
      ...new Uint8Array(Uint32Array.from(layouts).buffer),
    ]);
    const btf = openBtf(bytes);
    expect([...btf.ownTypes()].map(type => type.kind)).toEqual(['UNKNOWN', 'INT']);
    expect(btf.typeById(1)).toMatchObject({ kindNumber: 20 });
  });
});
