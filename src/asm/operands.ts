import type { Insn } from '../isa/index.ts';
import { parseExpression } from './expression.ts';
import type { Token } from './lexer.ts';
import { type PrintHooks, type Style, signedDecimal } from './style.ts';

/** A field of a slot that text spells out; `imm2` is the imm of the second slot. */
export type FieldName = 'dst' | 'src' | 'off' | 'imm' | 'imm2';

/** A name to be resolved to a distance once all labels are known. */
export interface LabelRef {
  readonly token: Token;
  readonly field: 'off' | 'imm';
  /** The name may also be a helper's. */
  readonly callee: boolean;
}

/** What was read of one statement so far. */
export interface Captures {
  readonly fields: Partial<Record<FieldName, number>>;
  label?: LabelRef;
}

/** Why an operand was not read. `next` is how far the reader came; the furthest failure is the one that is reported. */
export interface OperandFailure {
  readonly next: number;
  readonly code?: 'asm.register' | 'asm.range';
  readonly message?: string;
  readonly expected: string;
  /** Token to point at; `next` when undefined. */
  readonly token?: number;
}

export interface PrintContext {
  readonly insn: Insn;
  readonly idx: number;
  /** imm of the second slot, 0 where there is none. */
  readonly imm2: number;
  readonly style: Style;
  readonly hooks: PrintHooks;
  /** Name of the label at a slot, when labels are printed. */
  readonly labelOf?: (idx: number) => string | undefined;
}

/** One way to spell a field: it prints a value and reads it back. */
export interface OperandForm {
  /** `value` is the field's; for a jump the distance. */
  print(value: number, context: PrintContext, field: FieldName): string;
  /** Reads from token `i` into `captures`; returns the index of the next token. */
  parse(
    tokens: readonly Token[],
    i: number,
    captures: Captures,
    field: FieldName,
    style: Style,
  ): number | OperandFailure;
}

const S16 = { min: -32768n, max: 32767n } as const;
const S32 = { min: -2147483648n, max: 4294967295n } as const;

const unsignedHex = (value: number): string => `0x${(value >>> 0).toString(16)}`;

function set(captures: Captures, field: FieldName, value: number): boolean {
  const known = captures.fields[field];
  if (known !== undefined) return known === value;
  captures.fields[field] = value;
  return true;
}

const signed32 = (value: bigint): number => Number(BigInt.asIntN(32, value));

function register(wide: boolean): OperandForm {
  const prefixOf = (style: Style): string => (wide ? style.reg : style.wreg);
  return {
    print: (value, { style }) => `${prefixOf(style)}${value}`,
    parse(tokens, i, captures, field, style) {
      const prefix = prefixOf(style);
      const expected = `${prefix}0..${prefix}10`;
      const text = tokens[i]?.kind === 'word' ? tokens[i].text.toLowerCase() : '';
      const number = text.startsWith(prefix) ? text.slice(prefix.length) : '';
      if (!/^[0-9]+$/.test(number)) return { next: i, expected };
      if (number.length > 2 || (number.length === 2 && number !== '10')) {
        return { next: i + 1, token: i, code: 'asm.register', message: 'no such register', expected };
      }
      if (set(captures, field, Number(number))) return i + 1;
      const same = `${prefix}${captures.fields[field]}`;
      const message = 'both registers of this instruction are the same field';
      return { next: i + 1, token: i, code: 'asm.register', message, expected: same };
    },
  };
}

/** Reads a number that fits a field. */
function readNumber(
  tokens: readonly Token[],
  i: number,
  captures: Captures,
  field: FieldName,
  style: Style,
  what: string,
): number | OperandFailure {
  const read = parseExpression(tokens, i, style.operators);
  if (read === undefined) return { next: i, expected: what };
  const range = field === 'off' ? S16 : S32;
  const decimalMax = field === 'off' ? S16.max : BigInt(style.decimalMax);
  const max = read.hex ? range.max : decimalMax;
  if (read.value < range.min || read.value > max) {
    const message = `the number does not fit into ${field === 'off' ? 16 : 32} bits`;
    const expected = `${range.min}..${decimalMax}${range.max > decimalMax ? ', in hex to 0xffffffff' : ''}`;
    return { next: read.next, token: i, code: 'asm.range', message, expected };
  }
  if (!set(captures, field, signed32(read.value))) return { next: i, expected: String(captures.fields[field]) };
  return read.next;
}

function plain(show: (value: number, style: Style) => string): OperandForm {
  return {
    print: (value, { style }) => show(value, style),
    parse: (tokens, i, captures, field, style) => readNumber(tokens, i, captures, field, style, 'a number'),
  };
}

const isSign = (token: Token | undefined): boolean => token?.text === '+' || token?.text === '-';

const displacement: OperandForm = {
  print: (value, { style }) => style.displacement(value),
  parse(tokens, i, captures, field, style) {
    if (isSign(tokens[i])) return readNumber(tokens, i, captures, field, style, 'an offset');
    return set(captures, field, 0) ? i : { next: i, expected: 'an offset' };
  },
};

/** A displacement inside brackets, left out when it is 0. */
const index: OperandForm = {
  ...displacement,
  print: (value, { style }) => (value === 0 ? '' : style.displacement(value)),
};

/** A number behind a comma, left out when it is 0. */
const tail: OperandForm = {
  print: (value, { style }) => (value === 0 ? '' : `, ${style.number(value)}`),
  parse(tokens, i, captures, field, style) {
    if (tokens[i]?.text === ',') return readNumber(tokens, i + 1, captures, field, style, 'a number');
    return set(captures, field, 0) ? i : { next: i, expected: ',' };
  },
};

function label(tokens: readonly Token[], i: number, captures: Captures, field: FieldName, callee: boolean): number {
  captures.fields[field] = 0;
  captures.label = { token: tokens[i], field: field === 'off' ? 'off' : 'imm', callee };
  return i + 1;
}

/** A name, or a local label such as `1b`. A word with `%` in front is a register and nothing else. */
const isLabel = (token: Token | undefined): boolean =>
  token !== undefined &&
  (token.kind === 'word' ? !token.text.startsWith('%') : token.kind === 'number' && token.value === undefined);

function jump(show: (distance: number, style: Style) => string, callee = false): OperandForm {
  return {
    print(value, { idx, style, labelOf }) {
      return labelOf?.(idx + value + 1) ?? show(value, style);
    },
    parse(tokens, i, captures, field, style) {
      const what = 'a distance or a label';
      const named = style.targetWord !== '' && tokens[i]?.text === style.targetWord && isSign(tokens[i + 1]);
      if (!named && isLabel(tokens[i])) return label(tokens, i, captures, field, callee);
      return readNumber(tokens, named ? i + 1 : i, captures, field, style, what);
    },
  };
}

/** The name of what is called, before a `#` and the number. Read and forgotten: the number says it. */
const calleeName: OperandForm = {
  print(value, { insn, idx, hooks }) {
    const helper = insn.src === 0 ? hooks.helperName?.(value) : undefined;
    return helper ?? hooks.cbCall?.(insn, idx) ?? 'unknown';
  },
  parse: (tokens, i) => (tokens[i]?.kind === 'word' ? i + 1 : { next: i, expected: 'a name' }),
};

const kfuncName: OperandForm = {
  print: (_, { insn, idx, hooks }) => hooks.cbCall?.(insn, idx) ?? 'kernel-function',
  parse(tokens, i) {
    const matches = tokens[i]?.text === 'kernel' && tokens[i + 1]?.text === '-' && tokens[i + 2]?.text === 'function';
    return matches ? i + 3 : { next: i, expected: 'kernel-function' };
  },
};

/** A function's name alone: a label, else a helper. Never printed. */
const calleeAlone: OperandForm = {
  print: () => '',
  parse: (tokens, i, captures, field) =>
    isLabel(tokens[i]) ? label(tokens, i, captures, field, true) : { next: i, expected: 'the name of a function' },
};

const wide: OperandForm = {
  print(value, { imm2, style }) {
    return style.wide((BigInt(imm2) << 32n) | BigInt(value >>> 0));
  },
  parse(tokens, i, captures, _, style) {
    const read = parseExpression(tokens, i, style.operators);
    if (read === undefined) return { next: i, expected: 'a 64-bit number' };
    if (read.value < -(1n << 63n) || read.value >= 1n << 64n) {
      const message = 'the number does not fit into 64 bits';
      return { next: read.next, token: i, code: 'asm.range', message, expected: '-2^63..2^64 - 1' };
    }
    captures.fields.imm = signed32(read.value);
    captures.fields.imm2 = signed32(read.value >> 32n);
    return read.next;
  },
};

/** Forms by name; `{imm:x}` in a template is the field `imm` in the form `x`. */
export const OPERAND_FORMS = {
  /** A 64-bit register, a 32-bit one. */
  r: register(true),
  w: register(false),
  /** A number as the dialect writes it, as unsigned hex, as unsigned decimal. */
  n: plain((value, style) => style.number(value)),
  x: plain(unsignedHex),
  u: plain(value => String(value >>> 0)),
  disp: displacement,
  index,
  tail,
  /** The target of a jump; as a bare signed distance; as unsigned hex. */
  jump: jump((distance, style) => style.target(distance)),
  delta: jump(signedDecimal),
  xjump: jump(unsignedHex),
  /** The target of a call, whose name may be a helper's; the second behind `pc`. */
  call: jump((distance, style) => style.target(distance), true),
  pccall: jump((distance, style) => `pc${style.target(distance)}`, true),
  name: calleeName,
  kfunc: kfuncName,
  callee: calleeAlone,
  /** imm and imm2 together. */
  wide,
} as const satisfies Record<string, OperandForm>;

export type FormName = keyof typeof OPERAND_FORMS;

/** Largest decimal of a dialect that reads decimals as signed. */
export const SIGNED_DECIMAL_MAX = 2147483647;
/** Largest decimal of a dialect that reads unsigned decimals too. */
export const UNSIGNED_DECIMAL_MAX = 4294967295;
