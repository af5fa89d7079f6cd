import { describe, expect, it } from 'vitest';
import { BTF_INT_BOOL, BTF_INT_SIGNED, BtfBuilder } from '../../btf/index.ts';
import { fromHex } from '../../util/index.ts';
import { toJson } from '../json.ts';
import { BtfValueReader } from './btf-value.ts';
import { hexdump } from './bytes.ts';
import { compactValue } from './compact.ts';
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

  it('shows what is cut off as hex', () => {
    expect(new BtfValueReader(btf, bytes.subarray(0, 3), 'little').read(u32)).toBe('0x616200');
  });
});

it('shortens runs and long lists', () => {
  expect(compactValue([0, 0, 0, 0, 0, 5, 6])).toBe('[0 × 5, 5, 6]');
  expect(compactValue(Array.from({ length: 40 }, (_, i) => i)).endsWith(', 31, … 8 more]')).toBe(true);
});
