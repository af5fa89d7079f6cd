import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BTF_INT_BOOL, BTF_INT_SIGNED, BtfBuilder } from '../../btf/index.ts';
import { type ByteOrder, fromHex, toHex } from '../../util/index.ts';
import { toJson } from '../json.ts';
import { addressBytes } from './addresses.ts';
import { placeAt } from './btf-place.ts';
import { type BtfValue, BtfValueReader } from './btf-value.ts';
import { BtfValueWriter } from './btf-value-writer.ts';
import { hexdump } from './bytes.ts';
import { compactValue } from './compact.ts';
import { equalsSign, parseGiven, parseJson } from './given-value.ts';
import { JsonWriter, writeValue } from './json-writer.ts';
import { formatTable } from './table.ts';

describe('tables', () => {
  it('aligns, leaves out empty columns, ends lines without blanks', () => {
    const columns = [{ title: 'name' }, { title: 'n', align: 'right' }, { title: 'flags' }, { title: 'last' }] as const;
    const rows = [
      ['\x1b[36mlonger\x1b[0m', '1', '', ''],
      ['x', '1000', '', 'yes'],
    ];
    expect(formatTable(columns, rows, '  ')).toBe(
      '  name       n  last\n  \x1b[36mlonger\x1b[0m     1\n  x       1000  yes\n',
    );
  });
});

it('hexdump marks what changed', () => {
  const bytes = fromHex('4142430001ff61626364656667686970 7f');
  expect(hexdump(bytes, '', fromHex('4142440001ff61626364656667686970'), text => `<${text}>`)).toBe(
    '0000  41 42 <43> 00 01 ff 61 62  63 64 65 66 67 68 69 70  AB<C>...abcdefghip\n' +
      `0010  <7f>${' '.repeat(48)}<.>\n`,
  );
});

it('JSON keeps 64-bit integers and writes bytes as hex', () => {
  expect(toJson({ a: 18446744073709551615n, b: fromHex('00ff'), c: undefined, d: [Number.NaN, null, 'x"y'] })).toBe(
    '{"a":18446744073709551615,"b":"00ff","d":[null,null,"x\\"y"]}',
  );
});

it('lays JSON out as bpftool does', () => {
  const writer = new JsonWriter();
  writeValue(writer, [
    { key: 1, value: { a: [1, 2], b: 'x', c: [] } },
    { key: 2, value: {} },
  ]);
  expect(writer.text).toBe(
    [
      '[{',
      '        "key": 1,',
      '        "value": {',
      '            "a": [1,2',
      '            ],',
      '            "b": "x",',
      '            "c": []',
      '        }',
      '    },{',
      '        "key": 2,',
      '        "value": {}',
      '    }',
      ']',
    ].join('\n'),
  );
});

describe('typed values', () => {
  const builder = new BtfBuilder();
  const int = (name: string, sizeBytes: number, encoding: number): number =>
    builder.add({
      kind: 'INT',
      name,
      sizeBytes,
      encoding,
      bits: 8 * sizeBytes,
      bitOffset: 0,
      signed: false,
      char: false,
      bool: false,
    });
  const array = (typeId: number, nelems: number): number =>
    builder.add({ kind: 'ARRAY', name: '', typeId, indexTypeId: u32, nelems });
  const member = (name: string, typeId: number, bitOffset: number, bitSize = 0) => ({
    name,
    typeId,
    bitOffset,
    bitSize,
  });
  const u32 = int('unsigned int', 4, 0);
  const s16 = int('short', 2, BTF_INT_SIGNED);
  const char = int('char', 1, BTF_INT_SIGNED);
  const bool = int('_Bool', 1, BTF_INT_BOOL);
  const comm = array(char, 4);
  const pair = array(s16, 2);
  const color = builder.add({
    kind: 'ENUM',
    name: 'color',
    sizeBytes: 4,
    signed: false,
    values: [{ name: 'RED', value: 7 }],
  });
  const inner = builder.add({
    kind: 'UNION',
    name: '',
    sizeBytes: 4,
    members: [member('word', u32, 0), member('pair', pair, 0)],
  });
  const ptr = builder.add({ kind: 'PTR', name: '', typeId: u32 });
  const all = builder.add({
    kind: 'STRUCT',
    name: 'all',
    sizeBytes: 32,
    members: [
      member('comm', comm, 0),
      member('', inner, 32),
      member('color', color, 64),
      member('low', u32, 96, 3),
      member('high', u32, 99, 5),
      member('next', ptr, 128),
      member('on', bool, 192),
    ],
  });
  const btf = builder.build('little', { pointerSizeBytes: 8 });
  const bytes = fromHex('6162000001000200070000008d00000010200000000000800100000000000000');

  it('reads every kind', () => {
    const value = new BtfValueReader(btf, bytes, 'little').read(all);
    expect({ ...(value as object) }).toEqual({
      comm: 'ab',
      word: 0x20001,
      pair: [1, 2],
      color: 'RED',
      low: 5,
      high: 17,
      next: '0x8000000000002010',
      on: true,
    });
    expect(compactValue(value)).toBe(
      '{comm: "ab", word: 131073, pair: [1, 2], color: RED, low: 5, high: 17, next: 0x8000000000002010, on: true}',
    );
  });

  it('writes what it reads', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 32, maxLength: 32 }),
        fc.constantFrom<ByteOrder>('little', 'big'),
        fc.boolean(),
        (given, order, network) => {
          const value = new BtfValueReader(btf, given, order, network).read(all);
          const written = new Uint8Array(32);
          const json = parseJson(toJson(value)) as BtfValue;
          new BtfValueWriter(btf, written, order, network).write(all, json, 'all');
          expect(new BtfValueReader(btf, written, order, network).read(all)).toEqual(value);
        },
      ),
    );
  });

  it.each<[BtfValue, string]>([
    [{ comm: 'abcd', color: 'RED', on: true }, '616263640000000007000000000000000000000000000000 0100000000000000'],
    [
      { comm: 'hex:01020304', low: 7, high: '0x1f' },
      '010203040000000000000000ff0000000000000000000000 0000000000000000',
    ],
    [{ pair: 0x20001, next: '4096' }, '000000000100020000000000000000000010000000000000 0000000000000000'],
    [{ word: '10.0.0.1', comm: 12, pair: null }, '313200000a00000100000000000000000000000000000000 0000000000000000'],
    [{ pair: [-1] }, '00000000ffff000000000000000000000000000000000000 0000000000000000'],
  ])('writes %j', (value, hex) => {
    const written = new Uint8Array(32);
    new BtfValueWriter(btf, written, 'little').write(all, value, 'all');
    expect(toHex(written)).toBe(hex.replace(' ', ''));
  });

  it.each<[BtfValue, string]>([
    [5, 'all does not fit its type (expected an object with its members, found 5)'],
    [[], 'all does not fit its type (expected an object with its members, found a list of 0 items)'],
    [{ nobody: 1 }, 'expected one of the members comm, word, pair, color, low, high, next, on'],
    [{ comm: 'abcde' }, 'all.comm does not fit its type (expected text of at most 4 bytes, found 5 bytes)'],
    [{ pair: [1, 2, 3] }, 'expected at most 2 items, found 3 items'],
    [{ pair: [1, 65536] }, 'all.pair[1] does not fit its type (expected an integer of 16 bits, found 65536)'],
    [{ pair: { a: 1 } }, 'expected a list of at most 2 items'],
    [{ color: 'BLUE' }, 'expected an integer or one of RED, found "BLUE"'],
    [{ low: 8 }, 'expected an integer of 3 bits, found 8'],
    [{ low: 'x' }, 'expected an integer, found "x"'],
    [{ on: 'yes' }, 'expected true or false'],
    [{ word: 1.5 }, 'expected an integer of 32 bits, found 1.5'],
    [{ word: 'hex:00' }, 'expected 4 bytes, found 1 bytes'],
  ])('refuses %j', (value, message) => {
    const writer = new BtfValueWriter(btf, new Uint8Array(32), 'little');
    expect(() => writer.write(all, value, 'all')).toThrow(message);
  });

  it('refuses values of any depth', () => {
    const deep = parseJson(`${'['.repeat(50_000)}${']'.repeat(50_000)}`) as BtfValue;
    const write = (value: BtfValue) => new BtfValueWriter(btf, new Uint8Array(32), 'little').write(all, value, 'all');
    expect(() => write(deep)).toThrow('found a list of 1 item)');
    expect(() => write({ pair: deep })).toThrow('found a list of 1 item)');
  });

  it('follows paths', () => {
    expect(placeAt(btf, all, '.pair[1]')).toMatchObject({ typeId: s16, bitOffset: 48, bitSize: 0 });
    expect(placeAt(btf, all, '.high')).toMatchObject({ bitOffset: 99, bitSize: 5 });
    expect(placeAt(btf, all, '')).toMatchObject({ typeId: all, bitOffset: 0 });
    expect(placeAt(btf, all, '.pair[2]')).toEqual({ expected: 'an index below 2' });
    expect(placeAt(btf, all, '.on.off')).toEqual({ expected: 'a struct before .member' });
    expect(placeAt(btf, all, '[0]')).toEqual({ expected: 'an array before [index]' });
    expect(placeAt(btf, all, '.pair[x]')).toEqual({ expected: '.member or [index]' });
  });

  it('shows what is cut off as hex', () => {
    expect(new BtfValueReader(btf, bytes.subarray(0, 3), 'little').read(u32)).toBe('0x616200');
  });
});

it('shortens runs and long lists', () => {
  expect(compactValue([0, 0, 0, 0, 0, 5, 6])).toBe('[0 × 5, 5, 6]');
  expect(compactValue(Array.from({ length: 40 }, (_, i) => i)).endsWith(', 31, … 8 more]')).toBe(true);
});

describe('addresses', () => {
  it.each([
    ['10.0.0.255', 4, '0a0000ff'],
    ['10.0.0.256', 4, undefined],
    ['10.0.0', 4, undefined],
    ['10.0.0.01', 4, undefined],
    ['00:1a:2B:3c:4d:5e', 6, '001a2b3c4d5e'],
    ['00:1a:2b:3c:4d', 6, undefined],
    ['::', 16, '00000000000000000000000000000000'],
    ['::1', 16, '00000000000000000000000000000001'],
    ['fe80::1:2', 16, 'fe800000000000000000000000010002'],
    ['1:2:3:4:5:6:7:8', 16, '00010002000300040005000600070008'],
    ['1:2:3:4:5:6:7::', 16, '00010002000300040005000600070000'],
    ['::ffff:1.2.3.4', 16, '00000000000000000000ffff01020304'],
    ['1:2:3:4:5:6:7', 16, undefined],
    ['1::2::3', 16, undefined],
    ['1:2:3:4:5:6:7:8:9', 16, undefined],
    ['12345::', 16, undefined],
  ])('%s', (text, size, hex) => {
    expect(addressBytes(text, size)).toEqual(hex === undefined ? undefined : fromHex(hex));
  });
});

describe('given values', () => {
  it.each<[string, unknown]>([
    ['12', 12n],
    ['-0x10', -16n],
    ['1_000', 1000n],
    ['1.5', 1.5],
    ['true', true],
    ['constructor', 'constructor'],
    ['10.0.0.1', '10.0.0.1'],
    ['"12"', '12'],
    [
      '[0x1f,18446744073709551615,-9223372036854775808,1.00000000000000001,1e3]',
      ['0x1f', '18446744073709551615', '-9223372036854775808', 1, 1000],
    ],
    ['{"a 12345678901234567890":"x\\"12345678901234567890"}', { 'a 12345678901234567890': 'x"12345678901234567890' }],
  ])('%s', (text, value) => expect(parseGiven(text)).toEqual(value));

  it.each([
    ['1=2', 1],
    ['{"a=":"\\"="}=2', 12],
    ['hex:00=', 6],
    ['=', 0],
    ['{"a":1', -1],
    ['["=', -1],
  ])('%s has its = at %i', (text, at) => expect(equalsSign(text)).toBe(at));

  it('says what is not JSON', () => {
    expect(() => parseJson('{a}')).toThrow(/^not JSON: /);
    expect(() => parseJson('['.repeat(100_000))).toThrow(/^not JSON: /);
  });
});
