import { ir } from '../../src/jit/rows/index.ts';

const SUB: Readonly<Record<number, string>> = {
  [ir.ADD]: '+',
  [ir.SUB]: '-',
  [ir.MUL]: '*',
  [ir.DIV]: '/',
  [ir.OR]: '|',
  [ir.AND]: '&',
  [ir.LSH]: '<<',
  [ir.RSH]: '>>',
  [ir.MOD]: '%',
  [ir.XOR]: '^',
  [ir.ARSH]: 's>>',
  [ir.ROL]: 'rol',
};
const COMPARE: Readonly<Record<number, string>> = {
  [ir.JEQ]: '==',
  [ir.JNE]: '!=',
  [ir.JGT]: '>',
  [ir.JGE]: '>=',
  [ir.JLT]: '<',
  [ir.JLE]: '<=',
  [ir.JSGT]: 's>',
  [ir.JSGE]: 's>=',
  [ir.JSLT]: 's<',
  [ir.JSLE]: 's<=',
  [ir.JSET]: '&',
};

const signed = (n: number): string => (n < 0 ? ` - ${-n}` : n > 0 ? ` + ${n}` : '');
const hex = (hi: number, lo: number): string =>
  `0x${(hi >>> 0 === 0 ? '' : (hi >>> 0).toString(16)) + (hi >>> 0 === 0 ? (lo >>> 0).toString(16) : (lo >>> 0).toString(16).padStart(8, '0'))}`;

/** A row as a line: `r3 = r1 + r4`; '' for one that does nothing. Names begin with w where 32 bits count. */
export function rowText(rows: ir.Ir, i: number): string {
  const { kind, sub, d, a, b, imm, aux, off, flags } = rows;
  const narrow = (flags[i] & ir.W) !== 0;
  const name = (r: number): string => `${narrow ? 'w' : 'r'}${r}`;
  const constant = hex(aux[i], imm[i]);
  const index = rows.narrowAddresses && aux[i] > 0 ? ` + r${aux[i] - 1}` : '';
  const part = (flags[i] & ir.PART) !== 0 ? `u${8 << (sub[i] & 3)} ` : '';
  const place = a[i] === ir.NONE ? `${part}local${off[i]}` : `u${8 << (sub[i] & 3)}[r${a[i]}${index}${signed(off[i])}]`;
  switch (kind[i]) {
    case ir.NOP:
      return '';
    case ir.MOV:
      return `${name(d[i])} = ${name(a[i])}`;
    case ir.CONST:
      return `r${d[i]} = ${constant}`;
    case ir.MASK:
      return `r${d[i]} = ${sub[i] === 0 ? `r${a[i]}` : `rol(r${a[i]}, ${sub[i]})`} & ${constant}`;
    case ir.SEXT:
      return `${name(d[i])} = s${sub[i]} ${name(a[i])}`;
    case ir.BSWAP:
      return `r${d[i]} = bswap${sub[i]} r${a[i]}`;
    case ir.ALU_K:
      return sub[i] === ir.NEG
        ? `${name(d[i])} = -${name(a[i])}`
        : sub[i] === ir.ADD
          ? `${name(d[i])} = ${name(a[i])}${signed(imm[i])}`
          : `${name(d[i])} = ${name(a[i])} ${SUB[sub[i]]} ${imm[i]}`;
    case ir.ALU_X:
      return `${name(d[i])} = ${name(a[i])} ${SUB[sub[i]]} ${name(b[i])}${sub[i] === ir.ADD ? signed(imm[i]) : ''}`;
    case ir.LOAD:
      return `r${d[i]} = ${place}`;
    case ir.STORE:
      return `${place} = r${b[i]}`;
    case ir.STORE_K:
      return `${place} = ${imm[i]}`;
    case ir.JA:
      return `goto ${aux[i]}`;
    case ir.JCC_K:
      return `if ${name(a[i])} ${COMPARE[sub[i]]} ${imm[i]} goto ${aux[i]}`;
    case ir.JCC_X:
      return `if ${name(a[i])} ${COMPARE[sub[i]]} ${name(b[i])} goto ${aux[i]}`;
    case ir.CALL_HELPER:
      return `helper ${imm[i]}`;
    case ir.CALL_SUB:
      return `call f${aux[i]}`;
    case ir.ZERO_FRAME:
      return `frame of ${aux[i]} bytes below ${imm[i]}`;
    case ir.LEAVE:
      return 'exit';
    default:
      return `row of kind ${kind[i]}`;
  }
}

/** What is left of a function. */
export function rowsText(rows: ir.Ir): string[] {
  return Array.from({ length: rows.n }, (_, i) => rowText(rows, i)).filter(line => line !== '');
}
