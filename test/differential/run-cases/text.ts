import { R1, R2, R3, R4, R5 } from '../../../src/isa/index.ts';
import { encodeText } from '../../../src/util/index.ts';
import { id, put, type RunCase, stackAddr, tc } from './shared.ts';

export function numbers(): RunCase[] {
  const texts: readonly (readonly [string, number])[] = [
    ['  -42', 10],
    ['0x1F', 0],
    ['077', 0],
    ['08', 0],
    ['abc', 16],
    ['0xabc', 16],
    ['-9223372036854775808', 10],
    ['9223372036854775807', 10],
    ['9223372036854775808', 10],
    ['18446744073709551615', 10],
    ['18446744073709551616', 10],
    ['-', 10],
    ['12', 7],
    ['12', 42],
    ['0x', 0],
    ['0x', 16],
    ['0xg', 0],
    ['7z', 8],
    ['z', 10],
    ['\t\n 5 6', 10],
    ['  ', 10],
    ['-1', 10],
    ['+1', 10],
    ['0', 0],
    ['-0', 0],
    ['000000000000000000000000000000000000000000000000000000000000000000001', 10],
  ];
  return ['strtol', 'strtoul'].flatMap(helper =>
    texts.map(([text, flags]) =>
      tc(`${helper} ${JSON.stringify(text)} ${flags}`, b => {
        const bytes = encodeText(text);
        put(b, -112, bytes);
        stackAddr(b, R1, -112);
        b.mov(R2, bytes.length).mov(R3, flags);
        stackAddr(b, R4, -16);
        b.helper(id(helper));
      }),
    ),
  );
}

export function formats(): RunCase[] {
  const args = [-5, 0x7fffffff, 255];
  return [
    'plain',
    '',
    '%d',
    '%5d|%-5d|',
    '%05d',
    '%+d % d',
    '%u',
    '%x %X',
    '%lx',
    '%llx',
    '%ld %lld',
    '%li',
    '%lu',
    '%i',
    '%c',
    '%3c|%-3c|',
    '%p',
    '%px',
    '%20px',
    '%pK',
    '%%',
    '%d%%%d',
    '%d %d %d',
    '%d %d %d %d',
    '%',
    '%5',
    '%s',
    '%10s|',
    '%-10s|',
    '%sx',
    '%s,',
    '%pks',
    '%pus',
    '%pksx',
    '%pI4',
    '%pi4',
    '%pI6',
    '%pi6',
    '%pI5',
    '%pM',
    '%f',
    '%#x',
    '%.3d',
    '%ll',
    '%lld',
    '%h',
    '%hd',
    '%o',
    '%n',
    '%-05d|',
    '%0-5d|',
    '\u00e9',
    '\u0007',
    'a\tb\n',
    '%zu',
    '%lp',
    '%5%',
  ].map(format =>
    tc(`trace_printk ${JSON.stringify(format)}`, b => {
      const bytes = encodeText(format);
      put(b, -112, bytes);
      stackAddr(b, R1, -112);
      b.mov(R2, bytes.length + 1)
        .mov(R3, args[0])
        .mov(R4, args[1])
        .mov(R5, args[2])
        .helper(id('trace_printk'));
    }),
  );
}
